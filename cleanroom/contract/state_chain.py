# SPDX-License-Identifier: Apache-2.0
"""The chain of a lineage's disclosure history, and who can open its entries.

A head commits to every entry before it, in order. Whoever shows an older head or
leaves an entry out derives another head, and the broker's compare-and-set refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from cleanroom.kernel.digest import Digest

_LABEL = b"cleanroom.state.v0\0"


def genesis_head(lineage: str) -> Digest:
    """Return the head of a lineage that has released nothing yet."""
    return Digest.of(_LABEL + lineage.encode("utf-8"))


def next_head(previous: Digest, entry: Digest) -> Digest:
    """Return the head after one more sealed entry."""
    return Digest.of(_LABEL + previous.raw + entry.raw)


def derive_head(lineage: str, entries: Iterable[Digest]) -> Digest:
    """Return the head that a whole history leads to, oldest entry first."""
    return reduce(next_head, entries, genesis_head(lineage))


def owner_set_id(owners: Iterable[str]) -> str:
    """Name a set of owners in one way: sorted, joined by ``+``, which no name holds."""
    return "+".join(sorted(set(owners)))


def owners_of(lineages: Iterable[str]) -> tuple[str, ...]:
    """Return the owners of lineages, sorted: the set whose shares seal their new entry."""
    return tuple(sorted({lineage.partition(".")[0] for lineage in lineages}))
