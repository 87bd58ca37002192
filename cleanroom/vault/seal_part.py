# SPDX-License-Identifier: Apache-2.0
"""Seal one part: a slice of rows becomes Parquet inside an encrypting file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import duckdb

from cleanroom.contract.dataset import part_file
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.kernel.files import PUBLIC_FILE, sync_directory
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import quoted
from cleanroom.vault.header import IDENTIFIER_BYTES
from cleanroom.vault.journal import SealedPart
from cleanroom.vault.plan import ENCODING, PartPlan
from cleanroom.vault.rows import Rows
from cleanroom.vault.session import fetch
from cleanroom.vault.sink import SINK_PATH, SealingSink
from cleanroom.vault.stream import PartReader, PartWriter

SOURCE_CHANGED = "vault.source-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpublishedPart:
    """A part that is whole and on disk, under a name that nothing refers to.

    Attributes:
        part: What the dataset document will say about it.
        temporary: Its name now.
        path: Its name once published.
    """

    part: SealedPart
    temporary: Path
    path: Path

    def publish(self) -> None:
        """Give the part its name."""
        self.temporary.replace(self.path)
        sync_directory(self.path.parent)


def reuse_part(part: SealedPart | None, plan: PartPlan, number: int) -> bool:
    """Tell whether a finished part is still whole, by opening every chunk of it.

    The directory belongs to others as well: a part that was changed since it was
    entered in the journal is sealed again.
    """
    if part is None:
        return False
    try:
        reader = PartReader(
            plan.path(number),
            key=plan.key.secret,
            expected=plan.context(number, part.file_id),
            name=part.file,
        )
        try:
            reader.verify()
        finally:
            reader.close()
    except CleanroomError:
        return False
    return True


@contextmanager
def seal_part(
    source: Rows, plan: PartPlan, number: int, *, connection: duckdb.DuckDBPyConnection
) -> Iterator[UnpublishedPart]:
    """Seal one slice into a synced file with a temporary name, gone unless published.

    Raises:
        UnavailableError: Disk or memory ran out, or the source changed meanwhile.
        MalformedError: A value does not fit its column.
    """
    path = plan.path(number)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    file_id = plan.entropy(IDENTIFIER_BYTES)
    try:
        with _create(temporary) as file:
            writer = PartWriter(file, key=plan.key.secret, context=plan.context(number, file_id))
            _copy(source, plan, number, writer=writer, connection=connection)
            digest = writer.finish()
            os.fsync(file.fileno())
        part = SealedPart(
            file=part_file(plan.key.version, number),
            digest=digest,
            size=writer.sealed_bytes,
            file_id=file_id,
        )
        yield UnpublishedPart(part=part, temporary=temporary, path=path)
    except OSError as error:
        raise disk_error(error) from error
    finally:
        temporary.unlink(missing_ok=True)


def disk_error(error: OSError) -> UnavailableError:
    """Say that the disk refused, without naming a place on it."""
    return UnavailableError(
        f"sealing: cannot write: {os.strerror(error.errno or 0)}",
        code="vault.unwritable",
        hint="free some space, then run the command again; finished parts are kept",
    )


def _copy(
    source: Rows,
    plan: PartPlan,
    number: int,
    *,
    writer: PartWriter,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sink = SealingSink(writer)
    columns = ", ".join(f"{c.expression} AS {quoted(c.name)}" for c in plan.columns)
    rows = source.slice(number * plan.part_rows, plan.rows_in(number))
    copy = (
        f"COPY (SELECT {columns} FROM {rows}) TO '{SINK_PATH}' "  # noqa: S608 - quoted
        f"(FORMAT parquet, {ENCODING}, ROW_GROUP_SIZE {plan.group_rows})"
    )
    connection.register_filesystem(sink)
    try:
        copied = fetch(connection, copy)[0][0]
    except CleanroomError:
        if sink.failure is None:
            raise
    finally:
        connection.unregister_filesystem(SealingSink.protocol)
    if sink.failure is not None:
        raise disk_error(sink.failure)
    if copied != plan.rows_in(number):
        raise UnavailableError(
            "source: changed while it was being sealed",
            code=SOURCE_CHANGED,
            hint="seal a file that nobody writes to",
        )


def _create(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # Unbuffered: a buffer that cannot be written would fail again when it is closed.
    return cast("BinaryIO", os.fdopen(os.open(path, flags, PUBLIC_FILE), "wb", buffering=0))
