# SPDX-License-Identifier: Apache-2.0
"""Which statistics each group has, and in which columns the generated SQL returns them.

The writer of the SQL and the reader of its rows both follow this one list, so
a column cannot mean two things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.shape import (
    AggregateKind,
    ArgumentKind,
    ReleaseShape,
    require_bounded,
)
from cleanroom.errors import DisclosureRefusedError

LEAST_THRESHOLD = 3  # with two, each of two contributors reads off the other

_COMPUTED = frozenset(
    {
        AggregateKind.COUNT_ROWS,
        AggregateKind.COUNT,
        AggregateKind.COUNT_DISTINCT,
        AggregateKind.APPROX_COUNT_DISTINCT,
        AggregateKind.SUM,
        AggregateKind.AVG,
    }
)


class VectorKind(StrEnum):
    """What one unit contributes to one number of one group."""

    MEMBERS = "members"  # 1 for every unit of the group
    ROWS = "rows"  # rows
    PRESENT = "present"  # rows with a value
    SUM = "sum"  # sum of the measure
    DISTINCT = "distinct"  # distinct identifiers
    UNITS = "units"  # distinct units of some protected input


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorPlan:
    """One vector of contributions; ``index`` is the argument's or the counted unit's."""

    kind: VectorKind
    index: int = 0

    @property
    def name(self) -> str:
        """Name the per-unit column that holds the contribution."""
        return f"{self.kind.value}{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The plan of one statistics statement.

    Attributes:
        shape: What is released.
        vectors: Contribution vectors; the first is always ``MEMBERS``.
        threshold: Units below which nothing of a group is fetched.
        largest: How many largest contributions are fetched.
    """

    shape: ReleaseShape
    vectors: tuple[VectorPlan, ...]
    threshold: int
    largest: int

    @property
    def measures(self) -> tuple[int, ...]:
        """Arguments whose usual value matters."""
        kinds = enumerate(self.shape.arguments)
        return tuple(index for index, item in kinds if item.kind is ArgumentKind.MEASURE)

    @property
    def shared(self) -> tuple[VectorPlan, ...]:
        """Vectors whose total over a group is not the sum over its units."""
        return tuple(plan for plan in self.vectors if plan.kind is VectorKind.DISTINCT)

    @property
    def selects(self) -> int:
        """Rows that one group has in the statement's result."""
        return max(1, len(self.shape.units)) + bool(self.shared)


def plan_layout(shape: ReleaseShape, rules: Rules) -> Layout:
    """Plan the statistics that the rules need of a shape.

    Raises:
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    require_bounded(shape)
    _require_matching(shape, rules)
    _require_computable(shape)
    return Layout(
        shape=shape,
        vectors=tuple(_vectors(shape)),
        threshold=1 if rules.public else rules.threshold,
        largest=max((2, *(rule.largest for rule in rules.dominance))),
    )


def _require_matching(shape: ReleaseShape, rules: Rules) -> None:
    if rules.public == bool(shape.units):
        raise DisclosureRefusedError(
            "rules: found rules of other datasets, agreed the rules of all datasets of the query",
            code="disclosure.rules",
        )
    if rules.noise:
        raise DisclosureRefusedError(
            "noise: a policy demands noise, which this gate cannot add", code="disclosure.noise"
        )
    if not rules.public and min(rules.threshold, rules.difference) < LEAST_THRESHOLD:
        raise DisclosureRefusedError(
            f"threshold: below {LEAST_THRESHOLD} units", code="disclosure.rules"
        )


def _require_computable(shape: ReleaseShape) -> None:
    kinds = {item.kind for item in shape.aggregates}
    if kinds - _COMPUTED or len(shape.sets) > 1 or shape.groupings:
        raise DisclosureRefusedError(
            "aggregates: found one that this gate does not compute yet",
            code="disclosure.unsupported",
        )


def _vectors(shape: ReleaseShape) -> Sequence[VectorPlan]:
    found = [VectorPlan(kind=VectorKind.MEMBERS)]
    if any(item.kind is AggregateKind.COUNT_ROWS for item in shape.aggregates):
        found.append(VectorPlan(kind=VectorKind.ROWS))
    for index, argument in enumerate(shape.arguments):
        kind = argument.kind
        if kind is ArgumentKind.DISTINCT:
            found.append(VectorPlan(kind=VectorKind.DISTINCT, index=index))
        else:
            found.append(VectorPlan(kind=VectorKind.PRESENT, index=index))
        if kind is ArgumentKind.MEASURE:
            found.append(VectorPlan(kind=VectorKind.SUM, index=index))
    counted = {item.unit for item in shape.aggregates if item.unit >= 0}
    found += [VectorPlan(kind=VectorKind.UNITS, index=unit) for unit in sorted(counted)]
    return found
