# SPDX-License-Identifier: Apache-2.0
"""Grouping by the unit's key: what is computed of each person's own rows.

The result still has rows of people, so it must be aggregated again. Any aggregate of one
person's rows is that person's own business, ``max`` included; only what is released of
many people is checked. Conditions inside travel on: whether one held for any row of the
person, and whether it failed for any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import (
    NOT_LOOKED_UP,
    ColumnFacts,
    Degree,
    Identifier,
    Level,
    adds_up,
    counted_of,
    identifiers_of,
    look_ups_of,
    sources_of,
)
from cleanroom.admission.context.influence import branches_of, degree_of, is_number, range_of
from cleanroom.admission.context.lowered import Block, Lowered, Track, ref
from cleanroom.admission.context.meetings import meeting
from cleanroom.admission.context.parts import parts_of
from cleanroom.admission.context.tallies import counted_where, summands
from cleanroom.admission.expressions.aggregates import Call
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import BOOLEAN, TRUE, Case, Expr, Literal, fails, holds
from cleanroom.admission.typed.functions import PICKING
from cleanroom.admission.typed.ranges import COUNTS, UNKNOWN, Range, summed
from cleanroom.admission.typed.relation import GroupAggregate, GroupBy
from cleanroom.contract.policy_terms import Role

MAX_CARRIED = 64

_OF_PARTS = frozenset({"sum", "avg", "min", "max"})


def group_units(
    lowered: Lowered,
    keys: Sequence[tuple[int, Expr]],
    calls: Mapping[Call, int],
    builder: Builder,
    *,
    place: Place,
) -> Lowered:
    """Group protected rows by their unit's key, and whatever else.

    Raises:
        QueryRefusedError: A public column takes part, or too many conditions travel.
    """
    carried = _Carried(builder, inputs=lowered.inputs, place=place)
    exprs = [expr for _, expr in keys] + [part for made in calls for part in made.args]
    _require_no_look_up(exprs + [made.filter for made in calls], builder, place=place)
    for column, expr in keys:
        facts = _key_facts(expr, builder)
        parts = carried.key_parts(expr)
        builder.columns[column] = replace(
            facts, branches=carried.of(expr), parts=parts | {column} if parts else parts
        )
    lineages = builder.protected(lowered.lineages)
    aggregates = [
        _aggregate(made, column, builder, carried, lineages=lineages)
        for made, column in calls.items()
    ]
    hidden, tracks = _tracks(lowered, builder, keys)
    # A key that is a condition splits a person's rows, so it decides how many there are.
    decided = [expr for _, expr in keys if expr.type == BOOLEAN]
    decided += [ref(builder, branch) for branch in sorted(lowered.branches)]
    rows = frozenset(flag for condition in decided for flag in carried.of_condition(condition))
    rows |= frozenset(flag for column, _ in keys for flag in builder.columns[column].branches)
    divided = any(not identifiers_of(builder.columns, expr) for _, expr in keys)
    # One row for each unit is there whichever inputs it came from.
    inputs = carried.inputs() if divided else frozenset()
    relation = GroupBy(
        input=lowered.relation,
        keys=(*keys, *hidden),
        aggregates=(*aggregates, *carried.aggregates),
        always=False,
    )
    return replace(
        lowered,
        relation=relation,
        tracks=tracks,
        branches=rows,
        divided=divided,
        inputs=inputs,
        several=divided,
    )


def distinct_rows(block: Block, builder: Builder, *, place: Place) -> Block:
    """Keep each combination of outputs once.

    Raises:
        QueryRefusedError: Protected rows without the unit's key among the outputs.
    """
    lowered = block.lowered
    exprs = [ref(builder, column) for _, column in block.outputs]
    if lowered.level is not Level.RELEASED:
        _require_key(exprs, lowered, builder, place=place)
    keys = [(builder.new(builder.columns[expr.column]), expr) for expr in exprs]
    outputs = tuple(
        (name, column) for (name, _), (column, _) in zip(block.outputs, keys, strict=True)
    )
    if lowered.level is Level.RELEASED:
        relation = GroupBy(input=lowered.relation, keys=tuple(keys), aggregates=(), always=False)
        return Block(lowered=lowered.on(relation), outputs=outputs)
    return Block(lowered=group_units(lowered, keys, {}, builder, place=place), outputs=outputs)


def _require_key(
    exprs: Sequence[Expr], lowered: Lowered, builder: Builder, *, place: Place
) -> None:
    keyed = any(
        item.identifies and item.role is Role.KEY
        for expr in exprs
        for item in identifiers_of(builder.columns, expr)
    )
    if not keyed or lowered.level is Level.PUBLIC:
        refuse(
            "distinct",
            "DISTINCT rows without the unit's key",
            fix="use GROUP BY with an aggregate, or select the unit's key too",
            place=place,
        )


def _require_no_look_up(exprs: Sequence[Expr], builder: Builder, *, place: Place) -> None:
    if look_ups_of(builder.columns, *exprs) - {NOT_LOOKED_UP}:
        refuse(
            "look-up",
            "a public column in a grouping by unit",
            fix="look up after this grouping, in the query around it",
            place=place,
        )


def _key_facts(expr: Expr, builder: Builder) -> ColumnFacts:
    columns = builder.columns
    return ColumnFacts(
        type=expr.type,
        sources=sources_of(columns, expr),
        identifiers=identifiers_of(columns, expr),
        degree=degree_of(expr, columns),
        range=range_of(expr, columns) if is_number(expr.type) else UNKNOWN,
        counted=counted_of(columns, expr),
        added=adds_up(columns, expr),
        summands=summands(expr, columns),
    )


class _Carried:
    """Conditions that travel through the grouping, each as two columns, once."""

    def __init__(
        self, builder: Builder, *, inputs: frozenset[frozenset[int]], place: Place
    ) -> None:
        self.aggregates: list[GroupAggregate] = []
        self._builder = builder
        self._inputs = inputs
        self._place = place
        self._flags: dict[Expr, int] = {}
        self._parts: dict[Call, int] = {}

    def of(self, expr: Expr) -> frozenset[int]:
        """Carry the branches of a value."""
        found = sorted(branches_of(expr, self._builder.columns), key=repr)
        return frozenset(flag for branch in found for flag in self.of_condition(branch))

    def inputs(self) -> frozenset[frozenset[int]]:
        """Carry from which inputs of unions the rows came."""
        return frozenset(
            frozenset(self._flag(ref(self._builder, flag)) for flag in sorted(group))
            for group in self._inputs
        )

    def key_parts(self, expr: Expr) -> frozenset[int]:
        """Carry what a key was made of; it is the same in all rows of a unit that has one."""
        parts = parts_of(expr, self._builder.columns) if is_number(expr.type) else ()
        calls = (
            Call(function="max", args=(part,), filter=TRUE, distinct=False, type=part.type)
            for part in parts
        )
        return frozenset(self.part(made) for made in calls)

    def meeting(self, conditions: Sequence[Expr], values: Sequence[Expr]) -> frozenset[Expr]:
        """Return where conditions of a number meet that rows of several inputs add up."""
        columns, place = self._builder.columns, self._place
        return frozenset(
            condition
            for group in self._inputs
            for condition in meeting(group, conditions, columns, values=values, place=place)
        )

    def met(self, conditions: frozenset[Expr]) -> frozenset[int]:
        """Carry for whom conditions hold that meet."""
        return frozenset(self._flag(holds(condition)) for condition in sorted(conditions, key=repr))

    def of_condition(self, condition: Expr) -> tuple[int, int]:
        """Carry whether a condition holds for any row, and whether it fails for any."""
        return self._flag(holds(condition)), self._flag(fails(condition))

    def _require_few(self, carried: int, *, place: Place) -> None:
        if carried >= MAX_CARRIED:
            refuse(
                "branches",
                f"more than {MAX_CARRIED} conditions or parts of numbers in a grouping by unit",
                fix="use fewer CASE, FILTER and computed numbers",
                place=place,
            )

    def part(self, made: Call) -> int:
        """Carry an aggregate of one part of a number."""
        if made not in self._parts:
            self._require_few(len(self._parts), place=self._place)
            facts = ColumnFacts(
                type=made.type, degree=Degree.LINEAR, range=_range(made, self._builder)
            )
            self._parts[made] = self._builder.new(facts)
            self.aggregates.append(_written(made, self._parts[made]))
        return self._parts[made]

    def _flag(self, condition: Expr) -> int:
        if condition not in self._flags:
            self._require_few(len(self._flags) // 2, place=self._place)
            column = self._builder.new(ColumnFacts(type=BOOLEAN, degree=Degree.LINEAR))
            self._flags[condition] = column
            self.aggregates.append(
                GroupAggregate(
                    column=column,
                    function="bool_or",
                    args=(condition,),
                    filter=TRUE,
                    distinct=False,
                    type=BOOLEAN,
                )
            )
        return self._flags[condition]


def _parts(made: Call, builder: Builder, carried: _Carried) -> frozenset[int]:
    """Compute an aggregate of each part of its argument as well."""
    if made.function not in _OF_PARTS or not is_number(made.type):
        return frozenset()
    parts = parts_of(made.args[0], builder.columns)
    return frozenset(carried.part(replace(made, args=(part,))) for part in parts)


def _tallies(made: Call, conditions: frozenset[Expr], carried: _Carried) -> frozenset[int]:
    """Count in how many rows which condition holds, of what a sum adds up under several."""
    return frozenset(
        carried.part(replace(made, function="count_if", args=(item,), filter=TRUE, type="integer"))
        for item in sorted(conditions, key=repr)
    )


def _aggregate(
    made: Call, column: int, builder: Builder, carried: _Carried, *, lineages: frozenset[str]
) -> GroupAggregate:
    columns = builder.columns
    found = [branch for arg in made.args for branch in branches_of(_folded(arg, made), columns)]
    found += [made.filter] if made.filter != TRUE else []
    found += [made.args[0]] if made.function == "count_if" else []
    conditions = sorted({holds(condition) for condition in found}, key=repr)
    branches = frozenset(flag for item in conditions for flag in carried.of_condition(item))
    values = [_folded(arg, made) for arg in made.args]
    meetings = carried.meeting(conditions, values)
    parts = _parts(made, builder, carried)
    tallies = frozenset[int]()
    several = summands(values[0], columns) if made.function == "sum" else 1
    if several > 1:
        tallies = _tallies(made, meetings or counted_where(conditions, values), carried)
    met = frozenset[int]() if tallies else carried.met(meetings)
    parts = tallies | (parts or {column}) if tallies else parts
    builder.columns[column] = ColumnFacts(
        type=made.type,
        sources=frozenset(
            source
            for source in sources_of(columns, *made.args, made.filter)
            if not source.is_identifier
        ),
        identifiers=_identifiers(made, builder),
        degree=max([Degree.LINEAR, *(degree_of(arg, columns) for arg in _computed(made))]),
        range=_range(made, builder),
        branches=branches | met,
        parts=parts,
        summands=several,
        counted=counted_of(columns, *made.args)
        | (frozenset() if made.function in PICKING else lineages),
        added=bool(met) or adds_up(columns, *made.args, made.filter),
    )
    return _written(made, column)


def _written(made: Call, column: int) -> GroupAggregate:
    return GroupAggregate(
        column=column,
        function=made.function,
        args=made.args,
        filter=made.filter,
        distinct=made.distinct,
        type=made.type,
    )


def _computed(made: Call) -> tuple[Expr, ...]:
    return () if made.function in {"count", "count_if", "count_star"} else made.args


def _folded(arg: Expr, made: Call) -> Expr:
    if made.filter == TRUE:
        return arg
    none = Literal(value=None, type=arg.type)
    return Case(arms=((made.filter, arg),), otherwise=none, type=arg.type)


def _identifiers(made: Call, builder: Builder) -> tuple[Identifier, ...]:
    """An aggregate of identifiers other than a count stays out of computations."""
    if made.function in {"count", "count_star", "count_if"}:
        return ()
    return tuple(item for arg in made.args for item in identifiers_of(builder.columns, arg))


def _range(made: Call, builder: Builder) -> Range:
    if not is_number(made.type):
        return UNKNOWN
    if not _computed(made):
        return COUNTS
    found = range_of(made.args[0], builder.columns)
    if made.function == "avg":
        return replace(found, scale=None, exact=False)
    return summed(found) if made.function == "sum" else replace(found, exact=False)


def _tracks(
    lowered: Lowered, builder: Builder, keys: Sequence[tuple[int, Expr]]
) -> tuple[list[tuple[int, Expr]], tuple[Track, ...]]:
    """Group by the units as well: they follow from the key, unless data is not as declared."""
    hidden: list[tuple[int, Expr]] = []
    tracks: list[Track] = []
    for track in lowered.tracks:
        column = builder.new(builder.columns[track.column])
        hidden.append((column, ref(builder, track.column)))
        same = {number for number, expr in keys for key in track.keys if expr == ref(builder, key)}
        tracks.append(
            replace(
                track, column=column, keys=frozenset(same | ({column} if track.keys else set()))
            )
        )
    return hidden, tuple(tracks)
