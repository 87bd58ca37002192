# SPDX-License-Identifier: Apache-2.0
"""Objects on the disk: what was written is what lies there, past the page cache or through it."""

import mmap
import os
from pathlib import Path

import pytest

from cleanroom.errors import IntegrityError
from cleanroom.hub.objects import ObjectStore
from cleanroom.kernel.digest import Digest

PAGE = 4096


def paged(data):
    """Let bytes lie at the beginning of a page of memory."""
    memory = mmap.mmap(-1, max(PAGE, len(data)))
    memory[: len(data)] = data
    return memoryview(memory)[: len(data)]


def flags_of_incoming(home):
    """Return the flags of the one file that is being written, as the system sees them."""
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and link.readlink().is_relative_to(home / "incoming"):
            lines = Path("/proc/self/fdinfo", link.name).read_text().splitlines()
            return int(next(line for line in lines if line.startswith("flags")).split()[1], 8)
    raise AssertionError


def takes_direct(directory):
    try:
        os.close(os.open(directory / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "cuts",
    [
        [PAGE],
        [PAGE, 3 * PAGE],
        [PAGE, 5],
        [5, PAGE],
        [PAGE, 5, PAGE, 2 * PAGE],
        [1],
        [],
    ],
    ids=str,
)
def test_pieces_of_every_size_lie_there_in_order(tmp_path, cuts):
    store = ObjectStore(tmp_path)
    pieces = [os.urandom(size) for size in cuts]
    digest = Digest.of(b"".join(pieces))
    with store.receive(digest) as incoming:
        for piece in pieces:
            incoming.write(paged(piece))
        incoming.finish()
    assert store.read(digest) == b"".join(pieces)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_whole_pages_go_past_the_page_cache_and_nothing_else_does(tmp_path):
    store = ObjectStore(tmp_path)
    data = os.urandom(2 * PAGE)
    with store.receive(Digest.of(data + b"rest")) as incoming:
        incoming.write(paged(data))
        assert bool(flags_of_incoming(tmp_path) & os.O_DIRECT) == takes_direct(tmp_path)
        incoming.write(b"rest")
        assert not flags_of_incoming(tmp_path) & os.O_DIRECT
        incoming.finish()
    assert store.read(Digest.of(data + b"rest")) == data + b"rest"


def test_memory_that_the_disk_does_not_take_is_written_as_ever(tmp_path):
    store = ObjectStore(tmp_path)
    view = paged(os.urandom(3 * PAGE))[1 : 1 + PAGE]
    digest = Digest.of(bytes(view) * 2)
    with store.receive(digest) as incoming:
        incoming.write(view)
        incoming.write(view)
        incoming.finish()
    assert store.read(digest) == bytes(view) * 2


def test_other_bytes_are_refused_however_they_were_written(tmp_path):
    store = ObjectStore(tmp_path)
    digest = Digest.of(b"other")
    with store.receive(digest) as incoming:
        incoming.write(paged(bytes(PAGE)))
        with pytest.raises(IntegrityError, match="^hub object: found"):
            incoming.finish()
    assert not store.holds(digest)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_store_of_which_some_directories_are_there_takes_every_object(tmp_path):
    """As after a restored copy, which brings those that it needs."""
    first = Digest.of(b"first")
    (tmp_path / "objects" / first.hex[:2]).mkdir(parents=True)
    store = ObjectStore(tmp_path)
    for data in (b"first", b"second", b"third"):
        with store.receive(Digest.of(data)) as incoming:
            incoming.write(data)
            incoming.finish()
        assert store.read(Digest.of(data)) == data
