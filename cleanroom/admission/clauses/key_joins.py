# SPDX-License-Identifier: Apache-2.0
"""Joins of protected inputs: by a key that identifies the unit on either side.

A row then belongs to the same person on both sides. Everything else in ON is a filter. Where
one side may have no partner, whether it has one is a branch of every value in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import NOT_LOOKED_UP, ColumnFacts, Degree, look_ups_of
from cleanroom.admission.context.keys import FIX, are_keys, require_keys
from cleanroom.admission.context.lowered import Lowered, Track, ref
from cleanroom.admission.context.meetings import joined_inputs
from cleanroom.admission.context.partners import require_partners
from cleanroom.admission.context.tracks import by_key, is_same, merged, require_own_key
from cleanroom.admission.expressions.comparisons import require_equality
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.columns import produced
from cleanroom.admission.typed.expr import BOOLEAN, TRUE, Call, Expr, Ref, both, call
from cleanroom.admission.typed.relation import Join, JoinKind

_LEFT_KEPT = frozenset({JoinKind.LEFT, JoinKind.FULL})
_RIGHT_KEPT = frozenset({JoinKind.RIGHT, JoinKind.FULL})


def join_by_key(
    kind: JoinKind,
    left: Lowered,
    right: Lowered,
    conditions: Sequence[Expr],
    *,
    clause: Clause,
    place: Place,
) -> Lowered:
    """Join two protected relations.

    Raises:
        QueryRefusedError: They are not joined by a key of both.
    """
    builder = clause.builder
    require_partners(builder, left, right, place=place)
    pairs = [pair for item in conditions if (pair := _key_pair(item, left, right, builder))]
    if not pairs:
        refuse(
            "join-condition",
            "two protected sources that are not joined by key",
            fix=FIX,
            place=place,
        )
    for one, other in pairs:
        require_keys(clause, one, other, place=place)
    condition: Expr = TRUE
    for item in conditions:
        if _key_pair(item, left, right, builder) is None:
            _require_filter(item, clause, place=place)
        condition = both(condition, item)
    joined = Lowered(
        relation=Join(kind=kind, left=left.relation, right=right.relation, condition=condition),
        level=left.level,
        branches=left.branches | right.branches,
        lineages=left.lineages | right.lineages,
        divided=left.divided or right.divided,
        several=left.several or right.several,
    )
    joined = joined_inputs(left, right, joined, builder, place=place)
    return _with_tracks(joined, kind, left, right, key=pairs[0], clause=clause, place=place)


def _key_pair(
    condition: Expr, left: Lowered, right: Lowered, builder: Builder
) -> tuple[int, int] | None:
    if not isinstance(condition, Call) or condition.function != "=":
        return None
    one, other = condition.args
    if not isinstance(one, Ref) or not isinstance(other, Ref):
        return None
    if not are_keys(builder, one.column, other.column):
        return None
    within = produced(left.relation), produced(right.relation)
    for here, there in ((one.column, other.column), (other.column, one.column)):
        if here in within[0] and there in within[1]:
            return here, there
    return None


def _require_filter(condition: Expr, clause: Clause, *, place: Place) -> None:
    require_equality(condition, clause, place=place)
    if look_ups_of(clause.builder.columns, condition) - {NOT_LOOKED_UP}:
        refuse(
            "look-up",
            "a public column in the condition of another join",
            fix="filter the public dataset in WHERE",
            place=place,
        )


def _with_tracks(
    joined: Lowered,
    kind: JoinKind,
    left: Lowered,
    right: Lowered,
    *,
    key: tuple[int, int],
    clause: Clause,
    place: Place,
) -> Lowered:
    builder = clause.builder
    if kind is JoinKind.INNER:
        return replace(joined, tracks=merged(left.tracks, right.tracks, left=key[0], right=key[1]))
    require_own_key(left, right, key, both=kind is JoinKind.FULL, place=place)
    if kind in _LEFT_KEPT:
        _absent(right, builder)
    if kind in _RIGHT_KEPT:
        _absent(left, builder)
    if kind is JoinKind.FULL:
        return _full(joined, left, right, key, builder=builder)
    preserved, optional, here, there = (
        (left, right, *key) if kind is JoinKind.LEFT else (right, left, *key[::-1])
    )
    made = _marked(joined, [there], builder)
    new = [
        track
        for track in optional.tracks
        if not any(is_same(other, track, left=here, right=there) for other in preserved.tracks)
    ]
    kept = [
        replace(track, datasets=track.datasets | _same_datasets(track, optional, here, there))
        for track in preserved.tracks
    ]
    made, added = by_key(made, new, here, preserved=preserved.tracks, found=False, builder=builder)
    return replace(made, tracks=(*kept, *added))


def _same_datasets(track: Track, optional: Lowered, here: int, there: int) -> frozenset[str]:
    return frozenset(
        name
        for other in optional.tracks
        if is_same(track, other, left=here, right=there)
        for name in other.datasets
    )


def _full(
    made: Lowered, left: Lowered, right: Lowered, key: tuple[int, int], *, builder: Builder
) -> Lowered:
    """Track both sides of a full join by the key of whichever is there."""
    made = _marked(made, key, builder)
    column = builder.new(ColumnFacts(type=builder.columns[key[0]].type))
    either = call(
        "coalesce", *(ref(builder, side) for side in key), type=builder.columns[column].type
    )
    tracks: dict[tuple[str, str], Track] = {}
    for track in (*left.tracks, *right.tracks):
        datasets = tracks[track.kind].datasets if track.kind in tracks else frozenset()
        tracks[track.kind] = replace(
            track, column=column, keys=frozenset(), datasets=track.datasets | datasets
        )
    return replace(made.extended([(column, either)]), tracks=tuple(tracks.values()))


def _marked(made: Lowered, units: Sequence[int], builder: Builder) -> Lowered:
    """Add whether a side was there, as a branch of every row."""
    outputs = []
    for unit in units:
        flag = builder.new(ColumnFacts(type=BOOLEAN, degree=Degree.LINEAR))
        outputs.append((flag, call("is not null", ref(builder, unit))))
    made = made.extended(outputs)
    return replace(made, branches=made.branches | {flag for flag, _ in outputs})


def _absent(lowered: Lowered, builder: Builder) -> None:
    """Note that keys of a side that may be absent identify nobody where they are."""
    for column in produced(lowered.relation):
        facts = builder.columns[column]
        if facts.identifiers:
            builder.columns[column] = replace(
                facts,
                identifiers=tuple(replace(item, identifies=False) for item in facts.identifiers),
            )
