# SPDX-License-Identifier: Apache-2.0
"""Folders, databases and sorted rows: what is in the parts is what was in the source."""

import datetime as dt
import shutil
from dataclasses import replace
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.vault.parquet_files import find_parquet_files
from cleanroom.vault.rows import BATCH_ROWS, SLICE
from cleanroom.vault.seal import Cut
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from tests.support.sealed_tables import (
    COLUMNS,
    SMALL,
    encounters,
    readers,
    seal_and_read,
    sqlite,
)

SECRET = "Zzyzx-do-not-disclose"


def expected(table, columns=COLUMNS):
    return [tuple(row[name] for name in columns) for row in table.to_pylist()]


def write_folder(folder, table, *, files):
    folder.mkdir()
    step = -(-table.num_rows // files)
    for number in range(files):
        piece = table.slice(number * step, step)
        pq.write_table(piece, folder / f"{number:05}.parquet", row_group_size=700)
    (folder / "_SUCCESS").touch()
    (folder / ".00000.parquet.crc").touch()
    return folder


@pytest.mark.parametrize("files", [1, 3, 40])
def test_a_folder_of_files_is_one_table_in_the_order_of_their_paths(tmp_path, files):
    table = encounters(10_000)
    folder = write_folder(tmp_path / "visits", table, files=files)
    sealed, rows = seal_and_read(folder, tmp_path)
    assert len(sealed.parts) == 3
    assert rows == expected(table)


def test_partitions_become_columns_whose_types_lose_nothing(tmp_path):
    folder = tmp_path / "visits"
    for year, ward in (("2024", "007"), ("2025", "a%20b"), ("2025", "__HIVE_DEFAULT_PARTITION__")):
        place = folder / f"year={year}" / f"ward={ward}"
        place.mkdir(parents=True)
        pq.write_table(pa.table({"cost": [1, 2]}), place / "x.parquet")
    sealed, rows = seal_and_read(folder, tmp_path, columns=("cost", "ward", "year"))
    assert dict(sealed.columns) == {"cost": "integer", "ward": "string", "year": "integer"}
    assert sorted({row[1:] for row in rows}, key=str) == [
        ("007", 2024),
        ("a b", 2025),
        (None, 2025),
    ]


def test_a_partition_column_without_any_value_is_a_string(tmp_path):
    place = tmp_path / "visits" / "ward=__HIVE_DEFAULT_PARTITION__"
    place.mkdir(parents=True)
    pq.write_table(pa.table({"cost": [1]}), place / "x.parquet")
    sealed, rows = seal_and_read(tmp_path / "visits", tmp_path, columns=("cost", "ward"))
    assert dict(sealed.columns)["ward"] == "string"
    assert rows == [(1, None)]


def test_a_stated_type_of_a_partition_is_used(tmp_path):
    place = tmp_path / "visits" / "year=2024"
    place.mkdir(parents=True)
    pq.write_table(pa.table({"cost": [1]}), place / "x.parquet")
    _, rows = seal_and_read(
        tmp_path / "visits", tmp_path, columns=("cost", "year"), types={"year": "string"}
    )
    assert rows == [(1, "2024")]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (pa.table({"patient_id": ["x"], "ward": ["x"], "cost": [0.5]}), "vault.folder-schema"),
        (pa.table({"patient_id": ["x"], "ward": ["x"]}), "vault.folder-schema"),
        (pa.table({"patient_id": ["x"], "cost": [1], "ward": ["x"]}), "vault.folder-schema"),
    ],
)
def test_a_file_with_another_schema_is_named_by_its_place(tmp_path, other, code):
    folder = write_folder(tmp_path / "visits", encounters(100), files=2)
    pq.write_table(other, folder / f"2-{SECRET}.parquet")
    with pytest.raises(MalformedError, match="^source: file 3 of 3") as refused:
        seal_and_read(folder, tmp_path)
    assert refused.value.code == code
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("last", [1, BATCH_ROWS])
def test_many_files_come_one_after_another_in_full_batches(tmp_path, last):
    # Read here and not by threads of the engine.
    class Engine:
        def __init__(self, connection):
            self.connection = connection

        def __getattr__(self, name):
            return getattr(self.connection, name)

        def register(self, name, reader):
            self.found = {name: reader}

    sizes = [BATCH_ROWS // 64] * 64 + [last]
    for number, rows in enumerate(sizes):
        table = pa.table({"v": pa.array([number] * rows, pa.int32())})
        pq.write_table(table, tmp_path / f"{number:03}.parquet")
    with sealing_session() as connection:
        engine = Engine(connection)
        source = open_source(tmp_path, engine, table="")
        source.measure(stated=())
        assert source.slice(0, sum(sizes)) == SLICE
        batches = list(engine.found[SLICE])
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, last]
    assert pa.Table.from_batches(batches)["v"].to_pylist() == [
        number for number, rows in enumerate(sizes) for _ in range(rows)
    ]


