# SPDX-License-Identifier: Apache-2.0
"""Where plain rows come from: files, folders, tables of a database, tables in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.vault.csv_text import find_types, read_header
from cleanroom.vault.databases import (
    DUCKDB_MAGIC,
    DUCKDB_MAGIC_AT,
    SQLITE_MAGIC,
    DuckDbTable,
    SqliteTable,
)
from cleanroom.vault.parquet_files import (
    DELTA_LOG,
    ICEBERG_SUFFIX,
    PARQUET_MAGIC,
    ParquetFiles,
    find_parquet_files,
)
from cleanroom.vault.postgresql_table import ADDRESS_BEGINS, PostgresqlTable, open_server
from cleanroom.vault.rows import (
    SLICE,
    Extent,
    QueryRows,
    RowStream,
    Source,
    file_fingerprint,
    first_bytes,
)
from cleanroom.vault.session import fetch, register
from cleanroom.vault.table_formats import SnapshotTable, open_delta, open_iceberg

__all__ = ["Extent", "Source", "TableSource", "TextSource", "open_source"]

_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
_TABLE = "cleanroom_table"


def open_source(
    source: Path | pa.Table | pd.DataFrame, connection: duckdb.DuckDBPyConnection, *, table: str
) -> Source:
    """Recognise a source and learn the names of its columns.

    Args:
        source: A file, a folder of Parquet files, a Delta table's folder, the metadata file of
            an Iceberg table, a file with the address of a PostgreSQL server, or a table in
            memory.
        connection: Reads it.
        table: Which table, if the file is a database.

    Raises:
        UnavailableError: A file cannot be read.
        MalformedError: It is no table that we read.
    """
    if not isinstance(source, Path):
        return TableSource(source, connection)
    if re.search(r"[*?\[\]{}]", str(source)):
        raise MalformedError(
            "source: its path holds a character that means many files",
            code="vault.source-name",
            hint="rename it without * ? [ ] { }, and name one file or folder",
        )
    if (source / DELTA_LOG).is_dir():
        return SnapshotTable(open_delta(source), connection)
    if source.is_dir():
        return ParquetFiles(find_parquet_files(source), connection, folder=source)
    return _open_file(source, connection, table=table)


def _open_file(path: Path, connection: duckdb.DuckDBPyConnection, *, table: str) -> Source:
    begin = first_bytes(path, len(SQLITE_MAGIC))
    if begin.startswith(PARQUET_MAGIC):
        return ParquetFiles((path,), connection, folder=path.parent)
    if begin[DUCKDB_MAGIC_AT:].startswith(DUCKDB_MAGIC):
        return DuckDbTable(path, connection, table=table)
    if begin == SQLITE_MAGIC:
        return SqliteTable(path, connection, table=table)
    if begin.startswith(ADDRESS_BEGINS):
        return PostgresqlTable(open_server(path), connection, table=table)
    if path.name.endswith(ICEBERG_SUFFIX):
        return SnapshotTable(open_iceberg(path), connection)
    if path.suffix.lower() in _TEXT_SUFFIXES:
        return TextSource(path, connection)
    raise MalformedError(
        "source: neither Parquet nor CSV, nor a database of DuckDB or SQLite, nor a table format",
        code="vault.source",
        hint="give a Parquet file or folder, a plain .csv, .tsv or .txt file, a database, or a "
        "file with one line, the address of a PostgreSQL server",
    )


class TextSource:
    """A CSV file, parsed once for its types and once for its rows."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the first line."""
        self._text = read_header(path)
        self._connection = connection
        self._rows = -1
        self.everything = self._text.relation()
        self._stream = RowStream(connection, QueryRows(connection, f"FROM {self.everything}"))
        self.columns = tuple((name, "VARCHAR") for name in self._text.names)

    def measure(self, *, stated: Collection[str]) -> Extent:
        """Find the type of every other column in the whole file."""
        types, rows = find_types(self._connection, self._text, stated=stated)
        self._rows = rows
        size = self._text.path.stat().st_size
        return Extent(rows=rows, row_bytes=size / max(rows, 1), types=types)

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the file by its identity on disk."""
        return file_fingerprint(self._text.path)

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream; only a jump parses rows to skip them."""
        if (start, count) == (0, self._rows):
            return self.everything  # one slice needs no detour through Arrow
        return self._stream.slice(start, count)


class TableSource:
    """An Arrow table or a data frame in memory."""

    everything = _TABLE

    def __init__(
        self, table: pa.Table | pd.DataFrame, connection: duckdb.DuckDBPyConnection
    ) -> None:
        """Take the table as Arrow, without copying where that is possible."""
        self._table = _as_arrow(table)
        self._connection = connection
        register(connection, _TABLE, self._table)
        described = fetch(connection, f"DESCRIBE {_TABLE}")
        self.columns = tuple((row[0], row[1]) for row in described)
        self._digest = _digest_table(self._table)

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Ask the table."""
        rows = self._table.num_rows
        return Extent(rows=rows, row_bytes=self._table.nbytes / max(rows, 1), types={})

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the table by what it holds; memory has no other identity."""
        return {"table": self._digest}

    def slice(self, start: int, count: int) -> str:
        """Register a slice of the table."""
        self._connection.register(SLICE, self._table.slice(start, count))
        return SLICE


def _digest_table(table: pa.Table) -> str:
    digest = hashlib.sha256()
    with pa.ipc.new_stream(pa.PythonFile(_Hashing(digest), "w"), table.schema) as stream:
        stream.write_table(table)
    return digest.hexdigest()


class _Hashing:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self, digest: hashlib._Hash) -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def close(self) -> None:
        """Nothing is open."""


def _as_arrow(table: pa.Table | pd.DataFrame) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    failure: CleanroomError
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        failure = MalformedError(
            "source: a column of the data frame mixes types",
            code="vault.source",
            hint="convert each column to one type with DataFrame.astype",
        )
    # Raised outside the handler: Arrow quotes the value that it could not convert.
    raise failure
