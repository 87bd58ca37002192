# SPDX-License-Identifier: Apache-2.0
"""Tables of a PostgreSQL server: one snapshot, every value as it is, and nothing told in errors."""

import builtins
import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest

from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.vault import postgresql_table
from cleanroom.vault.postgresql_table import PostgresqlTable, open_server
from cleanroom.vault.rows import SLICE
from cleanroom.vault.seal import seal_dataset
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from tests.support.postgresql import running_server
from tests.support.sealed_tables import order, seal_and_read

psycopg = pytest.importorskip("psycopg")

SECRET = "Zzyzx-do-not-disclose"
TABLES = """
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE DOMAIN euros AS numeric(10,2);
    CREATE TABLE encounters (
        n bigint, t text, b boolean, f double precision, d date, s timestamp, z timestamptz,
        m mood, e euros, c character varying(9));
    INSERT INTO encounters VALUES
        (9007199254740993, '', true, 0.1, '2024-02-29', '2024-01-01 12:00:00.5',
            '2024-01-01 12:00:00+02', 'glad', 1.10, 'a'),
        (NULL, 'two' || chr(10) || 'lines, "quoted"', false, 'Infinity',
            NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE SCHEMA other;
    CREATE TABLE other.one (v text);
    INSERT INTO other.one SELECT CASE WHEN i % 2 = 0 THEN i::text END FROM generate_series(1, 9) i;
    CREATE TABLE odd (v integer[], w numeric, x bytea);
    INSERT INTO odd VALUES (ARRAY[1,2], 1.5, '\\x00'), (NULL, 'NaN', NULL);
    CREATE VIEW many AS SELECT repeat(i::text, 50) AS v FROM generate_series(1, 40000) i;
    CREATE TABLE hidden (v text);
    INSERT INTO hidden VALUES ('Zzyzx-do-not-disclose');
    CREATE TABLE guarded (v text);
    INSERT INTO guarded VALUES ('Zzyzx-do-not-disclose');
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE ROLE analyst LOGIN;
    GRANT SELECT ON encounters, guarded TO analyst;
    CREATE TABLE mixed (n int, v text);
    INSERT INTO mixed SELECT i, i::text FROM generate_series(1, 9) i;
    INSERT INTO mixed VALUES (10, 'Zzyzx-do-not-disclose');
    CREATE VIEW stumbles AS SELECT CASE WHEN n < 10 THEN n ELSE v::int END AS v FROM mixed;
"""

