# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_LOG_ENTRY_BYTES
from cleanroom.ledger.tiles import (
    WIDTH,
    Bundle,
    Tile,
    is_published,
    join_entries,
    split_entries,
    split_hashes,
)

ENTRIES = st.lists(st.binary(max_size=40), max_size=8)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=1234067, width=WIDTH), "tile/0/x001/x234/067"),
        (Tile(level=0, index=0, width=WIDTH), "tile/0/000"),
        (Tile(level=1, index=273, width=17), "tile/1/273.p/17"),
        (Tile(level=2, index=1000, width=1), "tile/2/x001/000.p/1"),
        (Tile(level=Bundle.ENTRIES, index=67, width=255), "tile/entries/067.p/255"),
    ],
)
def test_paths_are_the_published_ones(tile, path):
    assert tile.path == path
    assert is_published(path)
    assert path.startswith(tile.partial_directory.removesuffix(".p"))


@given(st.integers(0, 7) | st.just(Bundle.ENTRIES), st.integers(0, 10**12), st.integers(1, WIDTH))
def test_every_tile_has_a_published_path_of_its_own(level, index, width):
    tile = Tile(level=level, index=index, width=width)
    assert is_published(tile.path)
    assert not is_published(tile.partial_directory)


def test_the_checkpoint_is_published():
    assert is_published("checkpoint")


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".lock",
        "/checkpoint",
        "checkpoint\n",
        "checkpoint/",
        "../state.sqlite",
        "tile/0/../../../state.sqlite",
        "tile/8/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/.1.tmp",
        "tile/0/001/000",
        "tile/0/x001/x002",
        "tile/entries/000\x00",
        "tile/0/" + "x000/" * 6 + "000",
    ],
)
def test_no_other_path_is_published(path):
    assert not is_published(path)


@given(ENTRIES)
def test_entries_survive_their_bundle(entries):
    data = join_entries(entries)
    assert split_entries(data, width=len(entries), what="bundle") == tuple(entries)


def test_the_length_before_an_entry_is_two_bytes_big_endian():
    assert join_entries([b"ab", b""]) == b"\x00\x02ab\x00\x00"


def test_an_entry_of_the_largest_size_fits_and_one_more_byte_does_not():
    assert len(join_entries([bytes(MAX_LOG_ENTRY_BYTES)])) == MAX_LOG_ENTRY_BYTES + 2
    with pytest.raises(MalformedError, match="^log entry:") as refused:
        join_entries([bytes(MAX_LOG_ENTRY_BYTES + 1)])
    assert refused.value.code == "format.oversize"


@given(ENTRIES, st.integers(-2, 2))
def test_another_number_of_entries_is_refused(entries, difference):
    if difference == 0 or len(entries) + difference < 0:
        return
    with pytest.raises(MalformedError) as refused:
        split_entries(join_entries(entries), width=len(entries) + difference, what="bundle")
    assert refused.value.code == "ledger.bundle"


@given(ENTRIES.filter(bool), st.data())
def test_a_truncated_bundle_is_refused(entries, data):
    whole = join_entries(entries)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(MalformedError, match="^bundle:"):
        split_entries(whole[:cut], width=len(entries), what="bundle")


@pytest.mark.parametrize("length", [0, 63, 65, 96])
def test_a_hash_tile_of_another_length_is_refused(length):
    with pytest.raises(MalformedError, match="^tile:") as refused:
        split_hashes(bytes(length), width=2, what="tile")
    assert refused.value.code == "ledger.tile"


def test_a_hash_tile_is_split_in_order():
    assert split_hashes(b"a" * 32 + b"b" * 32, width=2, what="tile") == (b"a" * 32, b"b" * 32)
