# SPDX-License-Identifier: Apache-2.0
"""Delta and Iceberg tables: rows that left the table are not sealed with it."""

import builtins
import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.vault.rows import SLICE
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from cleanroom.vault.table_formats import SnapshotTable, open_delta, open_iceberg
from tests.support.sealed_tables import COLUMNS, encounters, seal_and_read

deltalake = pytest.importorskip("deltalake")
catalogs = pytest.importorskip("pyiceberg.catalog.memory")

FIRST, SECOND = encounters(3000), encounters(5)
LEFT = "cost = 17"  # the second row of both


def delta(folder, *, partitions=None):
    """A Delta table that was written twice, and some of whose rows were deleted since."""
    deltalake.write_deltalake(folder, FIRST, partition_by=partitions)
    deltalake.write_deltalake(folder, SECOND, mode="append")
    deltalake.DeltaTable(folder).delete(LEFT)
    return folder


def iceberg(folder):
    """The same as an Iceberg table; gives its current metadata file."""
    catalog = catalogs.InMemoryCatalog("here", warehouse=folder.as_uri())
    catalog.create_namespace("n")
    table = catalog.create_table("n.visits", schema=FIRST.schema)
    table.append(FIRST)
    table.append(SECOND)
    table.delete(LEFT)
    return folder.joinpath(*table.metadata_location.removeprefix(folder.as_uri()).split("/"))


def kept():
    rows = [tuple(row.values()) for table in (FIRST, SECOND) for row in table.to_pylist()]
    return sorted(row for row in rows if row[2] != 17)


@pytest.mark.parametrize("write", [delta, iceberg])
def test_the_rows_of_the_table_are_sealed_and_no_others(tmp_path, write):
    source = write(tmp_path / "visits")
    sealed, rows = seal_and_read(source, tmp_path)
    assert sorted(rows) == kept()
    assert dict(sealed.columns) == dict.fromkeys(COLUMNS[:2], "string") | {"cost": "integer"}
    assert len(sealed.parts) == 1


def test_partitions_of_a_delta_table_are_columns(tmp_path):
    source = delta(tmp_path / "visits", partitions=["ward"])
    _, rows = seal_and_read(source, tmp_path)
    assert sorted(rows) == kept()


@pytest.mark.parametrize(("write", "read"), [(delta, open_delta), (iceberg, open_iceberg)])
def test_a_stream_begins_at_any_row(tmp_path, write, read):
    # Read here and not by threads of the engine.
    snapshot = read(write(tmp_path / "visits"))
    with sealing_session() as connection:
        table = SnapshotTable(snapshot, connection)
        engine = SimpleNamespace(register=lambda _, reader: found.append(reader.read_all()))
        found = []
        table._connection = engine  # noqa: SLF001 - what reads instead
        table._stream._connection = engine  # noqa: SLF001
        assert table.everything == table.slice(2990, 20) == SLICE
    whole, some = (piece.to_pylist() for piece in found)
    assert len(whole) == snapshot.rows == len(kept())
    assert some == whole[2990:]


def test_a_new_version_of_a_delta_table_changes_its_fingerprint(tmp_path):
    folder = delta(tmp_path / "visits")
    assert_changes(folder, folder, lambda: deltalake.write_deltalake(folder, SECOND, mode="append"))


def test_another_version_of_an_iceberg_table_has_another_fingerprint(tmp_path):
    current = iceberg(tmp_path / "visits")
    earlier = min(current.parent.glob("*.metadata.json"))
    assert_changes(current, earlier, lambda: None)


def assert_changes(before, after, change):
    with sealing_session() as connection:
        first = open_source(before, connection, table="x").fingerprint()
        assert open_source(before, connection, table="x").fingerprint() == first
        change()
        assert open_source(after, connection, table="x").fingerprint() != first


def test_a_data_file_that_is_gone_makes_the_table_unavailable(tmp_path):
    folder = delta(tmp_path / "visits")
    with sealing_session() as connection:
        source = open_source(folder, connection, table="x")
        for path in folder.rglob("*.parquet"):
            path.unlink()
        for look in (source.fingerprint, lambda: source.measure(stated=())):
            with pytest.raises(UnavailableError, match="^source: cannot be read"):
                look()


def test_deletion_vectors_are_refused(tmp_path):
    folder = tmp_path / "visits"
    wanted = {"delta.enableDeletionVectors": "true"}
    deltalake.write_deltalake(folder, SECOND, configuration=wanted)
    with pytest.raises(MalformedError, match="^source: not a table of Delta") as refused:
        seal_and_read(folder, tmp_path)
    assert refused.value.code == "vault.table-format"
    assert refused.value.__context__ is None


def test_an_iceberg_table_elsewhere_is_refused_before_anything_is_fetched(tmp_path):
    metadata = iceberg(tmp_path / "visits")
    changed = json.loads(metadata.read_text())
    for snapshot in changed["snapshots"]:
        snapshot["manifest-list"] = "s3://bucket/list.avro"
    # A table's own words must not choose who opens its files either.
    changed["properties"]["py-io-impl"] = "builtins.dict"
    metadata.write_text(json.dumps(changed))
    with pytest.raises(MalformedError, match="whose files are not on this machine") as refused:
        seal_and_read(metadata, tmp_path)
    assert refused.value.code == "vault.table-elsewhere"


@pytest.mark.parametrize("inside", ["_delta_log/0.json", "metadata/1.metadata.json"])
def test_a_folder_around_a_table_is_refused(tmp_path, inside):
    folder = tmp_path / "outer"
    path = folder / "table" / inside
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    pq.write_table(SECOND, folder / "table" / "1.parquet")
    with pytest.raises(MalformedError) as refused:
        seal_and_read(folder, tmp_path)
    assert refused.value.code == "vault.table-format"


@pytest.mark.parametrize("read", [open_delta, open_iceberg])
def test_without_its_library_a_table_is_not_read(tmp_path, monkeypatch, read):
    found = builtins.__import__

    def absent(name, *rest, **more):
        if name.split(".")[0] in {"deltalake", "pyiceberg"}:
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UnavailableError) as refused:
        read(tmp_path)
    assert refused.value.code == "vault.library-absent"
    assert "pip install 'cleanroom[" in refused.value.hint


def test_types_of_the_formats_are_the_engines(tmp_path):
    table = pa.table({"s": ["x"], "b": [True], "d": pa.array([1], pa.date32())})
    deltalake.write_deltalake(tmp_path / "t", table)
    with sealing_session() as connection:
        source = open_source(tmp_path / "t", connection, table="t")
        assert source.columns == (("s", "VARCHAR"), ("b", "BOOLEAN"), ("d", "DATE"))
        assert source.measure(stated=()).rows == 1


@pytest.mark.parametrize("words", ["", "{}", "not JSON", '{"format-version": 9}'])
def test_metadata_of_no_iceberg_table_are_refused(tmp_path, words):
    path = tmp_path / "1.metadata.json"
    path.write_text(words)
    with pytest.raises(MalformedError, match="^source: not a table of Iceberg") as refused:
        seal_and_read(path, tmp_path)
    assert refused.value.__context__ is None
