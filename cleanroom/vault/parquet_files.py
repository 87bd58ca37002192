# SPDX-License-Identifier: Apache-2.0
"""Parquet: one file, or a folder of files with one schema, partitioned like Hive or not.

A folder is read in the order of its paths. Every file must have the columns and types of
the first: an engine would convert what differs, and round it on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.plain_text import printable
from cleanroom.vault.columns import literal, quoted
from cleanroom.vault.csv_text import narrowest_type
from cleanroom.vault.rows import BATCH_ROWS, SLICE, Extent, file_fingerprint, files_fingerprint
from cleanroom.vault.session import fetch

PARQUET_MAGIC = b"PAR1"
DELTA_LOG = "_delta_log"
ICEBERG_SUFFIX = ".metadata.json"
_SUFFIX = ".parquet"
_FILES_AT_ONCE = 64
MOST_DIGITS = 38  # a DECIMAL of the engine is at most 128 bits
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MEANS_MANY = frozenset("*?[]{}")


def find_parquet_files(folder: Path) -> tuple[Path, ...]:
    """List the Parquet files below a folder, in the order of their paths.

    What begins with a dot or an underscore belongs to whoever wrote the files.

    Raises:
        MalformedError: There is none, or there is something else as well.
        UnavailableError: The folder cannot be read.
    """
    try:
        paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    except OSError as error:
        raise UnavailableError("source: cannot be read", code="vault.unreadable") from error
    _require_no_table_format(paths)
    seen = [path for path in paths if not _is_hidden(path.relative_to(folder))]
    if not seen or any(path.suffix.lower() != _SUFFIX for path in seen):
        raise MalformedError(
            "source: a folder that does not hold Parquet files alone",
            code="vault.folder",
            hint="name one file, or a folder whose files all end in .parquet",
        )
    if any(_MEANS_MANY & set(str(path)) for path in seen):
        raise MalformedError(
            "source: the path of a file in the folder holds a character that means many files",
            code="vault.source-name",
            hint="rename it without * ? [ ] { }",
        )
    return tuple(seen)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _require_no_table_format(paths: Sequence[Path]) -> None:
    # Their folders keep files of rows that were deleted or replaced since.
    if any(DELTA_LOG in path.parts or path.name.endswith(ICEBERG_SUFFIX) for path in paths):
        raise MalformedError(
            "source: a folder with an Iceberg or Delta table in it, which also holds rows that "
            "left the table",
            code="vault.table-format",
            hint="name the folder of the Delta table itself, or the current metadata file "
            "(.metadata.json) of the Iceberg table",
        )


class ParquetFiles:
    """Parquet files; slices are ranges of row numbers, and skip other row groups."""

    def __init__(
        self, paths: Sequence[Path], connection: duckdb.DuckDBPyConnection, *, folder: Path
    ) -> None:
        """Read the schema of every file."""
        self._paths = tuple(paths)
        self._connection = connection
        self._partitions = _partitions(self._paths, folder)
        self.everything = f"({self._select(self._paths)})"
        described = fetch(connection, f"DESCRIBE FROM {self.everything}")
        self.columns = tuple((row[0], row[1]) for row in described)
        _require_exact_decimals(self._paths[0], connection)
        if len(self._paths) > 1:
            _require_one_schema(self._paths, connection)
        self._ends: tuple[int, ...] = ()

    def measure(self, *, stated: Collection[str]) -> Extent:
        """Read the metadata of every file, and find the types of partition columns."""
        names = _listed(self._paths)
        query = f"SELECT num_rows FROM parquet_file_metadata({names})"  # noqa: S608 - quoted
        counts = [int(row[0]) for row in fetch(self._connection, query)]
        self._ends = tuple(accumulate(counts))
        query = f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({names})"  # noqa: S608
        size = int(fetch(self._connection, query)[0][0] or 0)
        rows = sum(counts)
        return Extent(rows=rows, row_bytes=size / max(rows, 1), types=self._partition_types(stated))

    def _partition_types(self, stated: Collection[str]) -> dict[str, str]:
        values = {
            name: [found[name] for found in self._partitions]
            for name in self._partitions[0]
            if name not in stated
        }
        return {
            name: narrowest_type(self._connection, list(dict.fromkeys(found)))
            for name, found in values.items()
        }

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the files by their identity on disk."""
        if len(self._paths) == 1:
            return file_fingerprint(self._paths[0])
        return files_fingerprint(self._paths)

    def slice(self, start: int, count: int) -> str:
        """Give SQL for a range of rows: whole files, and ranges of the first and the last."""
        pieces = list(self._pieces(start, start + count))
        if len(pieces) == 1:
            return f"({pieces[0]})"
        # A union of them would lose their order on one thread; and to keep the order of small
        # files the engine holds a block of memory for each, 2 GB for 10,000 of three rows.
        self._connection.register(SLICE, self._one_after_another(pieces))
        return SLICE

    def _one_after_another(self, pieces: Sequence[str]) -> pa.RecordBatchReader:
        # A cursor of its own, so that it can be asked while parts are written.
        cursor = self._connection.cursor()

        found = (
            batch for piece in pieces for batch in cursor.sql(piece).to_arrow_reader(BATCH_ROWS)
        )
        schema = cursor.sql(f"{pieces[0]} LIMIT 0").to_arrow_table().schema
        return pa.RecordBatchReader.from_batches(schema, _full(found))

    def _pieces(self, start: int, end: int) -> Iterator[str]:
        whole: list[Path] = []
        begins = (0, *self._ends)
        for path, begin, stop in zip(self._paths, begins, self._ends, strict=False):
            first, last = max(start, begin), min(end, stop)
            is_whole = (first, last) == (begin, stop)
            if whole and (len(whole) == _FILES_AT_ONCE or (first < last and not is_whole)):
                yield self._select(whole)
                whole = []
            if is_whole:
                whole.append(path)
            elif first < last:
                yield self._select([path], rows=(first - begin, last - begin))
        if whole:
            yield self._select(whole)

    def _select(self, paths: Sequence[Path], *, rows: tuple[int, int] | None = None) -> str:
        # Partition columns stay text; their types are found over all of their values.
        hive = "true, hive_types_autocast = false" if self._partitions[0] else "false"
        files = f"read_parquet({_listed(paths)}, hive_partitioning = {hive})"
        if rows is None:
            return f"SELECT * FROM {files}"  # noqa: S608 - the paths are quoted
        first, last = rows
        return (
            f"SELECT * FROM {files} "  # noqa: S608 - the paths are quoted
            f"WHERE file_row_number >= {first} AND file_row_number < {last}"
        )


