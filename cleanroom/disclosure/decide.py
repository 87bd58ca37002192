# SPDX-License-Identifier: Apache-2.0
"""Decide what may leave: the only place that mints ``Released``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.bands import band, is_lowest
from cleanroom.disclosure.difference import conflicts
from cleanroom.disclosure.grid import round_count, round_number
from cleanroom.disclosure.groups import Group, Key, VectorStatistics, read_groups
from cleanroom.disclosure.layout import Layout, VectorKind, VectorPlan, plan_layout
from cleanroom.disclosure.past import PastCell, Vector
from cleanroom.disclosure.released import Check, Released, ReleasedValue, ResultColumn
from cleanroom.disclosure.rules import RULES, first_failure
from cleanroom.disclosure.shape import AggregateKind, AggregateShape, ReleaseShape
from cleanroom.disclosure.statistics_sql import MAX_GROUPS

__all__ = ["Check", "Released", "ReleasedValue", "ResultColumn", "decide"]

_ACROSS_GROUPS = ("difference",)
_VECTOR_OF = {
    AggregateKind.COUNT_ROWS: VectorKind.ROWS,
    AggregateKind.COUNT: VectorKind.PRESENT,
    AggregateKind.COUNT_DISTINCT: VectorKind.DISTINCT,
    AggregateKind.APPROX_COUNT_DISTINCT: VectorKind.DISTINCT,
    AggregateKind.SUM: VectorKind.SUM,
    AggregateKind.AVG: VectorKind.SUM,
}


def decide(
    rows: Sequence[Sequence[Any]],
    *,
    shape: ReleaseShape,
    rules: Rules,
    history: Sequence[PastCell],
    max_groups: int = MAX_GROUPS,
) -> Released:
    """Apply every rule to every group and round what remains.

    Raises:
        DisclosureRefusedError: The result as a whole may not leave.
        IntegrityError: The statistics contradict themselves.
    """
    layout = plan_layout(shape, rules)
    # 1. Statistics that agree with each other, for every kind of unit (T-13).
    groups = read_groups(rows, layout=layout, max_groups=max_groups)
    # 2. What each group must obey by itself (T-08).
    failed = _failures(groups, rules)
    # 3. What it must not be subtracted from, now or ever before (T-08).
    failed |= _conflicting(groups, failed, shape=shape, rules=rules, history=history)
    # 4. Only now are numbers rounded, and rows put in an order that data cannot choose (T-11).
    kept = [group for place, group in enumerate(groups) if place not in failed]
    kept.sort(key=lambda group: _order(group.key))
    withheld = _bands(failed, rules=rules)
    return Released(
        columns=_columns(shape),
        rows=tuple(_row(group, layout=layout, rules=rules) for group in kept),
        withheld=withheld,
        cells=tuple(_cell(group, shape=shape) for group in kept if shape.units),
        checks=_checks(rules, withheld),
    )


def _failures(groups: Sequence[Group], rules: Rules) -> dict[int, str]:
    if rules.public:
        return {}
    named = {place: first_failure(group, rules) for place, group in enumerate(groups)}
    return {place: rule for place, rule in named.items() if rule}


def _conflicting(
    groups: Sequence[Group],
    failed: Mapping[int, str],
    *,
    shape: ReleaseShape,
    rules: Rules,
    history: Sequence[PastCell],
) -> dict[int, str]:
    if rules.public:
        return {}
    # A row that is withheld anyway is never known, so nothing can be subtracted from it.
    places = [place for place in range(len(groups)) if place not in failed]
    cells = [_cell(groups[place], shape=shape) for place in places]
    close = conflicts(cells, history, units=rules.difference)
    return {places[position]: "difference" for position in close}


def _cell(group: Group, *, shape: ReleaseShape) -> PastCell:
    # Equal vectors of one cell say the same thing once.
    vectors = {
        Vector(
            namespace=unit.namespace,
            members=vector.plan.kind is VectorKind.MEMBERS,
            fingerprints=vector.fingerprints,
        ): None
        for unit, statistics in zip(shape.units, group.by_unit, strict=True)
        for vector in statistics.vectors
    }
    return PastCell(vectors=tuple(vectors))


def _bands(failed: Mapping[int, str], *, rules: Rules) -> dict[str, str]:
    if rules.public:
        return {}
    counts = dict.fromkeys((*RULES, *_ACROSS_GROUPS), 0)
    for rule in failed.values():
        counts[rule] += 1
    return {rule: band(count, threshold=rules.threshold) for rule, count in counts.items()}


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
    types = {key.name: key.type for key in shape.keys}
    types |= {aggregate.name: aggregate.type for aggregate in shape.aggregates}
    return tuple(ResultColumn(name=name, type=types[name]) for name in shape.order)


def _row(group: Group, *, layout: Layout, rules: Rules) -> tuple[ReleasedValue, ...]:
    shape = layout.shape
    values: dict[str, ReleasedValue] = {
        key.name: _key_value(value) for key, value in zip(shape.keys, group.key, strict=True)
    }
    vectors = {vector.plan: vector for vector in group.by_unit[0].vectors}
    for aggregate in shape.aggregates:
        values[aggregate.name] = _number(aggregate, vectors, rules=rules)
    return tuple(values[name] for name in shape.order)


def _number(
    aggregate: AggregateShape, vectors: Mapping[VectorPlan, VectorStatistics], *, rules: Rules
) -> int | str:
    if aggregate.unit >= 0:
        plan = VectorPlan(kind=VectorKind.UNITS, index=aggregate.unit)
    else:
        plan = VectorPlan(kind=_VECTOR_OF[aggregate.kind], index=max(0, aggregate.argument))
    total = vectors[plan].total
    if aggregate.kind not in {AggregateKind.SUM, AggregateKind.AVG}:
        return round_count(int(total), base=rules.round_counts)
    value = Fraction(total)
    if aggregate.kind is AggregateKind.AVG:
        present = VectorPlan(kind=VectorKind.PRESENT, index=aggregate.argument)
        value /= Fraction(vectors[present].total)
    return round_number(value, digits=rules.significant_digits)


def _key_value(value: object) -> ReleasedValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dt.date):  # a datetime is a date too
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _order(key: Key) -> tuple[tuple[bool, Any], ...]:
    """Order keys of one type each, NULL last."""
    return tuple((value is None, 0 if value is None else value) for value in key)
