# SPDX-License-Identifier: Apache-2.0
"""Tables of a PostgreSQL server: the rows of one snapshot, as the server writes their text.

A server's table changes while it is read. Columns, the number of rows and every stream of
rows are asked within one snapshot, each stream on a connection of its own. Rows come
through COPY, a few megabytes at a time, and none is kept.
"""

from __future__ import annotations

import re
import stat
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import pyarrow as pa
from pyarrow import csv

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import KIB, MIB
from cleanroom.kernel.postgresql_refusal import refusal_to_connect
from cleanroom.vault.columns import quoted
from cleanroom.vault.rows import BATCH_ROWS, SLICE, Extent, RowStream

if TYPE_CHECKING:
    from psycopg import Connection

ADDRESS_BEGINS = (b"postgresql://", b"postgres://")
MAX_ADDRESS_BYTES = 4 * KIB
_BLOCK_BYTES = 4 * MIB
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TLS = "verify-full"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})

# Nothing is written, a value has one text, and rows have one order; a policy that would
# hide rows from this user is an error instead of a smaller table.
_BEGIN = (
    "SET client_encoding = 'UTF8'",
    "SET DateStyle = 'ISO'",
    "SET IntervalStyle = 'iso_8601'",
    "SET TimeZone = 'UTC'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET row_security = off",
    "SET synchronize_seqscans = off",
    "SET max_parallel_workers_per_gather = 0",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
)
_SNAPSHOT = """
    SELECT pg_export_snapshot(), txid_current_snapshot()::text, pg_postmaster_start_time()::text"""
_TABLE = """
    SELECT c.oid::bigint, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        pg_table_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
_COLUMNS = """
    SELECT a.attname, CASE t.typtype WHEN 'e' THEN 'enum'
        WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
        ELSE format_type(a.atttypid, a.atttypmod) END
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

_TYPES = {
    "boolean": "boolean",
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("real", "double precision"), "double"),
    "date": "date",
    **dict.fromkeys(("text", "name", "citext", "uuid", "json", "jsonb", "enum"), "string"),
}
_FORMS = (
    (re.compile(r"(?:character|character varying)(?:\(\d+\))?"), "string"),
    (re.compile(r"timestamp(?:\(\d\))? with(?:out)? time zone"), "timestamp"),
)
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_MOST_DIGITS = 38
_LEAST_ROW_BYTES = 64
_Result = TypeVar("_Result")
Connect = Callable[[], "Connection[Any]"]


def open_server(path: Path) -> Connect:
    """Return what connects to the server whose address a file holds.

    An address lies in a file so that no list of processes and no history of a shell shows
    it. Over a network the server proves its name; passwords may stay in a file of libpq.

    Raises:
        UnavailableError: The driver is not installed.
        RefusedError: It weakens TLS, or holds a password that others may read.
        MalformedError: It is not one address.
    """
    try:
        from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnavailableError(
            "source: a PostgreSQL server, whose driver is not installed",
            code="vault.library-absent",
            hint="pip install 'cleanroom[postgresql]'",
        ) from None
    text = read_limited(path, what=path.name, limit=MAX_ADDRESS_BYTES).decode("utf-8", "replace")
    says: dict[str, Any] = {}
    with suppress(ProgrammingError):
        says = conninfo.conninfo_to_dict(text.strip())
    if not says:
        # Outside the handler: the driver's words repeat the address.
        raise MalformedError(
            "source: not one address of a PostgreSQL server",
            code="vault.server-address",
            hint="write one line: postgresql://USER@HOST/DATABASE",
        )
    if "password" in says and path.stat().st_mode & _FOR_OTHERS:
        raise RefusedError(
            "source: an address with a password that others may read",
            code="vault.server-password",
            hint="chmod 600 it, or leave the password to ~/.pgpass or PGPASSFILE",
        )
    return _connecting({**says, **_protection(says)})


def _protection(says: Mapping[str, Any]) -> dict[str, str]:
    if _is_here(says):
        return {}
    if says.get("sslmode", _TLS) != _TLS:
        raise RefusedError(
            f"source: sslmode {_TLS} agreed, another one found",
            code="vault.server-tls",
            hint="over a network the server proves its name; name its authority with sslrootcert",
        )
    # Written out, because libpq's own files and variables may say something else.
    return {"sslmode": _TLS, "sslrootcert": str(says.get("sslrootcert", "system"))}


def _is_here(says: Mapping[str, Any]) -> bool:
    """Tell whether nothing that is said can lead to another machine."""
    hosts = str(says.get("host", "")).split(",")
    is_named = all(host.startswith("/") or host in _HERE for host in hosts)
    return is_named and not says.keys() & {"hostaddr", "service"}


def _connecting(address: Mapping[str, Any]) -> Connect:
    import psycopg  # noqa: PLC0415 - an extra

    def connect() -> Connection[Any]:
        failed: psycopg.Error | None = None
        try:
            return psycopg.connect(**address, autocommit=True)
        except psycopg.Error as error:
            failed = error
        # Outside the handler: the driver's words hold the address.
        raise refusal_to_connect(failed, subject="source", area="vault.server") or _unread()

    return connect


def _told(ask: Callable[[], _Result]) -> _Result:
    import psycopg  # noqa: PLC0415 - an extra

    try:
        return ask()
    except psycopg.Error:
        pass
    # Outside the handler: the server's words may hold a value.
    raise _unread()


