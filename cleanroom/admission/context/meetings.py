# SPDX-License-Identifier: Apache-2.0
"""Where conditions meet that rows of one person add up, such as those of the inputs of a union.

``SELECT k, 2 * los AS x FROM t UNION ALL SELECT k, 1 FROM t WHERE a UNION ALL SELECT k, -1 FROM t
WHERE b`` has an odd sum where ``a`` and ``b`` differ for one person, although each holds for many.
No row has both, so they meet in the person, whatever datasets the inputs read: it is counted in how
many rows of each person which condition holds. The same goes for the rows of one table, where a
person may have several, and a number is one of three things or more (``tallies``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import ColumnFacts, Columns, Degree
from cleanroom.admission.context.lowered import Lowered, ref
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.columns import produced
from cleanroom.admission.typed.expr import BOOLEAN, TRUE, Call, Expr, Ref, both, call, holds

MAX_MEETING = 64  # conditions and counts that one number adds up
MAX_MEETINGS = 16  # of one release

# Conditions, and numbers of arguments that count how often something was.
Meeting = frozenset[Expr | int]


def meeting(
    inputs: frozenset[int],
    conditions: Iterable[Expr],
    columns: Columns,
    *,
    values: Iterable[Expr] = (),
    place: Place,
) -> frozenset[Expr]:
    """Return the conditions of a number that rows of several inputs add up.

    What holds in rows of any input holds in each of them by itself, and a row without a value adds
    nothing: ``0 * cost + 1`` counts those who have a cost.

    Raises:
        QueryRefusedError: More than people can be counted by.
    """
    flags: list[Expr] = [Ref(column=flag, type=BOOLEAN) for flag in sorted(inputs)]
    present: Expr = TRUE
    for value in values:
        present = both(present, call("present", value))
    found = {both(flag, present) for flag in flags}
    for condition in conditions:
        if _is_settled(condition, columns):
            found.add(condition)
        else:
            found |= {both(flag, condition) for flag in flags}
    require_few(found, place=place)
    return frozenset(found)


def require_few(conditions: Iterable[Expr | int], *, place: Place) -> None:
    """Refuse more conditions than people can be counted by.

    Raises:
        QueryRefusedError: More than the limit.
    """
    if len(tuple(conditions)) > MAX_MEETING:
        refuse(
            "meetings",
            f"a number that adds up rows of one person under more than {MAX_MEETING} conditions",
            fix="unite fewer inputs, or use GROUP BY in place of CASE",
            place=place,
        )


def _is_settled(condition: Expr, columns: Columns) -> bool:
    """Tell whether for whom a condition holds says in which inputs it does."""
    facts = [
        columns[part.column] if isinstance(part, Ref) else None for part in _conjuncts(condition)
    ]
    return any(item and item.of_input for item in facts) or all(
        item and item.of_unit for item in facts
    )


def _conjuncts(condition: Expr) -> Iterator[Expr]:
    if isinstance(condition, Call) and condition.function in {"and", "holds"}:
        for part in condition.args:
            yield from _conjuncts(part)
    else:
        yield condition


def joined_inputs(
    left: Lowered, right: Lowered, joined: Lowered, builder: Builder, *, place: Place
) -> Lowered:
    """Say of joined rows from which input of a union they came; of two unions, from which pair.

    Raises:
        QueryRefusedError: More pairs than people can be counted by.
    """
    sides = [frozenset(flag for group in side.inputs for flag in group) for side in (left, right)]
    if not all(sides):
        return with_inputs(joined, left.inputs | right.inputs)
    for column in produced(joined.relation):
        facts = builder.columns[column]
        if facts.of_input:
            # It holds in rows of one input of its own union, and of any of the other one.
            builder.columns[column] = replace(facts, of_input=False)
    pairs = {
        builder.new(flag_facts()): both(holds(ref(builder, one)), holds(ref(builder, other)))
        for one in sorted(sides[0])
        for other in sorted(sides[1])
    }
    require_few(pairs.values(), place=place)
    return with_inputs(joined.extended(pairs.items()), frozenset({frozenset(pairs)}))


def flag_facts() -> ColumnFacts:
    """Describe a column that tells from which input a row came."""
    return ColumnFacts(type=BOOLEAN, degree=Degree.LINEAR, of_input=True)


def with_inputs(lowered: Lowered, inputs: frozenset[frozenset[int]]) -> Lowered:
    """Return rows that came from inputs of unions."""
    return replace(lowered, inputs=inputs)


def numbered(
    meetings: Iterable[Meeting], branches: Mapping[Expr, int], *, place: Place
) -> tuple[tuple[int, ...], ...]:
    """Say of each meeting which of a release's branches, and behind them arguments, take part.

    Raises:
        QueryRefusedError: More meetings than a release may have.
    """
    found = {
        tuple(
            sorted(
                len(branches) + item if isinstance(item, int) else branches[holds(item)]
                for item in made
            )
        )
        for made in meetings
    }
    if len(found) > MAX_MEETINGS:
        refuse(
            "meetings",
            f"more than {MAX_MEETINGS} numbers that add up a person's rows under other conditions",
            fix="ask several queries",
            place=place,
        )
    return tuple(sorted(found))
