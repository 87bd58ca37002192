# SPDX-License-Identifier: Apache-2.0
"""Whom the rows of a joined relation belong to: every protected input's unit is counted.

Counting the unit of one side only is the oldest mistake: a join lends one person's
encounter the distinct identifiers of everybody else.

Where a row may have no partner, the key that looks for one is counted in place of the
partner's own: where there is a partner, it is the same person. Rows that share the key count
once, so made-up people who all carry one real person's key count as that one person,
whether or not the person is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import ColumnFacts
from cleanroom.admission.context.lowered import Lowered, Track, ref
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import Expr, call


def by_key(
    lowered: Lowered,
    tracks: Sequence[Track],
    key: int,
    *,
    preserved: Sequence[Track],
    found: bool,
    builder: Builder,
) -> tuple[Lowered, tuple[Track, ...]]:
    """Let the key that looks for partners be counted in place of partners who may be absent.

    Args:
        lowered: The joined rows.
        tracks: The partners'.
        key: The key that looks for them.
        preserved: Tracks of the side that looks.
        found: Whether every row has found a partner.
        builder: Numbers new columns.
    """
    if not tracks:
        return lowered, ()
    column = key
    own = [track for track in preserved if key in track.keys]
    if not own and not found:
        # Whoever has no key has no partner either, and is counted as nobody but themselves.
        column = builder.new(ColumnFacts(type="string"))
        parts = (ref(builder, key), ref(builder, preserved[0].column))
        value = call("unit_or", *parts, type="string")
        outputs: list[tuple[int, Expr]] = [(column, value)]
        lowered = lowered.extended(outputs)
    made = tuple(replace(track, column=column, keys=frozenset()) for track in tracks)
    return lowered, made


def require_own_key(
    left: Lowered, right: Lowered, pair: tuple[int, int], *, both: bool, place: Place
) -> None:
    """Refuse to look for partners by keys of which neither is the unit's own.

    Two alternative keys would let one person appear under another identifier in this query
    than in others, so that answers about the person could not be compared.

    Raises:
        QueryRefusedError: It is not a unit's own key.
    """
    own = [
        any(column in track.keys for track in side.tracks)
        for side, column in zip((left, right), pair, strict=True)
    ]
    if all(own) or (any(own) and not both):
        return
    refuse(
        "join-unit",
        "an outer join, EXISTS or IN by a key that is not the unit's own",
        fix="use the key that the policy names as the unit's, or an inner JOIN",
        place=place,
    )


def merged(
    tracks: Iterable[Track], added: Iterable[Track], *, left: int, right: int
) -> tuple[Track, ...]:
    """Combine the tracks of two sides that an inner join makes equal on a key.

    Units of one owner and namespace that the join makes equal are one track; two owners may
    call their namespaces alike, and each one's units are counted by themselves.
    """
    kept = [
        replace(track, keys=track.keys | {right}) if left in track.keys else track
        for track in tracks
    ]
    for track in added:
        for number, other in enumerate(kept):
            if is_same(other, track, left=left, right=right):
                kept[number] = replace(
                    other,
                    keys=other.keys | track.keys,
                    datasets=other.datasets | track.datasets,
                )
                break
        else:
            more = {left} if right in track.keys else set()
            kept.append(replace(track, keys=track.keys | more))
    return tuple(kept)


def is_same(one: Track, other: Track, *, left: int, right: int) -> bool:
    """Tell whether a key of both sides makes two tracks one."""
    return one.kind == other.kind and left in one.keys and right in other.keys
