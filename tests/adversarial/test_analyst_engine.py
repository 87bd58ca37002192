# SPDX-License-Identifier: Apache-2.0
"""An analyst gets SQL past the gate and tries the engine itself (T-10, T-11).

Every line is one ability that the lockdown takes away. The control below each
group runs the same statement in an engine without lockdown, so a statement that
merely has a mistake cannot pass for a refusal.
"""

import os
from pathlib import Path

import duckdb
import pytest

from cleanroom.engine.lockdown import expose_and_lock, open_engine, sealed_paths
from cleanroom.engine.query import run_query
from cleanroom.engine.sealed_files import SealedFiles
from cleanroom.errors import QueryFailedError
from tests.support import sealed_tables
from tests.support.sealed_tables import LIMITS, encounters, query, readers, view

THREATS = ("T-10", "T-11")
python_variable = encounters(3)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def sealed(directory):
    return sealed_tables.seal(encounters(10_000), destination=directory)


@pytest.fixture
def parts(sealed, directory):
    with readers(sealed, directory) as opened:
        yield opened


@pytest.fixture
def files(tmp_path):
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "notes.json").write_text('[{"a": 1}]')
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/plain.parquet'")
        connection.execute(f"ATTACH '{tmp_path}/other.db' AS other; CREATE TABLE other.t(a INT)")
    return tmp_path


@pytest.fixture
def locked(parts):
    views = [view(parts)]
    sealed_files = SealedFiles(sealed_paths(views))
    with open_engine(memory_mib=256, threads=2) as engine:
        expose_and_lock(engine, views, sealed_files)
        yield engine


READS = [
    "SELECT content FROM read_text('{files}/notes.csv')",
    "SELECT content FROM read_blob('{files}/notes.csv')",
    "SELECT * FROM read_csv('{files}/notes.csv')",
    "SELECT * FROM read_json('{files}/notes.json')",
    "SELECT * FROM read_parquet('{files}/plain.parquet')",
    "SELECT * FROM parquet_metadata('{files}/plain.parquet')",
    "SELECT * FROM parquet_schema('{files}/plain.parquet')",
    "SELECT * FROM sniff_csv('{files}/notes.csv')",
    "SELECT * FROM '{files}/plain.parquet'",
    "SELECT * FROM '{files}/notes.csv'",
]


@pytest.mark.parametrize("sql", READS)
def test_no_file_of_the_machine_can_be_read(parts, files, sql):
    statement = sql.format(files=files)
    with duckdb.connect() as control:
        assert control.execute(statement).fetchall()
    with pytest.raises(QueryFailedError) as refused:
        query(statement, parts)
    assert refused.value.code == "engine.failed"


def test_a_glob_lists_nothing(parts, files):
    listing = f"FROM glob('{files}/*')"
    with duckdb.connect() as control:
        assert control.execute(listing).fetchall()
    try:
        rows = query(listing, parts).rows
    except QueryFailedError:
        rows = []
    assert rows == []


@pytest.mark.parametrize("name", ["/etc/passwd", "/proc/self/environ", "/proc/self/maps"])
def test_nothing_of_the_process_can_be_read(parts, name):
    with pytest.raises(QueryFailedError):
        query(f"FROM read_text('{name}')", parts)


def test_only_the_parts_of_this_query_can_be_read(parts, sealed, directory):
    own, other = parts[:1], parts[1:]
    views = [view(own)]
    everything = SealedFiles(sealed_paths([view(own), view(other)]))
    with open_engine(memory_mib=256, threads=2) as engine:
        expose_and_lock(engine, views, everything)
        assert engine.execute("FROM read_parquet('sealed://0/0') LIMIT 1").fetchall()
        # The file system knows this part; the engine may not ask for it.
        for path in ("sealed://1/0", "sealed://1/*", "sealed://*/*", "sealed://0/../1/0"):
            with pytest.raises(duckdb.Error):
                engine.execute(f"FROM read_parquet('{path}')").fetchall()


OTHER_STATEMENTS = [
    "COPY (SELECT 1) TO '{files}/out.csv'",
    "COPY (SELECT 1) TO 'sealed://0/0' (FORMAT parquet)",
    "EXPORT DATABASE '{files}/out'",
    "ATTACH '{files}/other.db' AS other",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET disabled_filesystems",
    "SET lock_configuration = false",
    "PRAGMA enable_profiling",
    "SET VARIABLE x = 1",
    "CREATE SECRET (TYPE s3)",
    "CREATE TABLE t AS FROM hospital.encounters",
    "CREATE MACRO m() AS 1",
    "CREATE TRIGGER x BEFORE INSERT ON hospital.encounters FOR EACH ROW SELECT 1",
    "INSERT INTO hospital.encounters VALUES (1)",
    "DROP VIEW hospital.encounters",
    "EXPLAIN ANALYZE SELECT * FROM hospital.encounters",
    "CALL pragma_version()",
    "CHECKPOINT",
    "USE hospital",
    "BEGIN",
    "VACUUM",
]


