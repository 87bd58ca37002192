# SPDX-License-Identifier: Apache-2.0
import errno
import io

import duckdb
import pytest

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.vault.header import HEADER_BYTES, PartContext
from cleanroom.vault.session import fetch, sealing_session
from cleanroom.vault.sink import SINK_PATH, SealingSink
from cleanroom.vault.stream import PartWriter

CONTEXT = PartContext(
    lineage="a.b", version=1, part=0, parts=1, key_id=b"k" * 16, file_id=b"f" * 16
)


@pytest.fixture
def sink():
    return SealingSink(PartWriter(io.BytesIO(), key=b"s" * 32, context=CONTEXT))


@pytest.mark.parametrize(("path", "mode"), [("sealing://other", "wb"), (SINK_PATH, "rb")])
def test_only_the_part_can_be_opened_and_only_for_writing(sink, path, mode):
    with pytest.raises(PermissionError):
        sink.open(path, mode)


def test_the_part_is_written_once(sink):
    sink.open(SINK_PATH, "wb").write(b"data")
    with pytest.raises(PermissionError):
        sink.open(SINK_PATH, "wb")


def test_the_first_error_of_the_disk_is_kept():
    class FullDisk(io.BytesIO):
        def write(self, data):
            if len(data) != HEADER_BYTES:
                raise OSError(errno.ENOSPC, "full")
            return super().write(data)

    sink = SealingSink(PartWriter(FullDisk(), key=b"s" * 32, context=CONTEXT))
    file = sink.open(SINK_PATH, "wb")
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            file.write(bytes(200_000))
        first = sink.failure
    assert first is sink.failure
    assert first.errno == errno.ENOSPC


def test_nothing_exists_before_it_is_written(sink):
    assert not sink.isfile(SINK_PATH)
    assert not sink.isdir(SINK_PATH)


def test_the_session_never_spills_and_sees_no_variable():
    canary = [1]
    with sealing_session() as connection:
        assert connection.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)
        with pytest.raises(MalformedError):
            fetch(connection, "FROM canary")
    assert canary


def test_running_out_of_memory_is_unavailable():
    with sealing_session() as connection:
        connection.execute("SET memory_limit = '10MB'")
        with pytest.raises(UnavailableError) as refused:
            fetch(connection, "SELECT list(range) FROM range(100000000)")
    assert refused.value.code == "vault.memory"
    assert refused.value.__context__ is None


def test_an_unreadable_file_is_unavailable(tmp_path):
    with sealing_session() as connection, pytest.raises(UnavailableError) as refused:
        fetch(connection, f"FROM read_parquet('{tmp_path / 'absent.parquet'}')")
    assert refused.value.code == "vault.unreadable"


def test_an_engine_error_is_told_without_its_words():
    with sealing_session() as connection, pytest.raises(MalformedError) as refused:
        fetch(connection, "SELECT CAST('secret cell' AS INTEGER)")
    assert "secret" not in str(refused.value)
    assert refused.value.__context__ is None
    assert not isinstance(refused.value, duckdb.Error)
