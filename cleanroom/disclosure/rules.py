# SPDX-License-Identifier: Apache-2.0
"""The rules that one group must obey by itself, each a pure function of its statistics.

Every function answers whether the group is unsafe under one rule, with integers
and exact fractions only: two parties must come to the same verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.groups import Group, UnitStatistics, UsualValue, VectorStatistics
from cleanroom.disclosure.lattice import disjoint_sets
from cleanroom.disclosure.layout import VectorKind


def is_small(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether fewer units than the threshold are behind the row.

    A row of fewer units than two releases may differ by is too close to no row at all.
    """
    return statistics.units < max(rules.threshold, rules.difference)


def lacks_support(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether fewer units than the threshold contribute to one of the numbers.

    A group of a hundred people in which three have a cost is a group of three. A number
    to which nobody contributes is an empty cell, and leaves only if every owner said that
    zeros may.
    """
    least = max(rules.threshold, rules.difference)
    empty = 1 if rules.zeros == "release" else 0
    released = (item for item in statistics.vectors if item.plan.kind is not VectorKind.PART)
    return any(empty <= vector.support < least for vector in released)


def is_split(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether something divides the units of the row into nearly all and a few.

    ``sum(CASE WHEN zip = '99950' THEN 0 ELSE cost END)`` leaves one person out, and
    ``count(*)`` beside ``count(cost)`` tells how many have none. Where a number adds up rows of one
    unit under several conditions, no combination of their counts may be the same for all but a few.
    """
    least = max(rules.threshold, rules.difference)
    return any(0 < side < least for side in statistics.splits) or any(
        disjoint_sets(ways, enough=least) < least for ways in statistics.meetings
    )


def is_dominated(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether a few contributors make up too much of a number.

    With ``n=2, k=9/10``, two firms holding more than nine tenths of a total could
    each subtract their own share and read off the other's.
    """
    return any(
        # Multiplied out: integers are compared ten times faster than fractions.
        sum(vector.largest[: rule.largest]) * rule.share.denominator
        > rule.share.numerator * vector.absolute
        for vector in statistics.vectors
        for rule in rules.dominance
    )


def can_be_estimated(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether the second largest contributor can estimate the largest to within p %.

    Unsafe if X - x1 - x2 < p/100 * x1 (Handbook on Statistical Disclosure Control).
    """
    return any(_is_estimable(vector, rules.p_percent) for vector in statistics.vectors)


def has_few_unusual(statistics: UnitStatistics, rules: Rules) -> bool:
    """Tell whether everybody but a few units has one known value.

    Whoever knows that a benefit is 500 for everyone else reads the exception off the sum; and
    where everybody pays 10 for a visit, off sum and number of visits. Of means, the usual one must
    be most people's: they are alike by chance more often than sums.
    """
    unusual = [_unusual(usual, statistics, rules) for usual in statistics.usual]
    unusual += [
        found
        for found in (_unusual(usual, statistics, rules) for usual in statistics.means)
        if 2 * found < statistics.units
    ]
    return any(0 < found < rules.threshold for found in unusual)


def _unusual(usual: UsualValue, statistics: UnitStatistics, rules: Rules) -> int:
    return unusual_units(usual, units=statistics.units, threshold=rules.threshold)


def unusual_units(usual: UsualValue, *, units: int, threshold: int) -> int:
    """Count the units that do not have the commonest value; having none is a value as well.

    Exact when the count is below the threshold; else some number that is not.
    """
    if usual.constant <= 2 * threshold:
        # The list is complete: at most twice the threshold of values were asked for.
        absent = units - usual.constant
        return units - max([absent, *Counter(usual.low).values()])
    # If fewer than the threshold differ from one value, that value fills the sorted list
    # from before its threshold-th place to after its threshold-th place from the end.
    middle = usual.low[threshold - 1]
    if usual.high[threshold - 1] != middle:
        return units
    below = sum(value < middle for value in usual.low[:threshold])
    above = sum(value > middle for value in usual.high[:threshold])
    return units - usual.constant + below + above


RULES: Mapping[str, Callable[[UnitStatistics, Rules], bool]] = {
    "threshold": is_small,
    "support": lacks_support,
    "splits": is_split,
    "dominance": is_dominated,
    "p-percent": can_be_estimated,
    "non-modal": has_few_unusual,
}


def first_failure(group: Group, rules: Rules) -> str:
    """Name the first rule that a group breaks for any kind of unit; empty if none."""
    for name, is_unsafe in RULES.items():
        if any(is_unsafe(statistics, rules) for statistics in group.by_unit):
            return name
    return ""


def _is_estimable(vector: VectorStatistics, p_percent: Fraction) -> bool:
    first, second = (*vector.largest, 0, 0)[:2]
    rest = vector.absolute - first - second
    return rest * 100 * p_percent.denominator < p_percent.numerator * first
