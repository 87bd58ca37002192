# SPDX-License-Identifier: Apache-2.0
"""Joins: by key between protected inputs, and look-ups in public ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from cleanroom.admission.clauses.key_joins import join_by_key
from cleanroom.admission.clauses.look_ups import join_look_up, split_equalities
from cleanroom.admission.context.clause import Clause, Environment
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Lowered, Sources, ref
from cleanroom.admission.context.partners import require_partners
from cleanroom.admission.context.scope import Scope, column_name, fold
from cleanroom.admission.expressions.comparisons import BINARY, require_equality
from cleanroom.admission.expressions.lower import lower, lower_condition
from cleanroom.admission.expressions.semijoins import match
from cleanroom.admission.expressions.subqueries import attached
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.conjuncts import conjuncts
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Node, Shape, class_of, open_node, type_of
from cleanroom.admission.typed.expr import TRUE, Expr, both, call, refs
from cleanroom.admission.typed.relation import Join, JoinKind, MatchKind

LowerFrom: TypeAlias = Callable[[Any, Environment, Place], Sources]

_JOIN = Shape(
    used=PLACED | {"type", "left", "right", "condition", "join_type", "ref_type", "is_implicit"},
    lists=frozenset({"using_columns"}),
    neutral={
        "alias": "",
        "sample": None,
        "delim_flipped": False,
        "duplicate_eliminated_columns": [],
        "ranking_expression": None,
        "nearest_count": 1,
        "nearest_order_type": "ASCENDING",
        "nearest_approx": False,
    },
    rules={"sample": ("sampling", "a sample", "read the whole dataset")},
)
_KINDS = {kind.value: kind for kind in JoinKind}
_MATCHES = {"SEMI": MatchKind.SEMI, "ANTI": MatchKind.ANTI}
_FIX_JOIN = "write JOIN dataset ON a.key = b.key"


def lower_join(node: Any, env: Environment, *, place: Place, lower_from: LowerFrom) -> Sources:  # noqa: ANN401
    """Lower one join and what it joins.

    Raises:
        QueryRefusedError: Rows that may not meet, or that do not meet by key.
    """
    opened = open_node(node, _JOIN, place=place)
    left = lower_from(opened["left"], env, place)
    right = lower_from(opened["right"], env, place)
    _require_names(left.scope, right.scope, place=place)
    if opened["ref_type"] == "CROSS":
        return _cross(left, right, place=place)
    _require_regular(opened, place=place)
    if opened["join_type"] in _MATCHES:
        return _match(opened, left, right, env, place=place)
    kind = _KINDS[opened["join_type"]]
    both_sides = joined_scope(left.scope, right.scope)
    clause = Clause(env, both_sides, _level(left.lowered, right.lowered))
    conditions, using = _conditions(opened, left.scope, right.scope, clause, place=place)
    if clause.attachments:
        refuse("subquery", "a subquery in ON", fix="write it in WHERE", place=place)
    lowered = _joined(kind, left.lowered, right.lowered, conditions, clause=clause, place=place)
    return _with_using(Sources(lowered=lowered, scope=both_sides), using, kind, clause)


def lower_list(
    node: Any,  # noqa: ANN401 - the engine's JSON
    waiting: list[Any],
    env: Environment,
    near: Place,
    *,
    lower_from: LowerFrom,
) -> Sources:
    """Lower a FROM clause whose sources may be listed with commas.

    ``FROM a, b WHERE a.key = b.key`` is an inner join on the equality, which is taken out of
    the conditions that wait for WHERE.

    Raises:
        QueryRefusedError: As for any join; or WHERE equates nothing of two listed sources.
    """
    if type_of(node) != "JOIN" or node.get("ref_type") != "CROSS":
        return lower_from(node, env, near)
    place = env.builder.place(node, near)
    opened = open_node(node, _JOIN, place=place)
    left = lower_list(opened["left"], waiting, env, place, lower_from=lower_from)
    right = lower_from(opened["right"], env, place)
    _require_names(left.scope, right.scope, place=place)
    found = [item for item in waiting if _equates(item, left.scope, right.scope, place=place)]
    if not found or _is_free(left.lowered, right.lowered):
        return _cross(left, right, place=place)
    waiting[:] = [item for item in waiting if not any(item is taken for taken in found)]
    both_sides = joined_scope(left.scope, right.scope)
    clause = Clause(env, both_sides, _level(left.lowered, right.lowered))
    conditions = [_condition(item, clause, place=place) for item in found]
    kind = JoinKind.INNER
    lowered = _joined(kind, left.lowered, right.lowered, conditions, clause=clause, place=place)
    return Sources(lowered=lowered, scope=both_sides)


def _is_free(left: Lowered, right: Lowered) -> bool:
    """Tell whether every row may meet every other: of released rows, or with the only one."""
    levels = {left.level, right.level}
    single = any(item.level is Level.RELEASED and item.single for item in (left, right))
    return single or levels == {Level.RELEASED}


def _equates(node: Any, left: Scope, right: Scope, *, place: Place) -> bool:  # noqa: ANN401
    """Tell whether a condition equates a column of one side with a column of the other."""
    if type_of(node) != "COMPARE_EQUAL":
        return False
    opened = open_node(node, BINARY, place=place)
    sides = [opened["left"], opened["right"]]
    if any(class_of(side) != "COLUMN_REF" for side in sides):
        return False
    names = [column_name(side, place=place) for side in sides]
    within = [[bool(scope.find(*name)) for scope in (left, right)] for name in names]
    return sorted(within) == [[False, True], [True, False]]


def joined_scope(left: Scope, right: Scope) -> Scope:
    """Return the scope of both sides of a join."""
    merged = {**left.merged, **right.merged}
    # A name that USING merged on both sides means neither column alone.
    twice = left.merged.keys() & right.merged.keys()
    return Scope(
        bindings=(*left.bindings, *right.bindings),
        merged={name: column for name, column in merged.items() if name not in twice},
        hidden=left.hidden | right.hidden,
    )


def _level(left: Lowered, right: Lowered) -> Level:
    levels = {left.level, right.level}
    if Level.PROTECTED in levels:
        return Level.PROTECTED
    return Level.PUBLIC if Level.PUBLIC in levels else Level.RELEASED


def _require_names(left: Scope, right: Scope, *, place: Place) -> None:
    taken = {item.alias for item in left.bindings} - {""}
    for binding in right.bindings:
        if binding.alias in taken:
            refuse(
                "ambiguous-name",
                f"two sources called {binding.alias}",
                fix="give each source an alias of its own",
                place=place,
            )


def _require_regular(opened: Node, *, place: Place) -> None:
    regular = opened["ref_type"] == "REGULAR" and opened["is_implicit"] is False
    if not regular or opened["join_type"] not in {*_KINDS, *_MATCHES}:
        found = opened["join_type"] if opened["ref_type"] == "REGULAR" else opened["ref_type"]
        refuse("join-kind", f"a {shown(found)} join", fix=_FIX_JOIN, place=place)


def _cross(left: Sources, right: Sources, *, place: Place) -> Sources:
    """Join what has one row to everything: a released total, for example."""
    scope = joined_scope(left.scope, right.scope)
    for rows, single in ((left.lowered, right.lowered), (right.lowered, left.lowered)):
        if single.level is Level.RELEASED and single.single:
            return Sources(lowered=attached(rows, single), scope=scope)
    if left.lowered.level is right.lowered.level is Level.RELEASED:
        made = _plain(JoinKind.INNER, left.lowered, right.lowered, TRUE, level=Level.RELEASED)
        return Sources(lowered=made, scope=scope)
    return refuse(
        "cross-join",
        "a comma or CROSS JOIN of rows that no condition of WHERE equates",
        fix=_FIX_JOIN,
        place=place,
    )


def _match(
    opened: Node, left: Sources, right: Sources, env: Environment, *, place: Place
) -> Sources:
    """Lower SEMI JOIN and ANTI JOIN: the right side's columns are not there afterwards."""
    clause = Clause(env, left.scope, left.lowered.level)
    condition_clause = Clause(env, joined_scope(left.scope, right.scope), left.lowered.level)
    conditions, _ = _conditions(opened, left.scope, right.scope, condition_clause, place=place)
    own = frozenset(n for item in left.scope.bindings for _, n in item.columns)
    others = frozenset(n for item in right.scope.bindings for _, n in item.columns)
    pairs, rest = split_equalities(conditions, own, others)
    if not pairs:
        refuse(
            "join-condition", "a SEMI or ANTI JOIN without an equality", fix=_FIX_JOIN, place=place
        )
    lowered = right.lowered
    for condition in rest:
        if not refs(condition) <= others:
            refuse(
                "join-condition",
                "a condition of a SEMI or ANTI JOIN on both sides",
                fix="join on the key, and filter each side by itself",
                place=place,
            )
        require_equality(condition, condition_clause, place=place)
        lowered = lowered.where(condition)
    kind = _MATCHES[opened["join_type"]]
    match(clause, lowered, pairs, kind=kind, unknown=False, place=place)
    return Sources(lowered=clause.apply(left.lowered), scope=left.scope)


