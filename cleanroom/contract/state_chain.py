# SPDX-License-Identifier: Apache-2.0
"""The chain of a lineage's disclosure history, and who can open its entries.

A head commits to every entry before it, in order. Whoever shows an older head or
leaves an entry out derives another head, and the broker's compare-and-set refuses.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.kernel.digest import Digest


def genesis_head(lineage: str) -> Digest:
    """Return the head of a lineage that has released nothing yet."""
    raise NotImplementedError(lineage)


def next_head(previous: Digest, entry: Digest) -> Digest:
    """Return the head after one more sealed entry."""
    raise NotImplementedError(previous, entry)


def owner_set_id(owners: Iterable[str]) -> str:
    """Name a set of owners in one way: sorted, joined by ``+``."""
    raise NotImplementedError(owners)


def owners_of(lineages: Iterable[str]) -> tuple[str, ...]:
    """Return the owners of lineages, sorted: the set whose shares seal their new entry."""
    raise NotImplementedError(lineages)