@pytest.mark.parametrize("sql", OTHER_STATEMENTS)
def test_only_a_select_is_run(parts, files, sql):
    before = sorted(path.name for path in files.iterdir())
    with pytest.raises(QueryFailedError):
        query(sql.format(files=files), parts)
    assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{files}/out.csv'",
        "COPY (SELECT 1) TO 'sealed://0/0' (FORMAT parquet)",
        "EXPORT DATABASE '{files}/out'",
        "ATTACH '{files}/other.db' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "RESET disabled_filesystems",
        "SET disabled_filesystems = ''",
        "SET allowed_paths = ['/etc/passwd']",
        "SET lock_configuration = false",
        "SET temp_directory = '{files}'",
        "SET python_enable_replacements = true",
        "SET python_scan_all_frames = true",
        "FROM read_text('/etc/passwd')",
    ],
)
def test_the_locked_engine_itself_refuses_what_the_statement_check_would(locked, files, sql):
    """Two locks: this one holds even if a statement got past the check for SELECT."""
    with pytest.raises(duckdb.Error):
        locked.execute(sql.format(files=files)).fetchall()
    assert not (files / "out.csv").exists()
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM python_variable",
        "SELECT * FROM parts",
        "SELECT * FROM query('SELECT * FROM python_variable')",
        "SELECT * FROM query_table('python_variable')",
        "SELECT getenv('HOME')",
        "SELECT * FROM duckdb_secrets(redact := false)",
        "SELECT json_execute_serialized_sql(json_serialize_sql('COPY (SELECT 1) TO ''x.csv'''))",
        "SELECT * FROM query('COPY (SELECT 1) TO ''x.csv''')",
        "SELECT write_log('x', log_type := 'y') FROM hospital.nothing",
    ],
)
def test_neither_variables_nor_the_environment_nor_secrets_are_seen(parts, sql):
    try:
        rows = query(sql, parts).rows
    except QueryFailedError:
        rows = []
    assert rows == []
    assert not Path("x.csv").exists()


def test_a_variable_would_be_seen_without_the_lock():
    with duckdb.connect() as control:
        assert len(control.execute("SELECT * FROM python_variable").fetchall()) == 3


def test_no_plaintext_is_spilled(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sql = (
        "SELECT count(*) FROM (SELECT a.patient_id || b.patient_id AS x FROM hospital.encounters a,"
        " hospital.encounters b ORDER BY x)"
    )
    with pytest.raises(QueryFailedError):
        query(sql, parts, limits=sealed_tables.Limits(memory_mib=64, seconds=5, rows=1, threads=2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(patient_id AS INTEGER) FROM hospital.encounters",
        "SELECT error(patient_id) FROM hospital.encounters",
        "SELECT strptime(patient_id, '%Y') FROM hospital.encounters",
        "SELECT patient_id::ENUM('x') FROM hospital.encounters",
        "SELECT json_extract(patient_id, '$.a') FROM hospital.encounters",
        "SELECT cost::TINYINT FROM hospital.encounters",
        "SELECT 1 // (cost - cost) FROM hospital.encounters",
        "SELECT CASE WHEN patient_id = 'P00042' THEN error('yes') END FROM hospital.encounters",
    ],
)
def test_an_error_says_nothing_about_any_row(parts, sql):
    """T-11: the engine's own message would quote a cell that the analyst chose."""
    with duckdb.connect() as control:
        control.execute("CREATE SCHEMA hospital")
        control.register("plain", encounters(10_000))
        control.execute("CREATE VIEW hospital.encounters AS FROM plain")
        with pytest.raises(duckdb.Error):
            control.execute(sql).fetchall()
    with pytest.raises(QueryFailedError) as refused:
        query(sql, parts)
    text = f"{refused.value!r} {refused.value.hint} {refused.value.__context__!r}"
    assert "P0" not in text
    assert (refused.value.code, str(refused.value)) == (
        "engine.failed",
        "engine: the query did not complete",
    )


def test_the_environment_is_the_same_afterwards(parts):
    before = dict(os.environ)
    run_query(views=[view(parts)], sql="SELECT 1", parameters={}, limits=LIMITS)
    assert dict(os.environ) == before
