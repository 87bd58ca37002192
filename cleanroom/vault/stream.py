# SPDX-License-Identifier: Apache-2.0
"""Sealed parts as bytes: write once in a stream, read anywhere, verify before use."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from cleanroom.kernel.digest import Digest
from cleanroom.vault.header import PartContext


class PartWriter:
    """Seal a stream of bytes into one part."""

    def __init__(self, file: BinaryIO, *, key: bytes, context: PartContext) -> None:
        """Write the header."""
        raise NotImplementedError(file, key, context)

    def write(self, data: bytes) -> int:
        """Seal some more bytes."""
        raise NotImplementedError(data)

    def finish(self) -> Digest:
        """Seal the last chunk and give the digest of the sealed bytes."""
        raise NotImplementedError


class PartReader:
    """Read a sealed part at any place, from any thread."""

    name: str
    size: int

    def __init__(self, path: Path, *, key: bytes, expected: PartContext, name: str) -> None:
        """Open the file and verify its header and its end."""
        raise NotImplementedError(path, key, expected, name)

    def read_at(self, offset: int, length: int) -> bytes | bytearray:
        """Read verified plaintext; shorter only at the end of the part."""
        raise NotImplementedError(offset, length)

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError
