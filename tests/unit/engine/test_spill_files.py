# SPDX-License-Identifier: Apache-2.0
"""Temporary files that are blocks in scratch space: as DuckDB uses them, and no other way."""

import io

import pytest

from cleanroom.engine.spill_files import DIRECTORY, SpillFiles
from cleanroom.errors import IntegrityError, UnavailableError

FILE = f"{DIRECTORY}/storage-0.tmp"


class Memory:
    """Scratch space that keeps its pieces in a list."""

    def __init__(self):
        self.pieces = {}
        self.failure = None

    def write(self, data):
        if self.failure:
            raise self.failure
        self.pieces[len(self.pieces)] = data
        return len(self.pieces) - 1

    def read(self, piece):
        if self.failure:
            raise self.failure
        return self.pieces[piece]

    def free(self, piece):
        self.pieces[piece] = None


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def files(memory):
    return SpillFiles(memory)


def write(files, offset, data, path=FILE):
    file = files.open(path, "w+b")
    file.seek(offset)
    assert file.write(data) == len(data)


def read(files, offset, length, path=FILE):
    file = files.open(path, "r+b")
    file.seek(offset)
    return file.read(length)


def test_blocks_come_back_as_they_were_written(files):
    write(files, 0, b"first")
    write(files, 5, b"other")
    assert read(files, 5, 5) == b"other"
    assert read(files, 0, 5) == b"first"
    assert files.size(FILE) == 10


def test_a_block_that_is_written_again_frees_the_earlier_one(files, memory):
    write(files, 0, b"first")
    write(files, 0, b"again")
    assert read(files, 0, 5) == b"again"
    assert memory.pieces[0] is None


@pytest.mark.parametrize(("offset", "length"), [(0, 4), (1, 4), (5, 5), (0, 6)])
def test_a_block_is_never_read_in_another_form(files, offset, length):
    write(files, 0, b"first")
    with pytest.raises(OSError, match="otherwise"):
        read(files, offset, length)


def test_cutting_a_file_keeps_every_block(files):
    write(files, 0, b"first")
    files.touch(FILE, truncate=True)
    assert read(files, 0, 5) == b"first"


def test_a_removed_file_is_gone_and_its_space_free(files, memory):
    write(files, 0, b"first")
    files.rm(FILE)
    assert not files.exists(FILE)
    assert memory.pieces == {0: None}
    files.rm(FILE)


def test_there_is_one_directory_and_it_lists_nothing(files):
    write(files, 0, b"first")
    assert files.isdir(DIRECTORY)
    assert files.isdir(DIRECTORY + "/")
    assert not files.isdir("/tmp")  # noqa: S108 - a name only
    assert files.ls(DIRECTORY) == []
    assert files.glob(FILE) == [FILE]
    assert files.glob(DIRECTORY + "/*") == []
    files.mkdir(DIRECTORY)
    with pytest.raises(PermissionError):
        files.open("spill://other/file", "w+b")


def test_a_file_knows_its_place(files):
    write(files, 0, b"first")
    file = files.open(FILE, "r+b")
    assert file.seek(-5, io.SEEK_END) == 0
    assert file.read(5) == b"first"
    assert file.tell() == 5
    assert file.seek(-1, io.SEEK_CUR) == 4
    file.flush()
    file.close()


def test_the_first_failure_is_kept_whatever_the_engine_makes_of_it(files, memory):
    write(files, 0, b"first")
    memory.failure = IntegrityError("scratch space: changed", code="test")
    with pytest.raises(IntegrityError):
        read(files, 0, 5)
    kept = memory.failure
    memory.failure = UnavailableError("scratch space: full", code="test")
    with pytest.raises(UnavailableError):
        write(files, 5, b"other")
    assert files.failure is kept
