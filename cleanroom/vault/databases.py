# SPDX-License-Identifier: Apache-2.0
"""Tables of database files: DuckDB's, and SQLite's through Python's own library.

A database is opened for reading only. SQLite gives every value a type of its own, so the
type of a column is found in all of its values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.vault.columns import literal, quoted
from cleanroom.vault.rows import BATCH_ROWS, SLICE, Extent, RowStream, file_fingerprint
from cleanroom.vault.session import fetch

DUCKDB_MAGIC, DUCKDB_MAGIC_AT = b"DUCK", 8
SQLITE_MAGIC = b"SQLite format 3\0"
_ATTACHED = "cleanroom_source"
_ASKED_COLUMNS = 300  # SQLite gives at most 2,000 values a row
_EXACT = 2**53  # integers beyond do not survive a double
_TYPES = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "VARCHAR": pa.string()}


class DuckDbTable:
    """A table of a DuckDB database; slices are ranges of row ids."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection, *, table: str) -> None:
        """Attach the database and find the table."""
        self._path = path
        self._connection = connection
        fetch(connection, f"ATTACH {literal(str(path))} AS {_ATTACHED} (READ_ONLY)")
        query = (
            "SELECT schema_name FROM duckdb_tables() "  # noqa: S608 - quoted
            f"WHERE database_name = '{_ATTACHED}' AND table_name = {literal(table)}"
        )
        schemas = fetch(connection, query)
        _require_table(len(schemas))
        self.everything = f"{_ATTACHED}.{quoted(schemas[0][0])}.{quoted(table)}"
        described = fetch(connection, f"DESCRIBE {self.everything}")
        self.columns = tuple((row[0], row[1]) for row in described)
        self._is_dense = False

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Count the rows."""
        query = f"SELECT count(*), coalesce(max(rowid) + 1, 0) FROM {self.everything}"  # noqa: S608
        rows, ids = fetch(self._connection, query)[0]
        self._is_dense = rows == ids
        return Extent(rows=rows, row_bytes=self._path.stat().st_size / max(rows, 1), types={})

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the database by its identity on disk."""
        return file_fingerprint(self._path)

    def slice(self, start: int, count: int) -> str:
        """Give SQL for a range of rows; where rows were deleted, by counting."""
        if not self._is_dense:
            return f"(FROM {self.everything} LIMIT {count} OFFSET {start})"
        return f"(FROM {self.everything} WHERE rowid >= {start} AND rowid < {start + count})"


class SqliteTable:
    """A table of a SQLite database, read by Python's library."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection, *, table: str) -> None:
        """Open the database, find the table, and look at every value for the types."""
        self._path = path
        self._connection = connection
        self._table = quoted(table)
        # The engine asks for rows from any of its threads, one at a time.
        self._database = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        query = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
        _require_table(self._ask(query, table)[0][0])
        names = [row[0] for row in self._ask("SELECT name FROM pragma_table_info(?)", table)]
        self._rows = int(self._ask(f"SELECT count(*) FROM {self._table}")[0][0])  # noqa: S608
        kinds = [kind for block in _blocks(names) for kind in self._kinds(block)]
        self.columns = tuple(zip(names, kinds, strict=True))
        self._stream = RowStream(connection, self._open_at)

    @property
    def everything(self) -> str:
        """Register all rows as a stream that can be read once."""
        self._connection.register(SLICE, self._open_at(0))
        return SLICE

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Tell what was found when the table was opened."""
        size = self._path.stat().st_size / max(self._rows, 1)
        return Extent(rows=self._rows, row_bytes=size, types={})

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the database by its identity on disk, with the log of its last changes."""
        log = self._path.with_name(self._path.name + "-wal")
        found = file_fingerprint(self._path)
        if log.exists():
            found |= {f"log-{name}": value for name, value in file_fingerprint(log).items()}
        return found

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream."""
        return self._stream.slice(start, count)

    def _open_at(self, start: int) -> pa.RecordBatchReader:
        schema = pa.schema([(name, _TYPES[kind]) for name, kind in self.columns])
        return pa.RecordBatchReader.from_batches(schema, self._read(start, schema))

    def _read(self, start: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(quoted(name) for name, _ in self.columns)
        sql = f"SELECT {listed} FROM {self._table} LIMIT -1 OFFSET {start}"  # noqa: S608 - quoted
        rows = self._database.execute(sql)
        while batch := list(islice(rows, BATCH_ROWS)):
            columns = zip(zip(*batch, strict=True), schema.types, strict=True)
            yield pa.record_batch([_as_array(*column) for column in columns], schema=schema)

    def _kinds(self, names: Sequence[str]) -> list[str]:
        asked = ", ".join(
            f"max(typeof({column}) = 'integer'), max(typeof({column}) = 'real'), "
            f"max(typeof({column}) = 'text'), max(typeof({column}) = 'blob'), "
            f"max(typeof({column}) = 'integer' AND NOT {column} BETWEEN {-_EXACT} AND {_EXACT})"
            for column in map(quoted, names)
        )
        found = self._ask(f"SELECT {asked} FROM {self._table}")[0]  # noqa: S608 - quoted
        answers = [found[place : place + 5] for place in range(0, len(found), 5)]
        return [_kind(name, *answer) for name, answer in zip(names, answers, strict=True)]

    def _ask(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        failure: CleanroomError
        try:
            return self._database.execute(sql, values).fetchall()
        except sqlite3.Error:
            failure = MalformedError(
                "source: SQLite cannot read it",
                code="vault.source",
                hint="check it with: sqlite3 FILE 'PRAGMA integrity_check'",
            )
        # Raised outside the handler: SQLite quotes text that it cannot decode.
        raise failure


def _kind(name: str, *found: int | None) -> str:
    integer, real, text, blob, inexact = (bool(answer) for answer in found)
    if blob:
        raise MalformedError(
            f"column {name}: parts hold no bytes",
            code="vault.column-type",
            hint="convert it to text or numbers, or drop it",
        )
    if text or (real and inexact):
        return "VARCHAR"
    return "DOUBLE" if real else "BIGINT" if integer else "VARCHAR"


def _as_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        # The shortest text that gives the same double back.
        values = [
            value if value is None or isinstance(value, str) else repr(value) for value in values
        ]
    return pa.array(values, kind)


def _blocks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for place in range(0, len(names), _ASKED_COLUMNS):
        yield names[place : place + _ASKED_COLUMNS]


def _require_table(found: int) -> None:
    if found != 1:
        raise MalformedError(
            "source: a database in which not exactly one table has the name of the dataset's table",
            code="vault.table",
            hint="name the table with --table",
        )