END_COPYING = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE 'COPY%'"""


@pytest.fixture(scope="module")
def server():
    with running_server() as opened:
        opened.ask("postgres", TABLES)
        yield opened


@pytest.fixture
def source(server, tmp_path):
    return address(tmp_path, server.url("postgres"))


def address(tmp_path, text, *, mode=0o600):
    path = tmp_path / "visits.server"
    path.touch(mode=mode)
    path.write_text(f"{text}\n", "utf-8")
    return path


def test_every_value_of_a_server_is_sealed_as_it_is(source, tmp_path):
    sealed, rows = seal_and_read(source, tmp_path, columns=tuple("ntbfdszmec"))
    kinds = "integer string boolean double date timestamp timestamp string decimal(10,2) string"
    assert [kind for _, kind in sealed.columns] == kinds.split()
    noon = dt.datetime.fromisoformat("2024-01-01T12:00:00.5")
    first = (
        2**53 + 1,
        "",
        True,
        0.1,
        dt.date(2024, 2, 29),
        noon,
        noon.replace(hour=10, microsecond=0),
    )
    assert rows[0] == (*first, "glad", Decimal("1.10"), "a")
    assert rows[1] == (None, 'two\nlines, "quoted"', False, float("inf"), *[None] * 6)


def test_what_parts_do_not_hold_is_named_and_sealed_as_its_owner_says(source, tmp_path):
    with pytest.raises(MalformedError, match="^column v: parts hold no values of its type"):
        seal_and_read(source, tmp_path, columns=tuple("vwx"), table="odd")
    stated = {"v": "string", "w": "double", "x": "string"}
    _, rows = seal_and_read(source, tmp_path, columns=tuple("vwx"), table="odd", types=stated)
    assert rows[0] == ("{1,2}", 1.5, "\\x00")


def test_a_stream_is_of_one_snapshot_and_begins_at_any_row(server, source, monkeypatch):
    # Read here and not by threads of the engine; blocks of one row.
    monkeypatch.setattr(postgresql_table, "_BLOCK_BYTES", 1)
    found = []
    engine = SimpleNamespace(register=lambda _, reader: found.append(reader.read_all()))
    table = PostgresqlTable(open_server(source), engine, table="other.one")
    before = table.fingerprint()
    server.ask("postgres", "INSERT INTO other.one VALUES ('later')")
    assert table.everything == table.slice(7, 2) == SLICE
    whole, some = (piece.to_pydict()["v"] for piece in found)
    assert whole == [None, "2", None, "4", None, "6", None, "8", None]
    assert some == whole[7:]
    assert table.measure(stated=()).rows == 9
    assert table.fingerprint() == before
    later = PostgresqlTable(open_server(source), engine, table="other.one")
    assert (later.measure(stated=()).rows, later.fingerprint() != before) == (10, True)


@pytest.mark.parametrize("block_bytes", [1, 700, 1 << 20])
def test_rows_are_the_same_in_blocks_of_any_size(source, monkeypatch, block_bytes):
    # One row, some rows and all rows a block; read here as well.
    monkeypatch.setattr(postgresql_table, "_BLOCK_BYTES", block_bytes)
    found = []
    engine = SimpleNamespace(register=lambda _, reader: found.append(reader.read_all()))
    table = PostgresqlTable(open_server(source), engine, table="many")
    assert table.slice(39_993, 7) == SLICE
    assert found[0].to_pydict()["v"] == [f"{row}" * 50 for row in range(39_994, 40_001)]


def test_a_stream_that_the_server_ends_has_fewer_rows_than_it_said(server, source):
    # Whoever seals compares their number.
    found = []
    engine = SimpleNamespace(register=lambda _, reader: found.append(reader))
    table = PostgresqlTable(open_server(source), engine, table="many")
    assert table.slice(0, 40_000) == SLICE
    rows = [found[0].read_next_batch().num_rows]
    assert server.ask("postgres", END_COPYING) == [(True,)]
    rows += [batch.num_rows for batch in found[0]]
    assert sum(rows) < table.measure(stated=()).rows == 40_000
    with pytest.raises(UnavailableError, match="^source: the connection .* broke") as told:
        table.fingerprint()
    assert (told.value.code, told.value.__context__) == ("vault.server-lost", None)


def test_a_connection_that_breaks_is_said_and_sealing_goes_on_later(server, source, tmp_path):
    def cut(done, _total):
        # The server ends the stream after the first part, as its restart would.
        if done <= 4096:
            assert server.ask("postgres", END_COPYING) == [(True,)]

    wanted, parts = order(columns=("v",), table="many"), tmp_path / "parts"
    with pytest.raises(UnavailableError) as told:
        seal_dataset(source, destination=parts, order=wanted, progress=cut)
    assert told.value.code == "vault.server-lost"
    assert "data seal --restart" in told.value.hint
    assert not list(parts.glob(".*.tmp"))
    assert 1 <= len(list(parts.glob("1-*.part"))) < 10
    sealed, rows = seal_and_read(source, tmp_path, columns=("v",), table="many")
    assert (len(sealed.parts), len(rows)) == (10, 40_000)


def test_a_statement_that_fails_midway_is_no_lost_connection(server, source):
    # The value that a cast stumbles over is in the server's words, and in none of ours.
    found = []
    engine = SimpleNamespace(register=lambda _, reader: found.append(reader))
    table = PostgresqlTable(open_server(source), engine, table="stumbles")
    table.slice(0, 9)
    assert sum(batch.num_rows for batch in found[0]) < 9
    with pytest.raises(UnavailableError) as told:
        table.fingerprint()
    assert told.value.code == "vault.server"
    assert SECRET not in repr(told.value)
    assert told.value.__context__ is None


@pytest.mark.parametrize("table", ["absent", "hidden", "guarded"])
def test_a_table_that_cannot_be_read_whole_is_refused_without_a_value(server, tmp_path, table):
    path = address(tmp_path, server.url("postgres").replace("//cleanroom@", "//analyst@"))
    with pytest.raises(CleanroomError) as refused, sealing_session() as connection:
        open_source(path, connection, table=table)
    assert refused.value.code == ("vault.table" if table == "absent" else "vault.server")
    assert SECRET not in repr(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        ("postgresql://two words", 0o600, "vault.server-address"),
        ("postgresql://", 0o600, "vault.server-address"),
        (f"postgresql://a:{SECRET}@localhost/x", 0o644, "vault.server-password"),
        ("postgresql://a@db.example/x?sslmode=require", 0o600, "vault.server-tls"),
        ("postgresql://a@localhost,db.example/x?sslmode=disable", 0o600, "vault.server-tls"),
        ("postgresql://a@localhost/x?sslmode=disable&hostaddr=10.0.0.1", 0o600, "vault.server-tls"),
        ("postgresql:///x?sslmode=disable", 0o600, "vault.server-tls"),
        (f"postgresql://a:{SECRET}@/x?host=/nowhere", 0o600, "vault.server"),
        ("postgresql://a@/x?host=/nowhere&sslmode=disable", 0o644, "vault.server"),
    ],
)
def test_an_address_that_weakens_anything_is_refused(tmp_path, text, mode, code):
    path = address(tmp_path, text, mode=mode)
    path.chmod(mode)
    with pytest.raises(CleanroomError) as refused, sealing_session() as connection:
        open_source(path, connection, table="x")
    assert refused.value.code == code
    assert SECRET not in repr(refused.value)
    assert refused.value.__context__ is None


def test_over_a_network_the_server_proves_its_name(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(psycopg, "connect", lambda **said: asked.append(said))
    open_server(address(tmp_path, "postgresql://a@db.example/x"))()
    open_server(address(tmp_path, "postgresql://a@db.example/x?sslrootcert=/ca.pem"))()
    assert [(said["sslmode"], said["sslrootcert"]) for said in asked] == [
        ("verify-full", "system"),
        ("verify-full", "/ca.pem"),
    ]


def test_a_driver_that_is_absent_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "psycopg":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnavailableError) as refused:
        open_server(address(tmp_path, "postgresql://a@db.example/x"))
    assert refused.value.code == "vault.library-absent"
    assert refused.value.hint == "pip install 'cleanroom[postgresql]'"
