# SPDX-License-Identifier: Apache-2.0
"""Set operations: UNION [ALL] of released tables freely, and of rows of one kind of unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeAlias

from cleanroom.admission.clauses.ordering import Named, lower_modifiers
from cleanroom.admission.clauses.rows import part_column
from cleanroom.admission.clauses.set_members import MEMBERS, members
from cleanroom.admission.clauses.unit_level import distinct_rows
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause, Environment
from cleanroom.admission.context.facts import NOT_LOOKED_UP, ColumnFacts, Degree, Identifier, Level
from cleanroom.admission.context.influence import is_number, range_of
from cleanroom.admission.context.lowered import Block, Lowered, Track, ref
from cleanroom.admission.context.meetings import flag_facts
from cleanroom.admission.context.partners import require_partners
from cleanroom.admission.context.parts import own_parts
from cleanroom.admission.context.scope import Binding, Scope
from cleanroom.admission.context.types import common_type
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import Node, open_node
from cleanroom.admission.syntax.select_shapes import SET_OPERATION
from cleanroom.admission.typed.expr import BOOLEAN, Cast, Expr, Literal, Ref
from cleanroom.admission.typed.ranges import hull
from cleanroom.admission.typed.relation import Union

MAX_INPUTS = 16

Select: TypeAlias = Callable[[Any, Environment, Place], Block]
Queries: TypeAlias = Callable[[Any, Environment, Place], Environment]


def lower_union(
    node: Any,  # noqa: ANN401 - the engine's JSON
    env: Environment,
    near: Place,
    *,
    select: Select,
    queries: Queries,
) -> Block:
    """Lower a set operation.

    Raises:
        QueryRefusedError: Not a UNION, or of rows that do not belong together.
    """
    opened = open_node(node, SET_OPERATION, place=near)
    if opened["setop_type"] not in {"UNION", *MEMBERS}:
        refuse(
            "set-operation",
            "UNION BY NAME",
            fix="select the columns in one order, and use UNION ALL",
            place=near,
        )
    if not 0 < len(opened["children"]) <= MAX_INPUTS:
        refuse("set-operation", f"more than {MAX_INPUTS} inputs", fix="use fewer", place=near)
    within = queries(opened["cte_map"], env, near)
    blocks = [select(child, within, near) for child in opened["children"]]
    _require_alike(blocks, near)
    made = _combined(opened, blocks, within, near)
    exprs = tuple(ref(env.builder, column) for _, column in made.outputs)
    scope = Scope(bindings=(Binding(alias="", lineage="", columns=made.outputs),))
    clause = Clause(within, scope, made.lowered.level)
    named = Named(
        exprs=exprs,
        aliases={name: expr for (name, _), expr in zip(made.outputs, exprs, strict=True)},
    )
    return lower_modifiers(opened["modifiers"], clause, named, near=near).applied(made)


def _combined(opened: Node, blocks: Sequence[Block], env: Environment, near: Place) -> Block:
    if opened["setop_type"] in MEMBERS:
        return members(opened, blocks, env, place=near)
    made = united(blocks, env.builder, near)
    return made if opened["setop_all"] is True else distinct_rows(made, env.builder, place=near)


def _require_alike(blocks: Sequence[Block], near: Place) -> None:
    if len({len(block.outputs) for block in blocks}) > 1:
        refuse("set-operation", "inputs of different widths", fix="select alike", place=near)
    if len({block.lowered.level for block in blocks}) > 1:
        refuse(
            "set-operation",
            "rows of people and released or public ones in one UNION",
            fix="aggregate each input, or none",
            place=near,
        )


def united(blocks: Sequence[Block], builder: Builder, near: Place) -> Block:
    """Unite rows of inputs that are alike.

    Raises:
        QueryRefusedError: Their columns, or their people, do not belong together.
    """
    level = blocks[0].lowered.level
    columns: list[tuple[int, str]] = []
    sources: list[list[Expr]] = [[] for _ in blocks]
    outputs: list[tuple[str, int]] = []
    for position, (name, _) in enumerate(blocks[0].outputs):
        exprs = [ref(builder, block.outputs[position][1]) for block in blocks]
        kind = common_type(exprs, what="UNION", place=near)
        facts = [builder.columns[expr.column] for expr in exprs]
        column = builder.new(_facts(kind, facts, near=near))
        columns.append((column, kind))
        outputs.append((name, column))
        for source, expr in zip(sources, exprs, strict=True):
            source.append(expr if expr.type == kind else Cast(child=expr, type=kind))
    made = _Made(columns=columns, sources=sources)
    tracks: tuple[Track, ...] = ()
    branches: frozenset[int] = frozenset()
    inputs: frozenset[frozenset[int]] = frozenset()
    for one, other in combinations(blocks, 2):
        require_partners(builder, one.lowered, other.lowered, place=near)
    if level is Level.PROTECTED:
        keys = _key_positions(blocks, outputs, builder, near=near)
        tracks = _tracks(blocks, keys, made, near=near)
        branches = _branches(blocks, outputs, made, builder)
        inputs = _inputs(blocks, made, builder)
        _carry_parts(blocks, outputs, made, builder)
    relation = Union(
        inputs=tuple(block.lowered.relation for block in blocks),
        columns=tuple(made.columns),
        sources=tuple(tuple(item) for item in made.sources),
        distinct=False,
    )
    lowered = Lowered(
        relation=relation,
        level=level,
        tracks=tracks,
        branches=branches,
        lineages=frozenset(name for block in blocks for name in block.lowered.lineages),
        divided=level is Level.PROTECTED or any(block.lowered.divided for block in blocks),
        inputs=inputs,
    )
    return Block(lowered=lowered, outputs=tuple(outputs))


class _Made:
    """The columns of a union while they are collected."""

    def __init__(self, *, columns: list[tuple[int, str]], sources: list[list[Expr]]) -> None:
        self.columns = columns
        self.sources = sources
        self._places = range(len(sources))
        self._inputs: dict[int, int] = {}

    def add(self, column: int, kind: str, exprs: Sequence[Expr]) -> None:
        """Add one column, which is something else in each input."""
        self.columns.append((column, kind))
        for source, expr in zip(self.sources, exprs, strict=True):
            source.append(expr)

    def input(self, number: int, builder: Builder) -> int:
        """Tell whether a row came from one input."""
        if number not in self._inputs:
            chosen = [Literal(value=place == number, type=BOOLEAN) for place in self._places]
            self._inputs[number] = _flag(self, chosen, builder)
        return self._inputs[number]

    def carried(self, number: int, flag: int, builder: Builder) -> int:
        """Carry a condition of one input; it holds in no row of another."""
        exprs: list[Expr] = [Literal(value=False, type=BOOLEAN) for _ in self._places]
        exprs[number] = ref(builder, flag)
        return _flag(self, exprs, builder)


def _facts(kind: str, facts: Sequence[ColumnFacts], *, near: Place) -> ColumnFacts:
    if any(item.look_up != NOT_LOOKED_UP for item in facts):
        refuse(
            "look-up",
            "a public column in a UNION of protected rows",
            fix="look up after the UNION",
            place=near,
        )
    identified = [item.identifiers for item in facts if item.identifiers]
    if identified and len(identified) != len(facts):
        refuse(
            "set-operation",
            "identifiers and other values in one column of a UNION",
            fix="put keys of one namespace at the same position",
            place=near,
        )
    identifiers = tuple(item for items in identified for item in items)
    _require_one_namespace(identifiers, near=near)
    return ColumnFacts(
        type=kind,
        sources=frozenset(source for item in facts for source in item.sources),
        identifiers=identifiers,
        # Which input a value came from is something that people differ in.
        degree=max(Degree.LINEAR, *(item.degree for item in facts)),
        range=hull(*(item.range for item in facts)),
        counted=frozenset(lineage for item in facts for lineage in item.counted),
        added=any(item.added for item in facts),
        summands=sum(item.summands for item in facts),
    )


def _require_one_namespace(identifiers: Sequence[Identifier], *, near: Place) -> None:
    kinds = {(item.role, item.namespace) for item in identifiers}
    if len(kinds) > 1:
        one, other = identifiers[0].source.reference, identifiers[-1].source.reference
        refuse(
            "namespace",
            f"{one} and {other} identify in different namespaces",
            fix="unite rows whose keys are of one namespace",
            place=near,
        )


def _key_positions(
    blocks: Sequence[Block],
    outputs: Sequence[tuple[str, int]],
    builder: Builder,
    *,
    near: Place,
) -> list[int]:
    """Return, for each input, the column that holds the unit's key."""
    for position, (_, column) in enumerate(outputs):
        identifiers = builder.columns[column].identifiers
        if identifiers and all(item.identifies for item in identifiers):
            return [block.outputs[position][1] for block in blocks]
    return refuse(
        "set-operation",
        "a UNION of protected rows without their unit's key",
        fix="select the unit's key at the same position of every input",
        place=near,
    )


