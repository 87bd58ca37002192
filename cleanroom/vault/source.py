# SPDX-License-Identifier: Apache-2.0
"""Where plain rows come from: a Parquet or CSV file, an Arrow table, a data frame.

Rows are taken in numbered slices, so that an interrupted sealing takes the same
slice again. Nothing of a source is held in memory beyond the slice's row groups.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import pandas as pd
import pyarrow as pa

from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.vault.columns import literal
from cleanroom.vault.csv_text import find_types, read_header
from cleanroom.vault.session import fetch

_PARQUET_MAGIC = b"PAR1"
_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
_BATCH_ROWS = 16 * 2048
_SLICE = "cleanroom_slice"
_TABLE = "cleanroom_table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a look at the whole source tells.

    Attributes:
        rows: How many rows there are.
        row_bytes: Mean size of a row, to choose the size of row groups.
        types: Types found in the values, where columns have none of their own.
    """

    rows: int
    row_bytes: float
    types: Mapping[str, str]


class Source(Protocol):
    """A table that can be read slice by slice."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and engine type of each column."""

    @property
    def everything(self) -> str:
        """SQL for all rows."""

    def measure(self, *, stated: Collection[str]) -> Extent:
        """Look at the whole source; types of stated columns need not be found."""

    def fingerprint(self) -> Mapping[str, str]:
        """Say which exact source this is; changes when the source changes."""

    def slice(self, start: int, count: int) -> str:
        """Give SQL for the rows from ``start``, good until the next call."""


def open_source(
    source: Path | pa.Table | pd.DataFrame, connection: duckdb.DuckDBPyConnection
) -> Source:
    """Recognise a source and learn the names of its columns.

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
            hint="rename it without * ? [ ] { }, and name one file",
        )
    if _first_bytes(source) == _PARQUET_MAGIC:
        return ParquetSource(source, connection)
    if source.suffix.lower() in _TEXT_SUFFIXES:
        return TextSource(source, connection)
    raise MalformedError(
        "source: neither Parquet nor CSV",
        code="vault.source",
        hint="give a Parquet file, or an uncompressed .csv, .tsv or .txt file",
    )


class ParquetSource:
    """A Parquet file; slices are ranges of row numbers, and skip other row groups."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the file's schema."""
        self._path = path
        self._connection = connection
        self.everything = f"read_parquet({literal(str(path))})"
        described = fetch(connection, f"DESCRIBE FROM {self.everything}")
        self.columns = tuple((row[0], row[1]) for row in described)

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Read the file's metadata."""
        name = literal(str(self._path))
        query = (
            f"SELECT (SELECT num_rows FROM parquet_file_metadata({name})), "  # noqa: S608 - quoted
            f"(SELECT sum(total_uncompressed_size) FROM parquet_metadata({name}))"
        )
        rows, size = fetch(self._connection, query)[0]
        return Extent(rows=int(rows), row_bytes=int(size or 0) / max(int(rows), 1), types={})

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the file by its identity on disk."""
        return _file_fingerprint(self._path)

    def slice(self, start: int, count: int) -> str:
        """Give SQL for a range of rows."""
        return (
            "(SELECT * EXCLUDE (file_row_number) FROM "  # noqa: S608 - the path is quoted
            f"read_parquet({literal(str(self._path))}, file_row_number = true) "
            f"WHERE file_row_number >= {start} AND file_row_number < {start + count})"
        )


class TextSource:
    """A CSV file, parsed once for its types and once for its rows."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the first line."""
        self._text = read_header(path)
        self._connection = connection
        self._cursor = connection
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.RecordBatch | None = None
        self._position = -1
        self._rows = -1
        self.everything = self._text.relation()
        self.columns = tuple((name, "VARCHAR") for name in self._text.names)

    def measure(self, *, stated: Collection[str]) -> Extent:
        """Find the type of every other column in the whole file."""
        types, rows = find_types(self._connection, self._text, stated=stated)
        self._rows = rows
        size = self._text.path.stat().st_size
        return Extent(rows=rows, row_bytes=size / max(rows, 1), types=types)

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the file by its identity on disk."""
        return _file_fingerprint(self._text.path)

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream; only a jump parses rows to skip them."""
        if (start, count) == (0, self._rows):
            return self.everything  # one slice needs no detour through Arrow
        if start != self._position:
            self._seek(start)
        schema = pa.schema([(name, pa.string()) for name, _ in self.columns])
        stream = pa.RecordBatchReader.from_batches(schema, self._take(count))
        self._connection.register(_SLICE, stream)
        return _SLICE

    def _seek(self, start: int) -> None:
        # A cursor of its own, so that the stream stays open while parts are written;
        # a relation, because the result of execute would be held in memory whole.
        self._cursor = self._connection.cursor()
        relation = self._cursor.sql(f"FROM {self.everything} OFFSET {start}")
        reader: pa.RecordBatchReader = relation.to_arrow_reader(_BATCH_ROWS)
        self._batches, self._rest, self._position = iter(reader), None, start

    def _take(self, count: int) -> Iterator[pa.RecordBatch]:
        while count > 0:
            batch = next(self._batches, None) if self._rest is None else self._rest
            if batch is None:
                return
            taken = batch.slice(0, count)
            self._rest = batch.slice(count) if batch.num_rows > count else None
            self._position += taken.num_rows
            count -= taken.num_rows
            yield taken


class TableSource:
    """An Arrow table or a data frame in memory."""

    everything = _TABLE

    def __init__(
        self, table: pa.Table | pd.DataFrame, connection: duckdb.DuckDBPyConnection
    ) -> None:
        """Take the table as Arrow, without copying where that is possible."""
        self._table = _as_arrow(table)
        self._connection = connection
        connection.register(_TABLE, self._table)
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
        self._connection.register(_SLICE, self._table.slice(start, count))
        return _SLICE


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


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise UnavailableError(
            f"source: cannot be read: {os.strerror(error.errno or 0)}",
            code="vault.unreadable",
            hint="check the path and your permission to read it",
        ) from error


def _file_fingerprint(path: Path) -> Mapping[str, str]:
    # The change time cannot be set back with touch, unlike the modification time.
    try:
        status = path.stat()
    except OSError as error:
        raise UnavailableError("source: cannot be read", code="vault.unreadable") from error
    return {
        "device": str(status.st_dev),
        "inode": str(status.st_ino),
        "size": str(status.st_size),
        "modified": str(status.st_mtime_ns),
        "changed": str(status.st_ctime_ns),
    }
