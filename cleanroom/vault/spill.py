# SPDX-License-Identifier: Apache-2.0
"""Scratch space on a disk that its owner may read and change: it learns and changes nothing.

A query larger than memory puts intermediate rows aside. Each piece is sealed under a
key that never leaves the process and ends with it, with a nonce that is never used
again. Nonces stay in memory, so an older piece, another piece and a changed one are
all the same to whoever reads it back: not what was written.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.vault.chunks import TAG_BYTES

SPILL_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one piece lies, and under which nonce.

    Attributes:
        place: Offset of its sealed bytes in the file.
        length: Bytes of plaintext.
        nonce: Its number among everything ever written.
    """

    place: int
    length: int
    nonce: int


class SpillFile:
    """Sealed pieces in one open file, for many threads; the file has no name and no other user."""

    def __init__(self, descriptor: int, *, key: bytes, most_bytes: int) -> None:
        """Use an open, empty file.

        Args:
            descriptor: Open for reading and writing; nothing else writes to it.
            key: Fresh for this file: nonces start at 0.
            most_bytes: Size to which the file may grow.
        """
        self._descriptor = descriptor
        self._cipher = AESGCM(key)
        self._most = most_bytes
        self._lock = threading.Lock()
        self._written = 0
        self._end = 0
        self._free: defaultdict[int, list[int]] = defaultdict(list)

    def write(self, data: bytes) -> Piece:
        """Seal a piece and write it.

        Raises:
            UnavailableError: The file would grow beyond its limit, or the disk is full.
        """
        piece = self._reserve(len(data))
        sealed = memoryview(bytearray(len(data) + TAG_BYTES))
        self._cipher.encrypt_into(_nonce(piece.nonce), data, None, sealed)
        written = 0
        try:
            while written < len(sealed):
                place = piece.place + written
                written += os.pwrite(self._descriptor, sealed[written:], place)
        except OSError as error:
            raise UnavailableError(
                f"scratch space: cannot be written: {os.strerror(error.errno or 0)}",
                code="vault.spill-full",
            ) from error
        return piece

    def read(self, piece: Piece) -> bytes:
        """Read a piece back.

        Raises:
            IntegrityError: It is not what was written.
            UnavailableError: The disk failed.
        """
        length = piece.length + TAG_BYTES
        try:
            sealed = os.pread(self._descriptor, length, piece.place)
        except OSError as error:
            raise UnavailableError(
                f"scratch space: cannot be read: {os.strerror(error.errno or 0)}",
                code="vault.spill-unreadable",
            ) from error
        try:
            return self._cipher.decrypt(_nonce(piece.nonce), sealed, None)
        except InvalidTag as error:
            raise IntegrityError(
                "scratch space: its bytes are not what the query put there",
                code="vault.spill-tampered",
                hint="run it again on a host whose disk nobody writes to",
            ) from error

    def free(self, piece: Piece) -> None:
        """Let another piece of the same length take this one's place."""
        with self._lock:
            self._free[piece.length].append(piece.place)

    def _reserve(self, length: int) -> Piece:
        with self._lock:
            nonce = self._written
            self._written += 1
            if self._free[length]:
                return Piece(self._free[length].pop(), length, nonce)
            place = self._end
            if place + length + TAG_BYTES > self._most:
                raise UnavailableError(
                    "scratch space: the query needs more than it may use", code="vault.spill-full"
                )
            self._end += length + TAG_BYTES
        return Piece(place, length, nonce)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")