def _tracks(
    blocks: Sequence[Block], keys: Sequence[int], made: _Made, *, near: Place
) -> tuple[Track, ...]:
    """Track every kind of unit of every input by the key; other inputs' keys are nobody's."""
    united = made.columns[[column for _, column in blocks[0].outputs].index(keys[0])][0]
    tracks: dict[tuple[str, str], Track] = {}
    for block, key in zip(blocks, keys, strict=True):
        for track in block.lowered.tracks:
            if key not in track.keys:
                refuse(
                    "set-operation",
                    "a UNION of protected rows without their unit's own key",
                    fix="select the unit's key at the same position of every input",
                    place=near,
                )
            datasets = tracks[track.kind].datasets if track.kind in tracks else frozenset()
            tracks[track.kind] = replace(
                track,
                column=united,
                keys=frozenset(),
                datasets=track.datasets | datasets,
            )
    whole = all({track.kind for track in block.lowered.tracks} == set(tracks) for block in blocks)
    # Where every input has the kind, counting the key counts its units.
    counted = frozenset({united}) if whole else frozenset()
    return tuple(replace(track, keys=counted) for _, track in sorted(tracks.items()))


def _inputs(blocks: Sequence[Block], made: _Made, builder: Builder) -> frozenset[frozenset[int]]:
    """Tell from which input, or which of its own, a row came: whatever datasets they read."""
    numbers = range(len(blocks))
    return frozenset(
        {frozenset(flag for each in numbers for flag in _from_input(blocks, each, made, builder))}
    )


