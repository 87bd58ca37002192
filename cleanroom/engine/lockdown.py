# SPDX-License-Identifier: Apache-2.0
"""Lock an engine down so that it reads its sealed parts and can do nothing else.

The order matters and was measured: what is disabled too early breaks the views,
what is left open one statement too long can be used by the query. The last
statement locks the settings themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import _duckdb as duckdb

from cleanroom.engine.sealed_files import PROTOCOL, RandomAccess, SealedFiles
from cleanroom.engine.spill_files import DIRECTORY, SpillFiles
from cleanroom.kernel.record import dataclass

_COPIED = "table to copy"
_NEVER_FULL = "1024TiB"
_INSERTED_ROWS = 200  # values bound by one statement
_PREFETCH_GAP_BYTES = 524_288  # fewer and larger reads; each one costs a call into Python


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One table that the query may read.

    Attributes:
        schema: Owner of the dataset.
        name: Table part of the lineage.
        columns: The declared columns; the view has no others.
        parts: The sealed parts, in order.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    parts: tuple[RandomAccess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A small table of public values that the query may read.

    Attributes:
        schema: Schema of its name.
        name: Name of the table.
        columns: Names and engine types of its columns.
        rows: Its rows.
    """

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowTable:
    """A table of any size that was checked elsewhere, for a query that goes on from it.

    Attributes:
        schema: Schema of its name.
        name: Name of the table.
        columns: Names and engine types of its columns.
        content: The Arrow table; its values are copied.
    """

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    content: object


def open_engine(*, memory_mib: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Open an engine in memory that sees no Python variable and fetches no extension."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        # Without this a query can name any variable of the process as a table.
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "memory_limit": f"{memory_mib}MiB",
        "threads": threads,
        "temp_directory": "",  # DuckDB spills plaintext; only sealed scratch space takes any
        # The reader pool only fights over the interpreter lock.
        "async_threads": 0,
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    # An option of the Parquet reader, which exists only once the engine is open.
    connection.execute(f"SET parquet_prefetch_column_gap = {_PREFETCH_GAP_BYTES}")
    return connection


def sealed_paths(views: Sequence[View]) -> dict[str, RandomAccess]:
    """Give every part a path that says nothing about it."""
    return {
        f"{PROTOCOL}://{table}/{number}": part
        for table, view in enumerate(views)
        for number, part in enumerate(view.parts)
    }


def expose_and_lock(
    connection: duckdb.DuckDBPyConnection,
    views: Sequence[View],
    files: SealedFiles,
    *,
    spill: SpillFiles[Any] | None = None,
    tables: Sequence[Table | ArrowTable] = (),
) -> None:
    """Create the views, tables and scratch space, then take every other ability away for good."""
    connection.register_filesystem(files)
    if spill is not None:
        connection.register_filesystem(spill)
        connection.execute(f"SET temp_directory = {_literal(DIRECTORY)}")
        # Scratch space holds itself to its limit; the engine would ask a disk.
        connection.execute(f"SET max_temp_directory_size = '{_NEVER_FULL}'")
    for number, view in enumerate(views):
        _create_view(connection, view, prefix=f"{PROTOCOL}://{number}")
    for table in tables:
        _create_table(connection, table)
    paths = ", ".join(_literal(path) for path in sealed_paths(views))
    # Exact paths: a directory would let other registered parts be read as well.
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")
    # After external access is off; before, it breaks the registered file system.
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET lock_configuration = true")


def _create_view(connection: duckdb.DuckDBPyConnection, view: View, *, prefix: str) -> None:
    columns = ", ".join(_quoted(column) for column in view.columns)
    paths = ", ".join(_literal(f"{prefix}/{number}") for number in range(len(view.parts)))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(view.schema)}")
    connection.execute(
        f"CREATE VIEW {_quoted(view.schema)}.{_quoted(view.name)} AS "  # noqa: S608 - quoted
        f"SELECT {columns} FROM read_parquet([{paths}])"
    )


def _create_table(connection: duckdb.DuckDBPyConnection, table: Table | ArrowTable) -> None:
    name = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    columns = ", ".join(f"{_quoted(column)} {kind}" for column, kind in table.columns)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(table.schema)}")
    connection.execute(f"CREATE TABLE {name} ({columns})")
    if isinstance(table, ArrowTable):
        # Copied, and then forgotten: the query scans a table of the engine like any other.
        connection.register(_COPIED, table.content)
        connection.execute(f"INSERT INTO {name} SELECT * FROM {_quoted(_COPIED)}")  # noqa: S608
        connection.unregister(_COPIED)
        return
    marks = f"({', '.join('?' * len(table.columns))})"
    for start in range(0, len(table.rows), _INSERTED_ROWS):
        batch = table.rows[start : start + _INSERTED_ROWS]
        values = ", ".join(marks for _ in batch)
        connection.execute(
            f"INSERT INTO {name} VALUES {values}",  # noqa: S608 - quoted names and marks
            [value for row in batch for value in row],
        )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