def plant(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("_delta_log/0.json", "vault.table-format"),
        ("metadata/v1.metadata.json", "vault.table-format"),
        ("readme.txt", "vault.folder"),
        ("a=1/x.parquet", "vault.folder"),
        ("many*.parquet", "vault.source-name"),
    ],
)
def test_a_folder_that_is_more_than_its_files_is_refused(tmp_path, name, code):
    folder = write_folder(tmp_path / "visits", encounters(10), files=1)
    plant(folder, name)
    with pytest.raises(MalformedError, match="^source: ") as refused:
        seal_and_read(folder, tmp_path)
    assert refused.value.code == code


def test_an_empty_folder_is_no_table(tmp_path):
    (tmp_path / "visits").mkdir()
    with pytest.raises(MalformedError, match="^source: a folder"):
        seal_and_read(tmp_path / "visits", tmp_path)


def test_a_folder_that_cannot_be_listed_is_unavailable():
    class Unreadable:
        def __truediv__(self, _):
            return self

        def exists(self):
            return False

        def glob(self, _):
            return ()

        def rglob(self, _):
            raise PermissionError

    with pytest.raises(UnavailableError, match="^source: cannot be read"):
        find_parquet_files(Unreadable())


def test_a_file_that_is_added_to_a_folder_changes_its_fingerprint(tmp_path):
    folder = write_folder(tmp_path / "visits", encounters(100), files=2)
    with sealing_session() as connection:
        before = open_source(folder, connection, table="x").fingerprint()
        pq.write_table(encounters(1), folder / "9.parquet")
        assert open_source(folder, connection, table="x").fingerprint() != before


@pytest.fixture
def warehouse(tmp_path):
    path = tmp_path / "warehouse.db"
    with duckdb.connect(path) as connection:
        connection.register("made", encounters(10_000))
        connection.execute("CREATE TABLE encounters AS FROM made")
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.holes AS FROM encounters")
        connection.execute("DELETE FROM s.holes WHERE cost < 17")
        connection.execute("CREATE VIEW looked AS FROM encounters")
    return path


def test_a_table_of_duckdb_has_the_name_of_the_dataset_unless_it_is_stated(warehouse, tmp_path):
    _, rows = seal_and_read(warehouse, tmp_path)
    assert rows == expected(encounters(10_000))
    _, holes = seal_and_read(warehouse, tmp_path / "other", table="holes")
    assert holes == [row for row in rows if row[2] >= 17]


@pytest.mark.parametrize("table", ["nobody", "looked"])
def test_what_is_no_table_of_a_database_is_refused(warehouse, tmp_path, table):
    with pytest.raises(MalformedError, match="^source: a database") as refused:
        seal_and_read(warehouse, tmp_path, table=table)
    assert refused.value.code == "vault.table"
    assert "--table" in refused.value.hint


def test_a_database_that_was_written_to_has_another_fingerprint(warehouse):
    with sealing_session() as connection:
        before = open_source(warehouse, connection, table="encounters").fingerprint()
    with duckdb.connect(warehouse) as connection:
        connection.execute("DELETE FROM encounters")
    with sealing_session() as connection:
        assert open_source(warehouse, connection, table="encounters").fingerprint() != before


def test_a_table_of_sqlite_is_sealed_in_slices(tmp_path):
    table = encounters(40_000)
    path = sqlite(tmp_path / "visits.sqlite", expected(table))
    sealed, rows = seal_and_read(path, tmp_path, cut=Cut(group_rows=4096, groups_in_part=4))
    assert len(sealed.parts) == 3
    assert dict(sealed.columns)["cost"] == "integer"
    assert rows == expected(table)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "sqlite", "duckdb"])
def test_sorted_rows_lie_in_order_and_equal_ones_as_they_came(tmp_path, kind, warehouse):
    table = encounters(9000)
    source = {"arrow": table, "duckdb": warehouse}.get(kind, tmp_path / f"x.{kind}")
    if kind == "parquet":
        pq.write_table(table, source)
    if kind == "csv":
        table.to_pandas().to_csv(source, index=False)
    if kind == "sqlite":
        sqlite(source, expected(table))
    rows = expected(table if kind != "duckdb" else encounters(10_000))
    _, found = seal_and_read(source, tmp_path, sort=("ward", "cost"))
    assert found == sorted(rows, key=lambda row: (row[1], row[2]))


