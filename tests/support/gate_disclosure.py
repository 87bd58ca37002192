# SPDX-License-Identifier: Apache-2.0
"""Rules, shapes and fingerprints for tests of the disclosure gate."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction

from cleanroom.contract.rules import DominanceRule, Rules
from cleanroom.disclosure.past import PastCell, Vector
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)

RULES = Rules(
    public=False,
    threshold=10,
    difference=10,
    p_percent=Fraction(10),
    dominance=frozenset({DominanceRule(largest=2, share=Fraction(9, 10))}),
    round_counts=5,
    significant_digits=4,
    zeros="suppress",
    noise=frozenset(),
    functions=frozenset(),
    kinds=frozenset({"sql"}),
    receivers=frozenset(),
)
COUNT = AggregateShape(
    name="n", kind=AggregateKind.COUNT_ROWS, type="integer", argument=-1, unit=-1
)
SUM = AggregateShape(name="s", kind=AggregateKind.SUM, type="double", argument=0, unit=-1)
AVG = AggregateShape(name="m", kind=AggregateKind.AVG, type="double", argument=0, unit=-1)


def shape(
    *aggregates: AggregateShape,
    keys: tuple[str, ...] = ("ward",),
    arguments: tuple[ArgumentKind, ...] = (),
    units: tuple[str, ...] = ("pid",),
    branches: int = 0,
) -> ReleaseShape:
    """A shape whose output is its keys and then its aggregates."""
    return ReleaseShape(
        keys=tuple(KeyShape(name=name, type="string") for name in keys),
        arguments=tuple(ArgumentShape(kind=kind, scale=2) for kind in arguments),
        aggregates=aggregates,
        units=tuple(UnitShape(namespace=name) for name in units),
        branches=branches,
        order=(*keys, *(item.name for item in aggregates)),
    )


def packed(numbers: Iterable[int]) -> bytes:
    """Sorted fingerprints as the state keeps them."""
    return b"".join(struct.pack(">Q", number) for number in sorted(n % 2**64 for n in numbers))


def vector(numbers: Iterable[int], *, members: bool = False, namespace: str = "pid") -> Vector:
    """A vector of given fingerprints."""
    return Vector(namespace=namespace, members=members, fingerprints=packed(numbers))


def cell(*vectors: Vector) -> PastCell:
    """A cell of given vectors."""
    return PastCell(vectors=vectors)
