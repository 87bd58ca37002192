# SPDX-License-Identifier: Apache-2.0
"""Release points: protected rows grouped into keys and safe numbers, as a stage of the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cleanroom.admission.clauses.look_ups import compute_in_look_up, only_look_up
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import (
    NOT_LOOKED_UP,
    ColumnFacts,
    Level,
    identifiers_of,
    sources_of,
)
from cleanroom.admission.context.influence import MAX_BRANCHES
from cleanroom.admission.context.lowered import Lowered, ref
from cleanroom.admission.context.meetings import numbered
from cleanroom.admission.expressions.aggregates import Call
from cleanroom.admission.expressions.arguments import Arguments
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.columns import parameters_read, scans, stages_read
from cleanroom.admission.typed.expr import TRUE, Expr, Param, holds, refs
from cleanroom.admission.typed.identity import identity_of
from cleanroom.admission.typed.prune import pruned
from cleanroom.admission.typed.relation import ReleasedTable, ScanColumn
from cleanroom.admission.typed.tree import Grouping, Key, SourceColumn, Stage, UnitColumn
from cleanroom.contract.policy_terms import Role
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass

MAX_AGGREGATES = 32

_GROUPED = frozenset({Role.DIMENSION, Role.QUASI, Role.PUBLIC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the parts of a release stand in the query."""

    block: Place
    keys: tuple[Place, ...]
    calls: Mapping[Call, Place]


def release(
    lowered: Lowered,
    keys: Sequence[tuple[int, Expr]],
    calls: Mapping[Call, int],
    *,
    builder: Builder,
    sets: tuple[tuple[int, ...], ...],
    groupings: Mapping[tuple[int, ...], int],
    given: bool,
    places: Places,
) -> Lowered:
    """Make a stage of the query and return its released table.

    Raises:
        QueryRefusedError: A key or a number that may not be released.
    """
    place = places.block
    _require_something(keys, places, place=place)
    lowered, grouped = _keys(lowered, keys, builder, places=places.keys)
    arguments = Arguments(builder, lowered, places=places.calls)
    aggregates = tuple(
        arguments.aggregate(call, name=f"r{number}") for number, call in enumerate(calls)
    )
    if lowered.divided:
        arguments.rows()
    met = frozenset(
        item for made in arguments.meetings for item in made if not isinstance(item, int)
    )
    branches = _branches(lowered, arguments.branches | met, builder, place=place)
    places_of = {branch: number for number, branch in enumerate(branches)}
    units = tuple(
        UnitColumn(
            owner=track.owner,
            namespace=track.namespace,
            column=ref(builder, track.column),
            datasets=tuple(sorted(track.datasets)),
        )
        for track in lowered.tracks
    )
    exprs = (
        *(key.expr for key in grouped),
        *(argument.expr for argument in arguments.arguments),
        *branches,
        *(unit.column for unit in units),
    )
    base = pruned(lowered.relation, refs(*exprs))
    stage = Stage(
        base=base,
        keys=grouped,
        grouping_sets=sets,
        groupings=tuple(Grouping(name=f"g{n}", keys=asked) for n, asked in enumerate(groupings)),
        arguments=tuple(arguments.arguments),
        branches=branches,
        meetings=numbered(arguments.meetings, places_of, place=place),
        aggregates=aggregates,
        units=units,
        order=(
            *(key.name for key in grouped),
            *(item.name for item in aggregates),
            *(f"g{n}" for n in range(len(groupings))),
        ),
        inputs=stages_read(base),
        columns=_used(base, lowered),
        parameters=parameters_read(base, *exprs),
    )
    number = builder.add_stage(stage, identity=identity_of(stage), place=place)
    columns = (*(column for column, _ in keys), *calls.values(), *groupings.values())
    return _released(number, stage, columns, builder=builder, single=not given)


def _require_something(keys: Sequence[tuple[int, Expr]], places: Places, *, place: Place) -> None:
    calls = tuple(places.calls.values())
    if not keys and not calls:
        refuse(
            "row-level",
            "no aggregate",
            fix="select count(*), or sum or avg of a measure",
            place=place,
        )
    if len(calls) > MAX_AGGREGATES:
        refuse(
            "aggregates",
            f"more than {MAX_AGGREGATES} aggregates",
            fix="ask several queries",
            place=calls[MAX_AGGREGATES],
        )