def test_rows_are_sorted_by_what_is_sealed(tmp_path):
    table = pa.table({"ward": ["b", " A"], "cost": [1, 2]})
    _, rows = seal_and_read(
        table,
        tmp_path,
        columns=("ward", "cost"),
        normalisation={"ward": "trim-lower"},
        sort=("ward",),
    )
    assert rows == [("a", 2), ("b", 1)]


def test_a_column_to_sort_by_must_be_there(tmp_path):
    with pytest.raises(MalformedError, match="^column nobody: to sort by") as refused:
        seal_and_read(encounters(10), tmp_path, sort=("nobody",))
    assert refused.value.code == "vault.sort"


def test_another_order_does_not_continue_an_interrupted_sealing(tmp_path):
    sealed, _ = seal_and_read(encounters(9000), tmp_path, sort=("cost",))
    (tmp_path / "parts" / sealed.parts[-1].file.partition("/")[2]).unlink()
    with pytest.raises(CleanroomError):
        seal_and_read(encounters(9000), tmp_path, sort=("ward",))
    again, rows = seal_and_read(encounters(9000), tmp_path, sort=("cost",))
    assert again.parts[0] == sealed.parts[0]
    assert rows == sorted(expected(encounters(9000)), key=lambda row: row[2])


@pytest.mark.parametrize(("wanted", "found"), [(100, 2048), (5000, 4096)])
def test_row_groups_are_as_large_as_asked(tmp_path, wanted, found):
    cut = replace(SMALL, group_rows=wanted, groups_in_part=100)
    sealed, _ = seal_and_read(encounters(10_000), tmp_path, cut=cut)
    with readers(sealed, tmp_path / "parts") as (part,):
        plain = pq.ParquetFile(pa.BufferReader(part.read_at(0, part.size)))
    assert plain.metadata.row_group(0).num_rows == found


def test_odd_values_come_back_as_they_were(tmp_path):
    berlin = dt.timezone(dt.timedelta(hours=2))
    table = pa.table(
        {
            "long": ["x" * 300_000, None, ""],
            "wide": pa.array([Decimal("1e30"), None, Decimal(-1)], pa.decimal128(38, 6)),
            "zoned": pa.array(
                [dt.datetime(2024, 7, 1, 12, tzinfo=berlin), None, None],
                pa.timestamp("us", "Europe/Berlin"),
            ),
            "nothing": pa.nulls(3, pa.string()),
            "words": ["\N{SNOWMAN}", 'a"b', "line\nbreak"],
        }
    )
    names = tuple(table.column_names)
    _, rows = seal_and_read(table, tmp_path, columns=names)
    assert rows[0][0] == "x" * 300_000
    assert [row[1] for row in rows] == [Decimal("1e30"), None, Decimal(-1)]
    assert rows[0][2] == dt.datetime(2024, 7, 1, 10)  # noqa: DTZ001 - sealed times are UTC
    assert [row[3] for row in rows] == [None] * 3
    assert [row[4] for row in rows] == ["\N{SNOWMAN}", 'a"b', "line\nbreak"]


@pytest.mark.parametrize(
    "values",
    [
        [[1]],
        [{"a": 1}],
        [b"x"],
        [dt.time(1)],
        [dt.timedelta(1)],
        pa.array([Decimal(1)], pa.decimal256(40, 0)),
    ],
)
def test_a_type_that_parts_do_not_hold_is_refused_by_its_column(tmp_path, values):
    table = pa.table({"keep": [1], "odd": values})
    with pytest.raises(CleanroomError, match="^(column odd|source): ") as refused:
        seal_and_read(table, tmp_path, columns=("keep", "odd"))
    assert refused.value.hint


def test_two_thousand_columns_are_sealed_and_read(tmp_path):
    names = tuple(f"c{number}" for number in range(2000))
    table = pa.table({name: [number, None] for number, name in enumerate(names)})
    sealed, rows = seal_and_read(table, tmp_path, columns=names)
    assert len(sealed.columns) == 2000
    assert rows == [tuple(range(2000)), (None,) * 2000]


@pytest.mark.slow
@pytest.mark.parametrize("cut", [replace(SMALL, groups_in_part=5), Cut()])
def test_ten_thousand_small_files_are_one_table(tmp_path, cut):
    folder = tmp_path / "visits"
    folder.mkdir()
    pq.write_table(encounters(2), folder / "00000.parquet")
    for number in range(1, 10_000):
        shutil.copy(folder / "00000.parquet", folder / f"{number:05}.parquet")
    _, rows = seal_and_read(folder, tmp_path, cut=cut)
    assert rows == expected(encounters(2)) * 10_000
