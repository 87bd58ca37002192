# SPDX-License-Identifier: Apache-2.0
"""Decide what may leave: the only place that mints ``Released``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.answers import Answer, Answers, answer_groups
from cleanroom.disclosure.bands import band, is_lowest
from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.groups import Group, read_groups
from cleanroom.disclosure.layout import Layout, VectorPlan, plan_layout, vectors_of
from cleanroom.disclosure.margins import sums_of
from cleanroom.disclosure.moments import released_number
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.released import Check, Released, ReleasedValue, ResultColumn
from cleanroom.disclosure.rules import RULES, first_failure
from cleanroom.disclosure.shape import ReleaseShape
from cleanroom.disclosure.statbarns import Statbarn, statbarn_of
from cleanroom.disclosure.statistics_sql import MAX_GROUPS
from cleanroom.disclosure.values import key_value, order_of

__all__ = ["Check", "Released", "ReleasedValue", "ResultColumn", "decide"]

Plans: TypeAlias = Mapping[str, Sequence[VectorPlan]]
_ACROSS_GROUPS = ("difference",)


def decide(
    rows: Sequence[Sequence[Any]],
    *,
    shape: ReleaseShape,
    rules: Rules,
    history: Sequence[PastTable],
    max_groups: int = MAX_GROUPS,
) -> Released:
    """Apply every rule to every group, answer as before where it was asked before, and round.

    Raises:
        DisclosureRefusedError: The result as a whole may not leave.
        IntegrityError: The statistics contradict themselves.
    """
    layout = plan_layout(shape, rules)
    # 1. Statistics that agree with each other, for every kind of unit (T-13).
    groups = read_groups(rows, layout=layout, max_groups=max_groups)
    # 2. What each group must obey by itself (T-08).
    failed = _failures(groups, rules)
    # 3. What must not become known beside what is known, now or ever before (T-08).
    answers = _answers(groups, failed, layout=layout, rules=rules, history=history)
    # 4. Only now are numbers rounded, and rows put in an order that data cannot choose (T-11).
    plans = {item.name: vectors_of(item) for item in shape.aggregates}
    kept = sorted(answers.answers, key=lambda answer: _order(answer.group))
    withheld = _bands(answers.withheld, rules=rules)
    return Released(
        columns=_columns(shape),
        rows=tuple(_row(answer, plans, shape=shape, rules=rules) for answer in kept),
        earlier=tuple(_earlier(answer, plans) for answer in kept),
        withheld=withheld,
        tables=answers.tables,
        checks=_checks(rules, withheld),
    )


def _failures(groups: Sequence[Group], rules: Rules) -> dict[int, str]:
    if rules.public:
        return {}
    named = {place: first_failure(group, rules) for place, group in enumerate(groups)}
    return {place: rule for place, rule in named.items() if rule}


def _answers(
    groups: Sequence[Group],
    failed: Mapping[int, str],
    *,
    layout: Layout,
    rules: Rules,
    history: Sequence[PastTable],
) -> Answers:
    if rules.public:
        answers = tuple(_own_answer(group, layout=layout) for group in groups)
        return Answers(answers=answers, withheld={}, tables=())
    earlier = Earlier(units=rules.difference, buckets=layout.buckets)
    for table in history:
        earlier.add_table(table, sums_of(table.rows))
    return answer_groups(groups, failed, layout=layout, earlier=earlier, units=rules.difference)


def _own_answer(group: Group, *, layout: Layout) -> Answer:
    totals = {
        plan: Fraction(total, 10 ** layout.scale(plan)) for plan, total in group.totals.items()
    }
    return Answer(group=group, totals=totals, earlier=frozenset())


def _bands(withheld: Mapping[str, int], *, rules: Rules) -> dict[str, str]:
    if rules.public:
        return {}
    names = (*RULES, *_ACROSS_GROUPS)
    return {rule: band(withheld.get(rule, 0), threshold=rules.threshold) for rule in names}


def _checks(rules: Rules, withheld: Mapping[str, str]) -> tuple[Check, ...]:
    if rules.public:
        return ()
    parameters = _parameters(rules)
    applied = (*withheld.items(), ("rounding", band(0, threshold=rules.threshold)))
    return tuple(
        Check(
            rule=rule,
            parameters=parameters.get(rule, {"units": rules.threshold}),
            verdict="held" if is_lowest(name) else "withheld",
            withheld=name,
        )
        for rule, name in applied
    )


def _parameters(rules: Rules) -> dict[str, dict[str, str | int]]:
    # Of two shares for one number of contributors the smaller is the stricter.
    shares = sorted(rules.dominance, reverse=True)
    return {
        "dominance": {f"share_of_{rule.largest}": str(rule.share) for rule in shares},
        "p-percent": {"p": str(rules.p_percent)},
        "difference": {"units": rules.difference},
        "rounding": {
            "counts": rules.round_counts,
            "significant_digits": rules.significant_digits,
        },
    }


def _columns(shape: ReleaseShape) -> tuple[ResultColumn, ...]:
    margins = len(shape.sets) > 1
    found = {key.name: (key.type, Statbarn.KEY) for key in shape.keys}
    found |= {grouping.name: ("integer", Statbarn.KEY) for grouping in shape.groupings}
    found |= {
        item.name: (item.type, statbarn_of(item.kind, margins=margins)) for item in shape.aggregates
    }
    return tuple(
        ResultColumn(name=name, type=found[name][0], statbarn=found[name][1].value)
        for name in shape.order
    )


def _row(
    answer: Answer, plans: Plans, *, shape: ReleaseShape, rules: Rules
) -> tuple[ReleasedValue, ...]:
    group = answer.group
    values: dict[str, ReleasedValue] = {
        key.name: key_value(value) for key, value in zip(shape.keys, group.key, strict=True)
    }
    grouped = shape.sets[group.number]
    for grouping in shape.groupings:
        bits = "".join(str(int(index not in grouped)) for index in grouping.keys)
        values[grouping.name] = int(bits, 2)
    for item in shape.aggregates:
        values[item.name] = released_number(
            item,
            [answer.totals[plan] for plan in plans[item.name]],
            arguments=shape.arguments,
            rules=rules,
        )
    return tuple(values[name] for name in shape.order)


def _earlier(answer: Answer, plans: Plans) -> tuple[str, ...]:
    return tuple(name for name, used in plans.items() if not answer.earlier.isdisjoint(used))


def _order(group: Group) -> tuple[Any, ...]:
    return order_of(group.key), group.number
