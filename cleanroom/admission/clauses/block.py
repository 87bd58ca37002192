# SPDX-License-Identifier: Apache-2.0
"""Lower one SELECT: FROM, WHERE, grouping, windows, outputs, order, in the order of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from cleanroom.admission.clauses.from_clause import lower_from, rename
from cleanroom.admission.clauses.grouping import Grouped, is_grouped, lower_groups
from cleanroom.admission.clauses.joins import lower_list
from cleanroom.admission.clauses.look_ups import compute_in_look_up, only_look_up
from cleanroom.admission.clauses.ordering import Named, lower_modifiers
from cleanroom.admission.clauses.output_names import Item, expand_items, output_name
from cleanroom.admission.clauses.rows import Rows, fact_of
from cleanroom.admission.clauses.unions import lower_union
from cleanroom.admission.clauses.where import conditions_of, lower_where
from cleanroom.admission.context.clause import Clause, Environment
from cleanroom.admission.context.facts import NOT_LOOKED_UP, Level
from cleanroom.admission.context.lowered import Block, Lowered
from cleanroom.admission.context.scope import fold
from cleanroom.admission.context.types import refuse_interval
from cleanroom.admission.expressions.lower import lower, lower_condition
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import Node, open_node, type_of
from cleanroom.admission.syntax.select_shapes import CTE, CTE_ENTRY, CTE_MAP, SELECT
from cleanroom.admission.typed.expr import Expr, Ref, walk

MAX_NAMED = 256  # parts of an expression whose alias another one may use


def lower_select(node: Any, env: Environment, near: Place) -> Block:  # noqa: ANN401
    """Lower a SELECT or a set operation.

    Raises:
        QueryRefusedError: Something in it is not admitted.
    """
    near = env.builder.block_place(node, near)
    env.builder.count_block(near)
    kind = type_of(node)
    if kind == "SET_OPERATION_NODE":
        return lower_union(node, env, near, select=lower_select, queries=with_queries)
    if kind != "SELECT_NODE":
        rule = "recursive" if kind == "RECURSIVE_CTE_NODE" else "statements"
        refuse(rule, "a statement that is not one SELECT", fix="write one SELECT", place=near)
    opened = open_node(node, SELECT, place=near)
    if opened["sample"] is not None:
        refuse("sampling", "a sample", fix="read the whole dataset", place=near)
    within = with_queries(opened["cte_map"], env, near)
    waiting = conditions_of(opened["where_clause"], env.builder, near=near)
    sources = lower_list(opened["from_table"], waiting, within, near, lower_from=lower_from)
    items = expand_items(opened["select_list"], sources.scope, env.builder, near=near)
    scope = replace(sources.scope, aliases=frozenset(item.alias for item in items) - {""})
    rows = Rows(within, scope, sources.lowered.level)
    lowered = lower_where(waiting, rows, sources.lowered, near=near)
    if is_grouped(opened, items):
        return _grouped(opened, items, rows, lowered, near=near)
    return _plain(opened, items, rows, lowered, near=near)


def with_queries(cte_map: Any, env: Environment, near: Place) -> Environment:  # noqa: ANN401
    """Return the environment in which the WITH queries of a SELECT are known.

    Raises:
        QueryRefusedError: A recursive query, or two of one name.
    """
    queries = dict(env.queries)
    named: set[str] = set()
    for entry in open_node(cte_map, CTE_MAP, place=near)["map"]:
        opened = open_node(entry, CTE_ENTRY, place=near)
        name = fold(opened["key"], what="WITH query", place=near)
        value = open_node(opened["value"], CTE, place=near)
        if name in named:
            refuse(
                "duplicate-name",
                f"two WITH queries called {name}",
                fix="give each a name of its own",
                place=near,
            )
        named.add(name)
        # It sees the queries before it, and not itself.
        queries[name] = (value, replace(env, queries=dict(queries)))
    return replace(env, queries=queries)


def _plain(
    opened: Node, items: Sequence[Item], rows: Rows, lowered: Lowered, *, near: Place
) -> Block:
    rows.selects = True
    exprs = _selected(items, rows)
    condition = _qualify(opened, rows, near)
    modifiers = lower_modifiers(opened["modifiers"], rows, _named(items, exprs), near=near)
    lowered = rows.apply_windows(rows.apply(lowered))
    if condition is not None:
        lowered = lowered.where(condition)
    lowered, outputs = _outputs(items, exprs, rows, lowered)
    return modifiers.applied(Block(lowered=lowered, outputs=outputs))


def _grouped(
    opened: Node, items: Sequence[Item], rows: Rows, lowered: Lowered, *, near: Place
) -> Block:
    groups = lower_groups(opened, items, rows, near=near)
    grouped = Grouped(rows, groups, lowered)
    exprs = _selected(items, grouped)
    having = (
        None if opened["having"] is None else lower_condition(opened["having"], grouped, near=near)
    )
    condition = _qualify(opened, grouped, near)
    # ORDER BY may ask for more aggregates, so it is read before the groups are made.
    modifiers = lower_modifiers(opened["modifiers"], grouped, _named(items, exprs), near=near)
    lowered = grouped.apply(grouped.finish())
    if having is not None:
        lowered = lowered.where(having)
    lowered = grouped.apply_windows(lowered)
    if condition is not None:
        lowered = lowered.where(condition)
    lowered, outputs = _outputs(items, exprs, grouped, lowered)
    return modifiers.applied(Block(lowered=lowered, outputs=outputs))


def _selected(items: Sequence[Item], clause: Clause) -> list[Expr]:
    """Lower a SELECT list; an item may name those before it, unless a source has that name."""
    exprs: list[Expr] = []
    for item in items:
        expr = lower(item.node, clause, near=item.place, identifier=True)
        # Items that double those before them, one after the other, would grow without end.
        if item.alias and sum(1 for _ in islice(walk(expr), MAX_NAMED + 1)) <= MAX_NAMED:
            clause.aliases[item.alias] = expr
        exprs.append(expr)
    clause.aliases = _aliases(items, exprs)
    return exprs


def _named(items: Sequence[Item], exprs: Sequence[Expr]) -> Named:
    return Named(
        exprs=tuple(exprs),
        aliases=_aliases(items, exprs),
    )


def _aliases(items: Sequence[Item], exprs: Sequence[Expr]) -> dict[str, Expr]:
    return {item.alias: expr for item, expr in zip(items, exprs, strict=True) if item.alias}


def _qualify(opened: Node, clause: Clause, near: Place) -> Expr | None:
    if opened["qualify"] is None:
        return None
    return lower_condition(opened["qualify"], clause, near=near)


def _outputs(
    items: Sequence[Item], exprs: Sequence[Expr], clause: Clause, lowered: Lowered
) -> tuple[Lowered, tuple[tuple[str, int], ...]]:
    """Compute what is selected; an item that is a bare column stays that column."""
    builder = clause.builder
    outputs: list[tuple[str, int]] = []
    computed: list[tuple[int, Expr]] = []
    for item, selected in zip(items, exprs, strict=True):
        expr = selected
        refuse_interval(expr, what="an output", place=item.place)
        if lowered.level is Level.PROTECTED:
            look_up = only_look_up(builder, expr, place=item.place)
            if look_up != NOT_LOOKED_UP:
                lowered, expr = compute_in_look_up(
                    lowered, look_up, selected, builder=builder, place=item.place
                )
        name = output_name(item, position=len(outputs))
        if isinstance(expr, Ref):
            outputs.append((name, expr.column))
            continue
        facts, needed = fact_of(expr, builder, level=lowered.level, place=item.place)
        computed += needed
        column = builder.new(facts)
        computed.append((column, expr))
        outputs.append((name, column))
    names = [name for name, _ in outputs]
    rename(names, [], place=items[0].place)
    return lowered.extended(computed), tuple(outputs)
