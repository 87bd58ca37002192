# SPDX-License-Identifier: Apache-2.0
"""Look-ups: public rows beside protected ones.

Rows that agree in what the query joins, groups by and computes of them count once. Repeated
rows would be weights: with a million copies of common diagnoses and a thousand of a rare
one, the digits of one count spell how often each occurs. What is computed of a look-up's
columns alone is therefore computed inside it, before equal rows are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import NOT_LOOKED_UP, ColumnFacts, Level, look_ups_of
from cleanroom.admission.context.keys import FIX, require_plain
from cleanroom.admission.context.lowered import Lowered, ref
from cleanroom.admission.context.partners import require_partners
from cleanroom.admission.expressions.comparisons import require_equality
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.columns import produced
from cleanroom.admission.typed.expr import (
    BOOLEAN,
    Call,
    Case,
    Expr,
    Literal,
    Ref,
    call,
    refs,
    rewrite,
)
from cleanroom.admission.typed.relation import (
    Attach,
    Extend,
    Filter,
    Join,
    JoinKind,
    LookUp,
    Match,
    Relation,
)


def join_look_up(
    kind: JoinKind,
    left: Lowered,
    right: Lowered,
    conditions: Sequence[Expr],
    *,
    clause: Clause,
    place: Place,
) -> Lowered:
    """Join a protected relation with a public or released one.

    Raises:
        QueryRefusedError: Not by equality, or one that would invent or repeat rows.
    """
    rows, public = (left, right) if left.level is Level.PROTECTED else (right, left)
    kept = JoinKind.LEFT if rows is left else JoinKind.RIGHT
    if kind not in {JoinKind.INNER, kept}:
        refuse(
            "join-kind",
            "an outer join that keeps public rows without people",
            fix="keep the rows of the protected side",
            place=place,
        )
    builder = clause.builder
    require_partners(builder, rows, public, place=place)
    pairs, rest = split_equalities(conditions, produced(rows.relation), produced(public.relation))
    if not pairs:
        refuse(
            "join-condition",
            "a look-up without an equality",
            fix="join a dimension with a public column by equality; for bands, write "
            "CASE WHEN a < 10 THEN 'low' ELSE 'high' END instead of the look-up",
            place=place,
        )
    for expr, column in pairs:
        _require_equality(expr, column, clause, place=place)
    for condition in rest:
        if not refs(condition) <= produced(public.relation):
            refuse(
                "look-up",
                "a condition on a public column and a protected one that is no equality",
                fix=FIX,
                place=place,
            )
        require_equality(condition, clause, place=place)
        public = public.where(condition)
    flag = builder.new(ColumnFacts(type=BOOLEAN))
    for column in produced(public.relation):
        builder.columns[column] = replace(builder.columns[column], look_up=flag)
    relation = LookUp(
        left=rows.relation,
        right=public.relation,
        columns=tuple(sorted(produced(public.relation))),
        equalities=tuple(pairs),
        outer=kind is not JoinKind.INNER,
        flag=flag,
    )
    return replace(rows, relation=relation, lineages=rows.lineages | public.lineages, several=True)


def split_equalities(
    conditions: Sequence[Expr], rows: frozenset[int], public: frozenset[int]
) -> tuple[list[tuple[Expr, int]], list[Expr]]:
    """Split conditions into equalities of the rows with a column of others, and the rest."""
    pairs: list[tuple[Expr, int]] = []
    rest: list[Expr] = []
    for condition in conditions:
        pair = _equality(condition, rows, public)
        if pair is None:
            rest.append(condition)
        else:
            pairs.append(pair)
    return pairs, rest


def _equality(
    condition: Expr, rows: frozenset[int], public: frozenset[int]
) -> tuple[Expr, int] | None:
    if not isinstance(condition, Call) or condition.function != "=":
        return None
    for one, other in (condition.args, condition.args[::-1]):
        within = refs(one)
        if isinstance(other, Ref) and other.column in public and within and within <= rows:
            return one, other.column
    return None


def _require_equality(expr: Expr, column: int, clause: Clause, *, place: Place) -> None:
    builder = clause.builder
    for part in refs(expr):
        facts = builder.columns[part]
        same_type = facts if isinstance(expr, Ref) else replace(facts, type=expr.type)
        require_plain(clause, same_type, builder.columns[column], place=place)


def only_look_up(builder: Builder, expr: Expr, *, place: Place) -> int:
    """Return the one look-up that an expression is about, or ``NOT_LOOKED_UP``.

    Raises:
        QueryRefusedError: It mixes columns of a look-up with others.
    """
    found = look_ups_of(builder.columns, expr)
    if len(found) > 1:
        refuse(
            "look-up",
            "a public column and another one in one expression",
            fix="group by each by itself, or filter each by itself",
            place=place,
        )
    return next(iter(found), NOT_LOOKED_UP)


def filter_look_up(lowered: Lowered, look_up: int, condition: Expr, *, place: Place) -> Lowered:
    """Filter the public rows themselves, before they are looked up.

    Raises:
        QueryRefusedError: The look-up keeps rows without a match, so the filter would not
            mean the same.
    """

    def filtered(node: LookUp) -> LookUp:
        if node.outer:
            refuse(
                "look-up",
                "a filter on a public column that a LEFT JOIN looked up",
                fix="write the condition in ON, or use JOIN",
                place=place,
            )
        return replace(node, right=Filter(input=node.right, condition=condition))

    return lowered.on(_change(lowered.relation, look_up, filtered, place))


def compute_in_look_up(
    lowered: Lowered, look_up: int, expr: Expr, *, builder: Builder, place: Place
) -> tuple[Lowered, Expr]:
    """Compute an expression of a look-up's columns inside it; return what it is outside.

    Raises:
        QueryRefusedError: A window function stands between.
    """
    if isinstance(expr, Ref):
        return lowered, expr
    inside = builder.new(
        ColumnFacts(
            type=expr.type,
            sources=frozenset(s for r in refs(expr) for s in builder.columns[r].sources),
            look_up=look_up,
        )
    )
    outer: list[bool] = []

    def computed(node: LookUp) -> LookUp:
        outer.append(node.outer)
        right = Extend(input=node.right, outputs=((inside, expr),))
        return replace(node, right=right, columns=(*node.columns, inside))

    made = lowered.on(_change(lowered.relation, look_up, computed, place))
    if outer != [True]:
        return made, ref(builder, inside)
    absent = rewrite(expr, lambda part: _nothing(part) if isinstance(part, Ref) else None)
    matched = call("is not null", Ref(column=look_up, type=BOOLEAN))
    value = Case(arms=((matched, ref(builder, inside)),), otherwise=absent, type=expr.type)
    return made, value


def _nothing(part: Ref) -> Expr:
    return Literal(value=None, type=part.type)


def _change(
    relation: Relation, look_up: int, change: Callable[[LookUp], LookUp], place: Place
) -> Relation:
    """Change one look-up wherever it stands; a window between would see other rows."""
    match relation:
        case LookUp() if relation.flag == look_up:
            return change(relation)
        case Extend() | Filter():
            return replace(relation, input=_change(relation.input, look_up, change, place))
        case Join() | LookUp() | Match() | Attach():
            if look_up in produced(relation.left):
                return replace(relation, left=_change(relation.left, look_up, change, place))
            return replace(relation, right=_change(relation.right, look_up, change, place))
        case _:
            return refuse(
                "look-up",
                "a public column beside a window function",
                fix="look up after the window, in the query around it",
                place=place,
            )
