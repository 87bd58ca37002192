# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.ledger.edge import Edge
from cleanroom.ledger.merkle import leaf_hash, node_hash, peaks_of, root_of
from cleanroom.ledger.tiles import WIDTH, Bundle, Tile, split_entries
from tests.support.logs import reference_root

EMPTY = Edge(size=0, entries=(), levels=())


def grown(entries):
    edge, files = EMPTY, {}
    for entry in entries:
        edge, written = edge.add(entry)
        files |= dict(written)
    return edge, files


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 600))
def test_the_edge_leads_to_the_root_that_the_rfc_defines(size):
    entries = [b"%d" % index for index in range(size)]
    edge, _ = grown(entries)
    assert edge.size == size
    assert edge.root() == reference_root(entries)


def test_the_tiles_of_a_tree_are_the_published_ones():
    entries = [b"%d" % index for index in range(513)]
    _, files = grown(entries)
    full = {tile for tile in files if tile.width == WIDTH}
    assert full == {
        Tile(level=level, index=index, width=WIDTH)
        for level in (0, Bundle.ENTRIES)
        for index in (0, 1)
    }
    assert files[Tile(level=0, index=1, width=WIDTH)] == b"".join(
        leaf_hash(entry) for entry in entries[256:512]
    )
    assert files[Tile(level=1, index=0, width=2)] == b"".join(
        reference_root(entries[at : at + 256]) for at in (0, 256)
    )
    bundle = files[Tile(level=Bundle.ENTRIES, index=2, width=1)]
    assert split_entries(bundle, width=1, what="bundle") == (b"512",)


def test_an_entry_that_fills_two_levels_is_carried_into_the_third():
    levels = tuple(
        tuple(hashlib.sha256(b"%d %d" % (level, index)).digest() for index in range(255))
        for level in (0, 1)
    )
    entries = tuple(b"" for _ in range(255))
    edge, files = Edge(size=65535, entries=entries, levels=levels).add(b"last")
    leaves = (*levels[0], leaf_hash(b"last"))
    (below,) = peaks_of(leaves)
    (top,) = peaks_of((*levels[1], below))
    assert edge == Edge(size=65536, entries=(), levels=((), (), (top,)))
    assert edge.root() == top
    assert [tile for tile, _ in files] == [
        Tile(level=Bundle.ENTRIES, index=255, width=256),
        Tile(level=0, index=255, width=256),
        Tile(level=1, index=0, width=256),
        Tile(level=2, index=0, width=1),
    ]
    after, files = edge.add(b"next")
    assert [tile for tile, _ in files][1:] == [Tile(level=0, index=256, width=1)]
    assert after.root() == node_hash(top, leaf_hash(b"next"))


def test_an_append_changes_no_file_of_a_full_tile():
    edge, _ = grown([b"x"] * 300)
    _, files = edge.add(b"x")
    assert {tile.path for tile, _ in files} == {"tile/0/001.p/45", "tile/entries/001.p/45"}


def test_an_entry_over_the_limit_is_refused():
    with pytest.raises(MalformedError, match="^log entry:"):
        EMPTY.add(bytes(2**16))


def test_peaks_join_to_one_root():
    leaves = [leaf_hash(b"%d" % index) for index in range(7)]
    assert len(peaks_of(leaves)) == 3
    assert root_of(peaks_of(leaves)) == reference_root([b"%d" % index for index in range(7)])
