# SPDX-License-Identifier: Apache-2.0
"""The 192 bytes at the start of a sealed part: what it is a part of.

The header is associated data of every chunk and context of the part's key, so a
part cannot pass for another part, version, dataset or attempt at sealing.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADER_BYTES = 192
CHUNK_BYTES = 64 * 1024
IDENTIFIER_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PartContext:
    """What one sealed part belongs to; all of it is bound into the part's key.

    Attributes:
        lineage: ``<owner>.<table>``.
        version: Version of the dataset, from 1.
        part: Number of this part, from 0.
        parts: How many parts the version has.
        key_id: Public name of the data key.
        file_id: Random for every attempt to write a part, never used twice.
    """

    lineage: str
    version: int
    part: int
    parts: int
    key_id: bytes
    file_id: bytes


def encode_header(context: PartContext) -> bytes:
    """Lay a context out as the 192 header bytes."""
    raise NotImplementedError(context)


def parse_header(data: bytes, *, what: str) -> PartContext:
    """Read the 192 header bytes, refusing every other reading of them."""
    raise NotImplementedError(data, what)