def _full(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put small batches together: a block of memory is held for each of them as well."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= BATCH_ROWS:
            yield pa.concat_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_batches(waiting)


def _listed(paths: Sequence[Path]) -> str:
    return f"[{', '.join(literal(str(path)) for path in paths)}]"


def _partitions(paths: Sequence[Path], folder: Path) -> list[dict[str, str | None]]:
    found = [_partition(path.relative_to(folder)) for path in paths]
    if any(set(other) != set(found[0]) for other in found):
        raise MalformedError(
            "source: not all files of the folder are partitioned alike",
            code="vault.folder",
            hint="give every file the same column=value folders above it",
        )
    return found


def _partition(path: Path) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in path.parts[:-1] if "=" in part]
    return {name: None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def _require_exact_decimals(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    # The engine reads a longer one as a double, and says nothing.
    longer = f"precision > {MOST_DIGITS} ORDER BY column_id LIMIT 1"
    query = f"SELECT name, precision FROM parquet_schema({literal(str(path))}) WHERE {longer}"  # noqa: S608 - quoted
    for name, digits in fetch(connection, query):
        raise MalformedError(
            f"source: column {printable(name)}: decimals of {digits} digits, "
            f"agreed at most {MOST_DIGITS}",
            code="vault.decimal",
            hint=f"write the column as decimal({MOST_DIGITS}, scale), or as a string",
        )


def _require_one_schema(paths: Sequence[Path], connection: duckdb.DuckDBPyConnection) -> None:
    wanted = ("name", "type", "duckdb_type", "logical_type", "num_children")
    parts = ", ".join(f"coalesce({quoted(name)}::VARCHAR, '')" for name in wanted)
    # The first row of a file is its root, whose name is its writer's.
    query = (
        f"SELECT file_name, string_agg(concat_ws('|', {parts}), ';' ORDER BY column_id) "  # noqa: S608 - quoted
        f"FROM parquet_schema({_listed(paths)}) WHERE column_id > 0 GROUP BY file_name"
    )
    schemas = dict(fetch(connection, query))
    first = schemas[str(paths[0])]
    for number, path in enumerate(paths, start=1):
        if schemas[str(path)] != first:
            raise MalformedError(
                f"source: file {number} of {len(paths)} in the order of their paths has other "
                "columns or types than the first",
                code="vault.folder-schema",
                hint="write all files of a table with one schema",
            )