def _keys(
    lowered: Lowered,
    keys: Sequence[tuple[int, Expr]],
    builder: Builder,
    *,
    places: Sequence[Place],
) -> tuple[Lowered, tuple[Key, ...]]:
    made: list[Key] = []
    for number, ((_, given), place) in enumerate(zip(keys, places, strict=True)):
        _require_groupable(given, lowered, builder, place=place)
        expr = given
        if lowered.level is Level.PROTECTED:
            look_up = only_look_up(builder, given, place=place)
            if look_up != NOT_LOOKED_UP:
                lowered, expr = compute_in_look_up(
                    lowered, look_up, given, builder=builder, place=place
                )
        sources = tuple(sorted(sources_of(builder.columns, given), key=_reference))
        kind = ColumnType("string" if expr.type == "null" else expr.type)
        made.append(Key(name=f"k{number}", expr=expr, type=kind, sources=sources))
    return lowered, tuple(made)


def _reference(column: SourceColumn) -> str:
    return column.reference


def _require_groupable(expr: Expr, lowered: Lowered, builder: Builder, *, place: Place) -> None:
    for identifier in identifiers_of(builder.columns, expr):
        refuse(
            "group-key",
            f"{identifier.source.reference} ({identifier.role.value}) is not a dimension",
            fix="group by columns whose role is dimension, quasi or public",
            place=place,
            column=identifier.source.reference,
            grant="none: identifiers are never group keys of a release",
        )
    if isinstance(expr, Param):
        refuse(
            "constant",
            "a parameter as a group, which is the same for every row",
            fix="group by a column, or compare a column with the parameter",
            place=place,
        )
    if expr.type == "double":
        refuse(
            "type",
            "a group of type double",
            fix="group by round(x, digits), floor(x) or a column with few, exact values",
            place=place,
        )
    if lowered.level is not Level.PROTECTED:
        return
    for column in sorted(sources_of(builder.columns, expr), key=_reference):
        allowed = builder.policy_of(column).compare_literal
        if column.column.role in _GROUPED:
            continue
        grant = f"[compare] literal += {column.column.name} in the policy of {column.lineage}"
        if column.column.name not in allowed:
            refuse(
                "group-key",
                f"{column.reference} ({column.column.role.value}) is not a dimension",
                fix="group by columns whose role is dimension, quasi or public",
                place=place,
                column=column.reference,
                grant=f"{grant}, or role dimension",
            )
        builder.granted.add(grant)


def _branches(
    lowered: Lowered, found: frozenset[Expr], builder: Builder, *, place: Place
) -> tuple[Expr, ...]:
    if lowered.level is not Level.PROTECTED:
        return ()
    rows = frozenset(ref(builder, column) for column in lowered.branches)
    branches = tuple(sorted({holds(item) for item in found | rows} - {TRUE}, key=repr))
    if len(branches) > MAX_BRANCHES:
        refuse(
            "branches",
            f"more than {MAX_BRANCHES} conditions inside aggregates",
            fix="group by the columns instead",
            place=place,
        )
    return branches


def _used(base: object, lowered: Lowered) -> tuple[tuple[str, tuple[str, ...]], ...]:
    used: dict[str, set[str]] = {lineage: set() for lineage in lowered.lineages}
    for scan in scans(base):  # type: ignore[arg-type]  # a relation
        used[scan.lineage] |= {item.name for item in scan.columns} | ({scan.unit} - {""})
    return tuple((lineage, tuple(sorted(names))) for lineage, names in sorted(used.items()))


def _released(
    number: int,
    stage: Stage,
    columns: Sequence[int],
    *,
    builder: Builder,
    single: bool,
) -> Lowered:
    made: list[ScanColumn] = []
    for column, part in zip(columns, stage.parts, strict=True):
        builder.columns[column] = ColumnFacts(type=part.type, sources=frozenset(part.sources))
        made.append(ScanColumn(column=column, name=part.name, type=part.type))
    return Lowered(
        relation=ReleasedTable(stage=number, columns=tuple(made)),
        level=Level.RELEASED,
        single=single,
    )