def _conditions(
    opened: Node, left: Scope, right: Scope, clause: Clause, *, place: Place
) -> tuple[list[Expr], list[tuple[str, int, int]]]:
    using: list[tuple[str, int, int]] = []
    for item in opened["using_columns"]:
        name = fold(item, what="column", place=place)
        sides = [_only(scope, name, place=place) for scope in (left, right)]
        using.append((name, sides[0], sides[1]))
    conditions: list[Expr] = [
        call("=", ref(clause.builder, one), ref(clause.builder, other)) for _, one, other in using
    ]
    if opened["condition"] is not None:
        nodes = conjuncts(opened["condition"], locator=clause.builder.locator, near=place)
        conditions += [_condition(node, clause, place=place) for node in nodes]
    if not conditions:
        refuse("join-condition", "a join without a condition", fix=_FIX_JOIN, place=place)
    return conditions, using


def _condition(node: Any, clause: Clause, *, place: Place) -> Expr:  # noqa: ANN401
    """Lower one condition of ON; an equality of two columns is judged by the join itself."""
    at = clause.builder.place(node, place)
    if type_of(node) == "COMPARE_EQUAL":
        opened = open_node(node, BINARY, place=at)
        sides = [opened["left"], opened["right"]]
        if all(class_of(side) == "COLUMN_REF" for side in sides):
            one, other = (lower(side, clause, near=at, identifier=True) for side in sides)
            return call("=", one, other)
    return lower_condition(node, clause, near=place)