def _from_input(
    blocks: Sequence[Block], number: int, made: _Made, builder: Builder
) -> Iterator[int]:
    yield made.input(number, builder)
    for inner in sorted(flag for group in blocks[number].lowered.inputs for flag in group):
        yield made.carried(number, inner, builder)


def _branches(
    blocks: Sequence[Block],
    outputs: Sequence[tuple[str, int]],
    made: _Made,
    builder: Builder,
) -> frozenset[int]:
    """Carry from which input a row came, and every condition that influenced it there."""
    flags: set[int] = set()
    flags.update(made.input(number, builder) for number in range(1, len(blocks)))
    for number, block in enumerate(blocks):
        for branch in sorted(block.lowered.branches):
            flags.add(made.carried(number, branch, builder))
        for (_, column), (_, united) in zip(block.outputs, outputs, strict=True):
            carried = set()
            for branch in sorted(builder.columns[column].branches):
                carried.add(made.carried(number, branch, builder))
            facts = builder.columns[united]
            builder.columns[united] = replace(facts, branches=facts.branches | carried)
    return frozenset(flags)


def _carry_parts(
    blocks: Sequence[Block],
    outputs: Sequence[tuple[str, int]],
    made: _Made,
    builder: Builder,
) -> None:
    """Let each input's numbers be checked by themselves: another one's could hide them."""
    for position, (_, united) in enumerate(outputs):
        facts = builder.columns[united]
        if not is_number(facts.type) or facts.identifiers:
            continue
        parts = set()
        for number, block in enumerate(blocks):
            column = ref(builder, block.outputs[position][1])
            for part in own_parts(column, builder.columns):
                exprs: list[Expr] = [Literal(value=None, type=part.type)] * len(blocks)
                exprs[number] = part
                parts.add(part_column(part, builder))
                made.add(max(parts), part.type, exprs)
        for exprs in _counting(blocks, position, builder):
            ranges = (range_of(expr, builder.columns) for expr in exprs if isinstance(expr, Ref))
            part_facts = ColumnFacts(type=facts.type, degree=Degree.LINEAR, range=hull(*ranges))
            parts.add(builder.new(part_facts))
            made.add(max(parts), facts.type, exprs)
        builder.columns[united] = replace(facts, parts=frozenset(parts))


def _counting(blocks: Sequence[Block], position: int, builder: Builder) -> Iterator[list[Expr]]:
    """Write what several inputs only count, where others measure something that could hide it.

    1 for some rows of a person, 1 for others and -1 for either is nothing, but for the few of whom
    the third condition does not hold.
    """
    columns = [ref(builder, block.outputs[position][1]) for block in blocks]
    counts = [range_of(column, builder.columns).weight is not None for column in columns]
    if 1 < sum(counts) < len(counts):
        yield [
            column if count else Literal(value=None, type=column.type)
            for column, count in zip(columns, counts, strict=True)
        ]


def _flag(made: _Made, exprs: Sequence[Expr], builder: Builder) -> int:
    column = builder.new(flag_facts())
    made.add(column, BOOLEAN, exprs)
    return column
