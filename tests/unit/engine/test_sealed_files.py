# SPDX-License-Identifier: Apache-2.0
import io
import threading

import pytest

from cleanroom.engine.sealed_files import SealedFiles
from cleanroom.errors import IntegrityError


class Memory:
    """A part in memory that can refuse a place."""

    name = "part"

    def __init__(self, data, *, bad=-1):
        self.data = data
        self.size = len(data)
        self.bad = bad

    def read_at(self, offset, length):
        if offset <= self.bad < offset + length:
            raise IntegrityError("part: changed", code="vault.tampered")
        return self.data[offset : offset + length]


DATA = bytes(range(256)) * 16
PATH = "sealed://0/0"


@pytest.fixture
def files():
    return SealedFiles({PATH: Memory(DATA)})


def test_a_part_reads_like_a_file(files):
    file = files.open(PATH)
    assert file.read(4) == DATA[:4]
    assert file.tell() == 4
    assert file.seek(2, io.SEEK_CUR) == 6
    assert file.read(1) == DATA[6:7]
    assert file.seek(-3, io.SEEK_END) == len(DATA) - 3
    assert file.read() == DATA[-3:]
    file.close()
    assert file.seek(0) == 0


def test_every_thread_has_its_own_position(files):
    file = files.open(PATH)
    file.seek(100)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(file.tell()))
    thread.start()
    thread.join()
    assert seen == [0]
    assert file.tell() == 100


@pytest.mark.parametrize("path", ["sealed://0/1", "sealed://0/*", "/etc/passwd", ""])
def test_no_other_file_is_there(files, path):
    assert files.glob(path) == []
    assert not files.exists(path)
    assert not files.isfile(path)
    with pytest.raises(FileNotFoundError):
        files.open(path)
    with pytest.raises(FileNotFoundError):
        files.size(path)


@pytest.mark.parametrize("mode", ["wb", "r+b", "ab"])
def test_parts_are_read_only(files, mode):
    with pytest.raises(PermissionError):
        files.open(PATH, mode)


def test_what_duckdb_asks_about_a_part_never_changes(files):
    assert files.exists(PATH)
    assert files.isfile(PATH)
    assert not files.isdir(PATH)
    assert files.glob(PATH) == [PATH]
    assert files.size(PATH) == len(DATA)
    assert files.modified(PATH) == files.modified(PATH)


def test_the_first_failure_is_kept():
    files = SealedFiles({PATH: Memory(DATA, bad=10)})
    file = files.open(PATH)
    with pytest.raises(IntegrityError) as first:
        file.read(20)
    with pytest.raises(IntegrityError):
        file.read(20)
    assert files.failure is first.value