def _unread() -> UnavailableError:
    return UnavailableError(
        "source: the PostgreSQL server does not answer, or does not let us read the table",
        code="vault.server",
        hint="try psql with the same address; PGPASSFILE may hold the password, and a table with "
        "row security needs a role that sees all of it",
    )


def _broken() -> UnavailableError:
    return UnavailableError(
        "source: the connection to the PostgreSQL server broke while it was being read",
        code="vault.server-lost",
        hint="run the command again, finished parts are kept; if the server was started anew or "
        "written to meanwhile: cleanroom data seal --restart",
    )


class PostgresqlTable:
    """A table or view; slices come from one stream of one snapshot."""

    def __init__(
        self, connect: Connect, connection: duckdb.DuckDBPyConnection, *, table: str
    ) -> None:
        """Begin the snapshot, and learn columns and number of rows.

        Raises:
            UnavailableError: The server does not answer, or does not let this user read.
            MalformedError: There is no such table.
        """
        self._connect = connect
        self._connection = connection
        self._failure: UnavailableError | None = None
        session = connect()
        # It holds the snapshot for streams that are still to begin.
        weakref.finalize(self, session.close)
        for statement in _BEGIN:
            _ask(session, statement)
        self._snapshot, *state = _ask(session, _SNAPSHOT)[0]
        found = _ask(session, _TABLE, table)
        if not found:
            raise MalformedError(
                "source: a database without a table of the name of the dataset's table",
                code="vault.table",
                hint="name it with --table, for example --table schema.visits",
            )
        oid, self._name, self._size = found[0]
        columns = _ask(session, _COLUMNS, oid)
        self._types = {name: _type_of(kind) for name, kind in columns}
        # What parts do not hold keeps its name, so that its owner says what becomes of it.
        self.columns = tuple(
            (name, "VARCHAR" if self._types[name] else _said(kind)) for name, kind in columns
        )
        self._rows = int(_ask(session, f"SELECT count(*) FROM {self._name}")[0][0])  # noqa: S608
        self._state = Digest.of(repr((session.info.dsn, oid, self._name, *state)).encode())
        self._stream = RowStream(connection, self._open_at)

    @property
    def everything(self) -> str:
        """Register all rows as a stream that can be read once."""
        self._connection.register(SLICE, self._open_at(0))
        return SLICE

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Tell what the server said."""
        row_bytes = max(self._size / max(self._rows, 1), _LEAST_ROW_BYTES)
        types = {name: kind for name, kind in self._types.items() if kind}
        return Extent(rows=self._rows, row_bytes=row_bytes, types=types)

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the table by the state of the server: any transaction that writes makes another.

        Raises:
            UnavailableError: Rows broke off meanwhile.
        """
        if self._failure is not None:
            raise self._failure
        return {"snapshot": self._state.hex}

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream; at a jump the server passes over rows."""
        return self._stream.slice(start, count)

    def _open_at(self, start: int) -> pa.RecordBatchReader:
        names = [name for name, _ in self.columns]
        schema = pa.schema([(name, pa.string()) for name in names])
        return pa.RecordBatchReader.from_batches(schema, self._read(start, names))

    def _read(self, start: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(quoted(name) for name in names)
        copy = (
            f"COPY (SELECT {listed} FROM {self._name} OFFSET {start}) "  # noqa: S608 - quoted
            "TO STDOUT (FORMAT csv)"
        )
        import psycopg  # noqa: PLC0415 - an extra

        # A stream that breaks is a short one: whoever seals compares the number of rows, then
        # asks what happened. What the driver says of it could hold a value.
        try:
            yield from self._copied(copy, names)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._failure = _broken()
        except (psycopg.Error, UnavailableError):
            self._failure = _unread()

    def _copied(self, copy: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with closing(self._connect()) as session:
            for statement in (*_BEGIN, f"SET TRANSACTION SNAPSHOT '{self._snapshot}'"):
                _ask(session, statement)
            with session.cursor().copy(copy) as rows:
                for block in _blocks(rows):
                    yield from _parse(block, names)


def _ask(session: Connection[Any], sql: str, *values: object) -> list[tuple[Any, ...]]:
    def ask() -> list[tuple[Any, ...]]:
        cursor = session.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []

    return _told(ask)


def _blocks(rows: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Gather messages, each of which is a row (PostgreSQL, message flow of COPY)."""
    waiting, size = [], 0
    for row in rows:
        waiting.append(bytes(row))
        size += len(row)
        if size >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _parse(block: bytes, names: Sequence[str]) -> list[pa.RecordBatch]:
    # The server writes NULL as nothing and an empty text in quotes.
    table = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(
            column_names=list(names), use_threads=False, block_size=len(block) + 1
        ),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return list(table.to_batches(BATCH_ROWS))


def _type_of(kind: str) -> str:
    """Return the type that holds every value of a server's type; empty if there is none."""
    numeric = _NUMERIC.fullmatch(kind)
    if numeric and int(numeric[1]) <= _MOST_DIGITS:
        return f"decimal({numeric[1]},{numeric[2]})"
    formed = (sealed for form, sealed in _FORMS if form.fullmatch(kind))
    return _TYPES.get(kind) or next(formed, "")


def _said(kind: str) -> str:
    return "POSTGRESQL " + kind.upper().replace("[]", " ARRAY")
