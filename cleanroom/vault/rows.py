# SPDX-License-Identifier: Apache-2.0
"""What every source of plain rows offers, and rows that come in one stream.

Rows are taken in numbered slices, so that an interrupted sealing takes the same
slice again. Nothing of a source is held in memory beyond the slice's row groups.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from cleanroom.errors import UnavailableError
from cleanroom.kernel.record import dataclass

BATCH_ROWS = 16 * 2048
SLICE = "cleanroom_slice"


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


class Rows(Protocol):
    """Rows that can be read slice by slice."""

    def slice(self, start: int, count: int) -> str:
        """Give SQL for the rows from ``start``, good until the next call."""


class Source(Rows, Protocol):
    """A table with columns of its own, whose rows can be read slice by slice."""

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


class RowStream:
    """Rows that come one after the other; only a jump reads rows to skip them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        open_at: Callable[[int], pa.RecordBatchReader],
    ) -> None:
        """Take slices of what ``open_at`` gives from a row on."""
        self._connection = connection
        self._open_at = open_at
        self._schema = pa.schema([])
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.RecordBatch | None = None
        self._position = -1

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream."""
        if start != self._position:
            reader = self._open_at(start)
            self._schema, self._batches = reader.schema, iter(reader)
            self._rest, self._position = None, start
        stream = pa.RecordBatchReader.from_batches(self._schema, self._take(count))
        self._connection.register(SLICE, stream)
        return SLICE

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


class QueryRows:
    """The rows of one statement of the sealing engine, from any row on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Take the statement."""
        self._connection = connection
        self._sql = sql

    def __call__(self, start: int) -> pa.RecordBatchReader:
        """Start it again and skip some rows."""
        # A cursor of its own, so that the stream stays open while parts are written; a
        # relation, because the result of execute would be held in memory whole.
        self._cursor = self._connection.cursor()
        relation = self._cursor.sql(f"{self._sql} OFFSET {start}")
        return relation.to_arrow_reader(BATCH_ROWS)


def file_fingerprint(path: Path) -> dict[str, str]:
    """Tell a file by its identity on disk.

    Raises:
        UnavailableError: It cannot be looked at.
    """
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


def files_fingerprint(paths: Sequence[Path]) -> dict[str, str]:
    """Tell several files by their identity on disk, and by their order.

    Raises:
        UnavailableError: One of them cannot be looked at.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(repr((str(path), sorted(file_fingerprint(path).items()))).encode())
    return {"files": digest.hexdigest()}


def first_bytes(path: Path, count: int) -> bytes:
    """Read the first bytes of a file.

    Raises:
        UnavailableError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise UnavailableError(
            f"source: cannot be read: {os.strerror(error.errno or 0)}",
            code="vault.unreadable",
            hint="check the path and your permission to read it",
        ) from error
