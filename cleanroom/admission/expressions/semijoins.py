# SPDX-License-Identifier: Apache-2.0
"""Whether a row has a partner elsewhere: IN (SELECT ...), EXISTS, SEMI and ANTI joins.

The rows of the other side are grouped by the key first, so no row is repeated. Its
people are counted too: whoever lets a row in, or keeps one out by being there, is one
of those on whom the result depends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import ColumnFacts, Degree, Level, sources_of
from cleanroom.admission.context.keys import require_keys, require_plain
from cleanroom.admission.context.lowered import Lowered, ref
from cleanroom.admission.context.partners import require_partners
from cleanroom.admission.context.tracks import by_key, is_same, require_own_key
from cleanroom.admission.context.types import common_type
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import BOOLEAN, Expr, Ref
from cleanroom.admission.typed.relation import Match, MatchKind
from cleanroom.kernel.record import dataclass


def match(
    clause: Clause,
    right: Lowered,
    pairs: Sequence[tuple[Expr, int]],
    *,
    kind: MatchKind,
    unknown: bool,
    place: Place,
) -> Expr:
    """Test the clause's rows for partners in another relation.

    Args:
        clause: Whose rows; the test is attached to the relation below it.
        right: Where partners are looked for.
        pairs: What must be equal: an expression of the rows and a column of the other side.
        kind: What becomes of the rows.
        unknown: Whether a NULL key has neither a partner nor a lack of one.
        place: Where the test stands.

    Returns:
        The condition that a row has a partner; for a mark only.

    Raises:
        QueryRefusedError: The columns may not be equated.
    """
    builder = clause.builder
    columns = [_as_column(clause, expr) for expr, _ in pairs]
    keys = tuple(
        (column, right_column) for column, (_, right_column) in zip(columns, pairs, strict=True)
    )
    _require_levels(clause, right, place=place)
    for left_column, right_column in keys:
        if right.level is Level.PROTECTED:
            require_keys(clause, left_column, right_column, place=place)
        elif clause.level is Level.PROTECTED:
            require_plain(
                clause, builder.columns[left_column], builder.columns[right_column], place=place
            )
        else:
            sides = [ref(builder, column) for column in (left_column, right_column)]
            common_type(sides, what="a join", place=place)
    sources = frozenset(
        source
        for pair in keys
        for column in pair
        for source in builder.columns[column].sources
        if not source.is_identifier
    )
    flag = builder.new(ColumnFacts(type=BOOLEAN, sources=sources, degree=Degree.LINEAR))
    shape = _Shape(kind=kind, keys=keys, flag=flag, unknown=unknown)
    clause.attach(lambda lowered: _matched(lowered, right, shape, clause=clause, place=place))
    return Ref(column=flag, type=BOOLEAN)


def _as_column(clause: Clause, expr: Expr) -> int:
    if isinstance(expr, Ref):
        return expr.column
    found = sources_of(clause.builder.columns, expr)
    number = clause.builder.new(ColumnFacts(type=expr.type, sources=found, degree=Degree.OTHER))
    clause.attach(lambda lowered: lowered.extended([(number, expr)]))
    return number


def _require_levels(clause: Clause, right: Lowered, *, place: Place) -> None:
    allowed = {
        Level.PROTECTED: frozenset(Level),
        Level.PUBLIC: frozenset({Level.PUBLIC}),
        Level.RELEASED: frozenset({Level.RELEASED}),
    }[clause.level]
    if right.level not in allowed:
        refuse(
            "subquery",
            f"{right.level.value} rows in a subquery over {clause.level.value} ones",
            fix="aggregate both sides, or join before aggregating",
            place=place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    kind: MatchKind
    keys: tuple[tuple[int, int], ...]
    flag: int
    unknown: bool


def _matched(
    lowered: Lowered, right: Lowered, shape: _Shape, *, clause: Clause, place: Place
) -> Lowered:
    require_partners(clause.builder, lowered, right, place=place)
    relation = Match(
        kind=shape.kind,
        left=lowered.relation,
        right=right.relation,
        keys=shape.keys,
        flag=shape.flag,
        unknown=shape.unknown,
    )
    made = replace(lowered, relation=relation, lineages=lowered.lineages | right.lineages)
    if right.level is not Level.PROTECTED:
        return made
    pair = shape.keys[0]
    require_own_key(lowered, right, pair, both=False, place=place)
    new = [
        track
        for track in right.tracks
        if not any(is_same(other, track, left=pair[0], right=pair[1]) for other in lowered.tracks)
    ]
    made, added = by_key(
        made,
        new,
        pair[0],
        preserved=lowered.tracks,
        found=shape.kind is MatchKind.SEMI,
        builder=clause.builder,
    )
    return replace(made, tracks=(*made.tracks, *added))
