# SPDX-License-Identifier: Apache-2.0
"""The chunks of a sealed part: where they lie, under which key and nonce.

The construction is STREAM with a counter nonce and a last-chunk flag, as in the
age file format. A chunk that moved has the wrong counter, a part cut at a chunk
border ends in a chunk without the flag, and appended bytes follow one that has it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.errors import IntegrityError
from cleanroom.kernel.record import dataclass
from cleanroom.vault.header import CHUNK_BYTES, HEADER_BYTES

TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
_COUNTER_BYTES = 11
_KEY_BYTES = 32
_INFO = b"cleanroom.sealed-part.v0\0"


def part_cipher(key: bytes, *, header: bytes) -> AESGCM:
    """Derive the cipher of one part from the data key, with the header as context.

    Every file id gives another key, so counters that restart at zero for every
    part, and for every attempt at one, never repeat under a key.
    """
    derived = HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=_INFO + header)
    return AESGCM(derived.derive(key))


def chunk_nonce(number: int, *, last: bool) -> bytes:
    """Give the nonce of a chunk: its number, then 1 for the last chunk and 0 otherwise."""
    return number.to_bytes(_COUNTER_BYTES, "big") + (b"\1" if last else b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMap:
    """Where the chunks of a part lie, told from the length of its file alone.

    Attributes:
        count: How many chunks there are; at least one.
        size: Length of the plaintext.
    """

    count: int
    size: int

    def length(self, number: int) -> int:
        """Length of one chunk's plaintext."""
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)

    def position(self, number: int) -> int:
        """Place of a sealed chunk in the file."""
        return HEADER_BYTES + number * SEALED_CHUNK_BYTES

    def nonce(self, number: int) -> bytes:
        """Nonce of a chunk."""
        return chunk_nonce(number, last=number == self.count - 1)


def map_chunks(file_bytes: int, *, what: str) -> ChunkMap:
    """Place the chunks of a file of this length.

    Raises:
        IntegrityError: No sealed part has this length. An empty last chunk is
            refused unless it is the only one, so a plaintext has one form only.
    """
    body = file_bytes - HEADER_BYTES
    count = -(-body // SEALED_CHUNK_BYTES)
    size = body - count * TAG_BYTES
    if count < 1 or size < 0 or (count > 1 and size <= (count - 1) * CHUNK_BYTES):
        raise IntegrityError(
            f"{what}: cut short, no sealed part has this length", code="vault.truncated"
        )
    return ChunkMap(count=count, size=size)
