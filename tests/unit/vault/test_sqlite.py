# SPDX-License-Identifier: Apache-2.0
"""A table of SQLite: types found in every value, read to its end, refused without a value."""

import datetime as dt
import sqlite3

import pytest

from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.vault.databases import SqliteTable
from cleanroom.vault.rows import SLICE
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from tests.support.sealed_tables import seal_and_read, sqlite

SECRET = "Zzyzx-do-not-disclose"


@pytest.mark.parametrize(
    ("values", "kind", "sealed"),
    [
        ([1, None], "integer", [1, None]),
        ([1, 0.5], "double", [1.0, 0.5]),
        ([2**60, 0.1], "string", [str(2**60), "0.1"]),
        (["x", 1, 0.1], "string", ["x", "1", "0.1"]),
        ([None], "string", [None]),
    ],
)
def test_the_type_of_a_column_of_sqlite_holds_every_value(tmp_path, values, kind, sealed):
    path = sqlite(tmp_path / "x.sqlite", [(v, 1) for v in values], columns="v, w")
    found, rows = seal_and_read(path, tmp_path, columns=("v", "w"))
    assert dict(found.columns)["v"] == kind
    assert [row[0] for row in rows] == sealed


def test_a_stated_type_is_tried_on_every_value_of_sqlite(tmp_path):
    path = sqlite(tmp_path / "x.sqlite", [("2024-02-29", 1)], columns="v, w")
    _, rows = seal_and_read(path, tmp_path, columns=("v", "w"), types={"v": "date"})
    assert rows == [(dt.date(2024, 2, 29), 1)]


def test_a_stream_of_sqlite_is_read_to_its_end(tmp_path):
    # Read here and not by the engine, which stops when it has the rows it was promised.
    class Engine:
        def register(self, name, reader):
            self.found = {name: reader}

    path = sqlite(tmp_path / "x.sqlite", [(1, 0.5), (3, "x"), (None, 4)], columns="v, w")
    engine = Engine()
    assert SqliteTable(path, engine, table="encounters").everything == SLICE
    sealed = {"v": [1, 3, None], "w": ["0.5", "x", "4"]}
    assert engine.found[SLICE].read_all().to_pydict() == sealed


def test_bytes_in_sqlite_are_refused_by_the_name_of_their_column(tmp_path):
    path = sqlite(tmp_path / "x.sqlite", [(SECRET.encode(), 1)], columns="v, w")
    with pytest.raises(MalformedError, match="^column v: parts hold no bytes") as refused:
        seal_and_read(path, tmp_path, columns=("v", "w"))
    require_silent(refused.value)


def test_text_that_is_no_text_is_refused_without_it(tmp_path):
    path = sqlite(tmp_path / "x.sqlite", [], columns="v, w")
    with sqlite3.connect(path) as database:
        broken = f"CAST(X'{SECRET.encode().hex()}ff' AS TEXT)"
        database.execute(f"INSERT INTO encounters VALUES ({broken}, 1)")  # noqa: S608
    database.close()
    with pytest.raises(CleanroomError, match="^source: ") as refused:
        seal_and_read(path, tmp_path, columns=("v", "w"))
    require_silent(refused.value)
    assert not list((tmp_path / "parts").glob("*.part"))


def test_a_damaged_sqlite_file_is_refused(tmp_path):
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\1" * 4096)
    with pytest.raises(MalformedError, match="^source: SQLite cannot read it"):
        seal_and_read(path, tmp_path)


def require_silent(error):
    while error is not None:
        assert SECRET not in str(error) + repr(getattr(error, "hint", ""))
        assert SECRET not in repr(error.__context__) + repr(error.__cause__)
        error = error.__context__


def test_a_log_beside_sqlite_is_part_of_its_fingerprint(tmp_path):
    path = sqlite(tmp_path / "x.sqlite", [(1, 1)], columns="v, w")
    with sealing_session() as connection:
        source = open_source(path, connection, table="encounters")
        before = source.fingerprint()
        path.with_name("x.sqlite-wal").write_bytes(b"")
        assert source.fingerprint() != before
