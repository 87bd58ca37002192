# SPDX-License-Identifier: Apache-2.0
"""Open the parts of a dataset document, and give an owner the plain Parquet back."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cleanroom.contract.dataset import Dataset, Part
from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from cleanroom.kernel.files import PRIVATE_FILE, sync_directory
from cleanroom.vault.header import PartContext
from cleanroom.vault.stream import PartReader


def open_parts(dataset: Dataset, *, directory: Path, key: bytes) -> tuple[PartReader, ...]:
    """Open every part that a signed dataset document lists, below its directory.

    Raises:
        UnavailableError: A part is absent or cannot be read.
        MalformedError: A file is no sealed part.
        IntegrityError: A file is not the part that the document lists.
    """
    readers: list[PartReader] = []
    try:
        for number, part in enumerate(dataset.parts):
            readers.append(_open_part(dataset, part, number, path=directory / part.file, key=key))
    except BaseException:
        close_parts(readers)
        raise
    return tuple(readers)


def close_parts(readers: Sequence[PartReader]) -> None:
    """Close the files of all readers."""
    for reader in readers:
        reader.close()


def verify_parts(dataset: Dataset, readers: Sequence[PartReader]) -> None:
    """Open every chunk of every part and compare the digests that the owner signed.

    Raises:
        IntegrityError: Some byte of some part is not what the owner sealed.
    """
    for part, reader in zip(dataset.parts, readers, strict=True):
        part.digest.require(reader.verify(), what=reader.name)


def open_dataset(readers: Sequence[PartReader], *, destination: Path) -> None:
    """Write the parts of one version as one plain Parquet file, whole or not at all.

    The file is readable by its owner alone. Memory holds one row group.

    Raises:
        RefusedError: The destination exists.
        IntegrityError: A part was changed; no file is left.
        UnavailableError: The disk is full or refuses; no file is left.
    """
    if destination.exists():
        raise RefusedError(
            f"{destination.name}: exists already",
            code="vault.destination-exists",
            hint="choose another name, or delete the file first",
        )
    temporary = destination.with_name(f".{destination.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            _write_parquet(readers, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(destination)
        sync_directory(destination.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnavailableError(
            f"{destination.name}: cannot be written: {os.strerror(error.errno or 0)}",
            code="file.unwritable",
            hint="free some space or choose another directory, then run the command again",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _open_part(dataset: Dataset, part: Part, number: int, *, path: Path, key: bytes) -> PartReader:
    context = PartContext(
        lineage=dataset.lineage,
        version=dataset.version,
        part=number,
        parts=len(dataset.parts),
        key_id=bytes.fromhex(dataset.key_id),
        file_id=bytes.fromhex(part.file_id),
    )
    name = f"{dataset.lineage}/{part.file}"
    reader = PartReader(path, key=key, expected=context, name=name)
    if reader.sealed_bytes != part.size:
        reader.close()
        raise IntegrityError(
            f"{name}: found {reader.sealed_bytes} bytes, agreed {part.size}",
            code="vault.part-size",
            hint="fetch the part that the signed dataset document lists",
        )
    return reader


def _write_parquet(readers: Sequence[PartReader], file: io.BufferedWriter) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    with _PartFile(readers[0]) as first:
        schema = pq.ParquetFile(first).schema_arrow
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for reader in readers:
            with _PartFile(reader) as part:
                parquet = pq.ParquetFile(part)
                for group in range(parquet.num_row_groups):
                    writer.write_table(parquet.read_row_group(group))


class _PartFile(io.RawIOBase):
    """A part as a file object, for readers that want one."""

    def __init__(self, reader: PartReader) -> None:
        self._reader = reader
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._reader.size}
        self._position = base[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._reader.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