def _only(scope: Scope, name: str, *, place: Place) -> int:
    found = set(scope.find([], name))
    if len(found) != 1:
        refuse(
            "ambiguous-name" if found else "unknown-column",
            f"USING {name}, which {'several sources have' if found else 'a side does not have'}",
            fix=_FIX_JOIN,
            place=place,
        )
    return found.pop()


def _joined(
    kind: JoinKind,
    left: Lowered,
    right: Lowered,
    conditions: list[Expr],
    *,
    clause: Clause,
    place: Place,
) -> Lowered:
    levels = (left.level, right.level)
    if levels == (Level.PROTECTED, Level.PROTECTED):
        return join_by_key(kind, left, right, conditions, clause=clause, place=place)
    if Level.PROTECTED in levels:
        return join_look_up(kind, left, right, conditions, clause=clause, place=place)
    if Level.PUBLIC in levels and Level.RELEASED in levels:
        refuse(
            "look-up",
            "a public dataset joined to released values",
            fix="join the public dataset before aggregating, or write its rows as VALUES",
            place=place,
        )
    # A public dataset has nobody to protect, but an owner who lists its partners means it.
    require_partners(clause.builder, left, right, place=place)
    condition: Expr = TRUE
    for item in conditions:
        require_equality(item, clause, place=place)
        condition = both(condition, item)
    return _plain(kind, left, right, condition, level=clause.level)


def _plain(
    kind: JoinKind, left: Lowered, right: Lowered, condition: Expr, *, level: Level
) -> Lowered:
    return Lowered(
        relation=Join(kind=kind, left=left.relation, right=right.relation, condition=condition),
        level=level,
        lineages=left.lineages | right.lineages,
        single=left.single and right.single,
    )


def _with_using(
    sources: Sources, using: list[tuple[str, int, int]], kind: JoinKind, clause: Clause
) -> Sources:
    """Let an unqualified USING column mean the one that is never absent."""
    merged = dict(sources.scope.merged)
    hidden = set(sources.scope.hidden)
    lowered = sources.lowered
    builder = clause.builder
    for name, one, other in using:
        chosen = other if kind is JoinKind.RIGHT else one
        if kind is JoinKind.FULL:
            facts = builder.columns[one]
            identifiers = (*facts.identifiers, *builder.columns[other].identifiers)
            chosen = builder.new(
                replace(
                    facts,
                    sources=facts.sources | builder.columns[other].sources,
                    identifiers=tuple(replace(item, identifies=True) for item in identifiers),
                )
            )
            value = call("coalesce", ref(builder, one), ref(builder, other), type=facts.type)
            lowered = lowered.extended([(chosen, value)])
        merged[name] = chosen
        hidden.add(other)
    scope = replace(sources.scope, merged=merged, hidden=frozenset(hidden))
    return Sources(lowered=lowered, scope=scope)
