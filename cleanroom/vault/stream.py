# SPDX-License-Identifier: Apache-2.0
"""Sealed parts as bytes: written once in a stream, read anywhere, verified before use."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.vault.chunks import (
    SEALED_CHUNK_BYTES,
    TAG_BYTES,
    chunk_nonce,
    map_chunks,
    part_cipher,
)
from cleanroom.vault.header import (
    CHUNK_BYTES,
    HEADER_BYTES,
    PartContext,
    encode_header,
    parse_header,
    require_context,
)


class PartWriter:
    """Seal a stream of bytes into one part, one chunk in memory at a time.

    Attributes:
        sealed_bytes: Length of what was written so far.
    """

    def __init__(self, file: BinaryIO, *, key: bytes, context: PartContext) -> None:
        """Write the header.

        Raises:
            MalformedError: The context has a field out of range.
            OSError: The file cannot be written.
        """
        self._header = encode_header(context)
        self._cipher = part_cipher(key, header=self._header)
        self._file = file
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self._sealed = bytearray(SEALED_CHUNK_BYTES)
        self._chunks = 0
        self.sealed_bytes = 0
        self._emit(self._header)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Seal some more bytes.

        A full chunk waits until more bytes follow, because only then is it
        known not to be the last one.
        """
        source = memoryview(data).cast("B")
        start = 0
        if self._pending:
            start = min(CHUNK_BYTES - len(self._pending), len(source))
            self._pending += source[:start]
        if self._pending and start < len(source):
            self._seal_chunk(self._pending, last=False)
            self._pending = bytearray()
        while len(source) - start > CHUNK_BYTES:
            self._seal_chunk(source[start : start + CHUNK_BYTES], last=False)
            start += CHUNK_BYTES
        self._pending += source[start:]
        return len(source)

    def finish(self) -> Digest:
        """Seal the last chunk and give the digest of the sealed bytes."""
        self._seal_chunk(self._pending, last=True)
        return Digest(self._digest.digest())

    def _seal_chunk(self, plain: bytearray | memoryview, *, last: bool) -> None:
        sealed = memoryview(self._sealed)[: len(plain) + TAG_BYTES]
        nonce = chunk_nonce(self._chunks, last=last)
        self._cipher.encrypt_into(nonce, plain, self._header, sealed)
        self._chunks += 1
        self._emit(sealed)

    def _emit(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self.sealed_bytes += len(data)
        rest = memoryview(data)
        while rest:  # an unbuffered file may take a part of it, as a full disk does
            rest = rest[self._file.write(rest) :]


class _Scratch(threading.local):
    """Buffers of one thread: a sealed chunk, and the chunk it opened last."""

    def __init__(self) -> None:
        self.sealed = bytearray(SEALED_CHUNK_BYTES)
        self.plain = bytearray(CHUNK_BYTES)
        self.number = -1


class PartReader:
    """Read a sealed part at any place, from any thread.

    Sealed bytes are copied into private memory before they are opened. The file
    is never mapped: whoever owns the disk could change a mapped page between
    the check of a tag and the decryption, or cut the file and kill the reader.

    Attributes:
        name: What errors call the part.
        size: Length of the plaintext, authenticated by opening the last chunk.
        sealed_bytes: Length of the sealed file.
    """

    def __init__(self, source: Path | int, *, key: bytes, expected: PartContext, name: str) -> None:
        """Open the file and verify its header and its end.

        Args:
            source: The file, or a descriptor of it for a process that may open none;
                the reader owns it from here on.
            key: The dataset key.
            expected: Which part it must be.
            name: What errors call it.

        Raises:
            UnavailableError: The file is absent or cannot be read.
            MalformedError: It is not a sealed part.
            IntegrityError: It is another part, or its end was changed.
        """
        self.name = name
        self._expected = expected
        self._header = encode_header(expected)
        self._cipher = part_cipher(key, header=self._header)
        self._scratch = _Scratch()
        self._file = _regular(source, what=name)
        try:
            found = parse_header(os.pread(self._file.fileno(), HEADER_BYTES, 0), what=name)
            require_context(found, expected=expected, what=name)
            self.sealed_bytes = os.fstat(self._file.fileno()).st_size
            self._map = map_chunks(self.sealed_bytes, what=name)
            self._cached_chunk(self._map.count - 1)
        except BaseException:
            self._file.close()
            raise
        self.size = self._map.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read verified plaintext; shorter only at the end of the part.

        Whole chunks are opened straight into the bytes that are returned: the engine
        copies anything else into bytes first, which took as long as all of this.

        Raises:
            IntegrityError: A chunk was changed, moved or cut.
            UnavailableError: The disk failed.
        """
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        plain = io.BytesIO()
        plain.seek(end - offset - 1)
        plain.write(b"\0")
        with plain.getbuffer() as target:
            self._read_into(target, offset=offset)
        return plain.getvalue()

    def verify(self) -> Digest:
        """Open every chunk and give the digest of the sealed bytes.

        Raises:
            IntegrityError: A chunk was changed, moved or cut.
        """
        digest = hashlib.sha256(self._header)
        plain = memoryview(bytearray(CHUNK_BYTES))
        for number in range(self._map.count):
            digest.update(self._open_chunk(number, plain[: self._map.length(number)]))
        return Digest(digest.digest())

    def close(self) -> None:
        """Close the file; later reads fail."""
        self._file.close()

    def _read_into(self, target: memoryview, *, offset: int) -> None:
        done = 0
        while done < len(target):
            number, inside = divmod(offset + done, CHUNK_BYTES)
            whole = self._map.length(number)
            take = min(whole - inside, len(target) - done)
            piece = target[done : done + take]
            if take == whole:
                self._open_chunk(number, piece)
            else:
                piece[:] = self._cached_chunk(number)[inside : inside + take]
            done += take

    def _cached_chunk(self, number: int) -> memoryview:
        scratch = self._scratch
        plain = memoryview(scratch.plain)[: self._map.length(number)]
        if scratch.number != number:
            scratch.number = -1
            self._open_chunk(number, plain)
            scratch.number = number
        return plain

    def _open_chunk(self, number: int, target: memoryview) -> memoryview:
        sealed = memoryview(self._scratch.sealed)[: len(target) + TAG_BYTES]
        try:
            length = os.preadv(self._file.fileno(), [sealed], self._map.position(number))
        except OSError as error:
            raise UnavailableError(
                f"{self.name}: cannot be read: {os.strerror(error.errno or 0)}",
                code="vault.unreadable",
            ) from error
        if length != len(sealed):
            raise IntegrityError(f"{self.name}: cut short", code="vault.truncated")
        try:
            self._cipher.decrypt_into(self._map.nonce(number), sealed, self._header, target)
        except InvalidTag as error:
            raise IntegrityError(
                f"{self.name}: its bytes are not what its owner sealed",
                code="vault.tampered",
                hint="fetch the part again from its owner",
            ) from error
        return sealed


def open_part(path: Path, *, what: str) -> int:
    """Open a sealed part for somebody else to read.

    Raises:
        UnavailableError: The file is absent or cannot be read.
        MalformedError: It is something else than a file.
    """
    # O_NONBLOCK: a pipe put in the file's place must not hang the reader.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UnavailableError(
            f"{what}: cannot be opened: {os.strerror(error.errno or 0)}",
            code="vault.unreadable",
            hint="copy the part that the dataset document lists into the room",
        ) from error
    _require_regular(descriptor, what=what)
    return descriptor


def _regular(source: Path | int, *, what: str) -> BinaryIO:
    if isinstance(source, int):
        _require_regular(source, what=what)
    descriptor = source if isinstance(source, int) else open_part(source, what=what)
    return os.fdopen(descriptor, "rb", buffering=0)


def _require_regular(descriptor: int, *, what: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MalformedError(f"{what}: not a regular file, agreed one", code="vault.format")
