# SPDX-License-Identifier: Apache-2.0
"""Delta and Iceberg tables: the rows of one version, as the library of the format reads them.

Folders of both formats keep files of rows that were replaced or deleted since, so which
files count, and which of their rows, is the library's to say. A table is read at the
version that it had when it was opened, in the order of the paths of its files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa

from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.vault.rows import (
    BATCH_ROWS,
    SLICE,
    Extent,
    RowStream,
    file_fingerprint,
    files_fingerprint,
)
from cleanroom.vault.session import fetch, register

if TYPE_CHECKING:
    from pyiceberg.table import StaticTable

_SHAPE = "cleanroom_shape"

# What the libraries raise beside errors of their own, over files that are not what they seem.
_FAILURES = (OSError, ValueError, TypeError, LookupError, RuntimeError, pa.ArrowException)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of a table.

    Attributes:
        schema: Of its rows.
        rows: How many there are.
        files: What holds them, and rows that left the table.
        version: What tells it from other versions.
        batches: Starts to read all rows, always in the same order.
    """

    schema: pa.Schema
    rows: int
    files: Sequence[Path]
    version: Mapping[str, str]
    batches: Callable[[], Iterator[pa.RecordBatch]]


class SnapshotTable:
    """The rows of a snapshot; slices come from one stream."""

    def __init__(self, snapshot: Snapshot, connection: duckdb.DuckDBPyConnection) -> None:
        """Learn what the engine makes of the columns."""
        self._snapshot = snapshot
        self._connection = connection
        register(connection, _SHAPE, snapshot.schema.empty_table())
        described = fetch(connection, f"DESCRIBE {_SHAPE}")
        self.columns = tuple((row[0], row[1]) for row in described)
        self._stream = RowStream(connection, self._open_at)

    @property
    def everything(self) -> str:
        """Register all rows as a stream that can be read once."""
        self._connection.register(SLICE, self._open_at(0))
        return SLICE

    def measure(self, *, stated: Collection[str]) -> Extent:  # noqa: ARG002 - has its types
        """Tell what the table's own records say."""
        rows = self._snapshot.rows
        size = sum(int(file_fingerprint(path)["size"]) for path in self._snapshot.files)
        return Extent(rows=rows, row_bytes=size / max(rows, 1), types={})

    def fingerprint(self) -> Mapping[str, str]:
        """Tell the table by its version and its files' identity on disk."""
        return {**self._snapshot.version, **files_fingerprint(self._snapshot.files)}

    def slice(self, start: int, count: int) -> str:
        """Register the next rows as a stream; a jump reads rows to skip them."""
        return self._stream.slice(start, count)

    def _open_at(self, start: int) -> pa.RecordBatchReader:
        schema = self._snapshot.schema
        return pa.RecordBatchReader.from_batches(schema, self._from(start))

    def _from(self, start: int) -> Iterator[pa.RecordBatch]:
        for batch in self._snapshot.batches():
            if batch.num_rows > start:
                yield batch.slice(start)
            start = max(start - batch.num_rows, 0)


def open_delta(folder: Path) -> Snapshot:
    """Open the latest version of a Delta table.

    Raises:
        UnavailableError: Its library is not installed.
        MalformedError: The library cannot read it; deletion vectors are one reason.
    """
    try:
        import deltalake  # noqa: PLC0415 - an extra
        from deltalake.exceptions import DeltaError  # noqa: PLC0415
    except ImportError:
        raise _lacks("Delta", "delta") from None

    def read() -> Snapshot:
        table = deltalake.DeltaTable(str(folder))
        dataset = table.to_pyarrow_dataset()
        fragments = sorted(dataset.get_fragments(), key=lambda fragment: str(fragment.path))
        schema = dataset.schema

        def batches() -> Iterator[pa.RecordBatch]:
            for fragment in fragments:
                # Not a scan of the whole: one that is left half read can end the process.
                for group in fragment.split_by_row_group():
                    yield from group.to_table(schema=schema).to_batches(BATCH_ROWS)

        return Snapshot(
            schema=schema,
            rows=sum(fragment.count_rows() for fragment in fragments),
            files=[folder / str(fragment.path) for fragment in fragments],
            version={"delta": str(table.version())},
            batches=batches,
        )

    hint = "its tables with deletion vectors are read once purged"
    return _told(read, "Delta", failures=(DeltaError, *_FAILURES), hint=hint)


def open_iceberg(metadata: Path) -> Snapshot:
    """Open the version of an Iceberg table that a metadata file describes.

    Raises:
        UnavailableError: Its library is not installed.
        MalformedError: The library cannot read it, or some of it is not on this machine.
    """
    try:
        from pyiceberg import exceptions  # noqa: PLC0415 - an extra
        from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow  # noqa: PLC0415
    except ImportError:
        raise _lacks("Iceberg", "iceberg") from None

    def read() -> Snapshot:
        table = _iceberg_table(metadata)
        scan = table.scan()
        tasks = sorted(scan.plan_files(), key=lambda task: task.file.file_path)
        deletes = {found.file_path for task in tasks for found in task.delete_files}
        # Before anything of them is read.
        files = [_local(place) for place in (*(t.file.file_path for t in tasks), *sorted(deletes))]
        shape = scan.projection()
        schema = schema_to_pyarrow(shape, include_field_ids=False)

        def batches() -> Iterator[pa.RecordBatch]:
            rows = ArrowScan(table.metadata, table.io, shape, scan.row_filter)
            for task in tasks:
                # One at a time: the library holds every row of the files that it is given.
                for batch in rows.to_record_batches([task]):
                    yield batch.cast(schema)

        version = {"iceberg": Digest.of(metadata.read_bytes()).raw.hex()}
        return Snapshot(
            schema=schema, rows=scan.count(), files=files, version=version, batches=batches
        )

    failures = (exceptions.ResolveError, exceptions.ValidationError, *_FAILURES)
    return _told(
        read, "Iceberg", failures=failures, hint="check that a program of the format opens it"
    )


def _iceberg_table(metadata: Path) -> StaticTable:
    from pyiceberg.catalog.noop import NoopCatalog  # noqa: PLC0415 - an extra
    from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO  # noqa: PLC0415
    from pyiceberg.serializers import FromInputFile  # noqa: PLC0415
    from pyiceberg.table import StaticTable  # noqa: PLC0415

    class LocalFiles(PyArrowFileIO):
        """Opens files of this machine; the library's own choice follows the table's words."""

        def new_input(self, location: str) -> PyArrowFile:
            return super().new_input(_local(location).as_uri())

    place = metadata.resolve().as_uri()
    files = LocalFiles()
    found = FromInputFile.table_metadata(files.new_input(place))
    return StaticTable(("owner", "table"), found, place, files, NoopCatalog("none"))


def _local(location: str) -> Path:
    """Return the path of a file that a table names."""
    parts = urlsplit(location)
    if parts.scheme not in {"", "file"} or parts.netloc:
        raise MalformedError(
            "source: an Iceberg table whose files are not on this machine",
            code="vault.table-elsewhere",
            hint="copy the table here with a program of the format",
        )
    return Path(unquote(parts.path))


def _lacks(name: str, extra: str) -> UnavailableError:
    return UnavailableError(
        f"source: a table of {name}, whose library is not installed",
        code="vault.library-absent",
        hint=f"pip install 'cleanroom[{extra}]'",
    )


def _told(
    read: Callable[[], _Result], name: str, *, failures: tuple[type[Exception], ...], hint: str
) -> _Result:
    failure: CleanroomError
    try:
        return read()
    except failures:
        failure = MalformedError(
            f"source: not a table of {name} that its library can read",
            code="vault.table-format",
            hint=hint,
        )
    # Raised outside the handler: a chained error could carry a cell.
    raise failure
