# SPDX-License-Identifier: Apache-2.0
"""The certificate table that a host hands over with a report (AMD GHCB 56421, section 4.1.8.1).

Entries of 24 bytes: GUID in RFC 4122 byte order, offset and length as unsigned
32-bit little-endian numbers counted from the start of the table; an entry of
zeros ends them. The host fills it in, so it is only ever data; it may be empty.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping

from cleanroom.errors import MalformedError

MAX_TABLE_BYTES = 64 * 1024
MAX_ENTRIES = 16
VCEK = uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd")
VLEK = uuid.UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
ASK = uuid.UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
ARK = uuid.UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")
GUID_BYTES = 16
TABLE_GUIDS = frozenset(guid.bytes for guid in (VCEK, VLEK, ASK, ARK))

_ENTRY = struct.Struct("<16sII")
ENTRY_BYTES = _ENTRY.size


def parse_table(data: bytes) -> Mapping[uuid.UUID, bytes]:
    """Read a table; no bytes at all are an empty one.

    Raises:
        MalformedError: Too long, no end, the same GUID twice, or an entry that points
            outside the table or into its entries.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_TABLE_BYTES}")
    if not data:
        return {}
    entries = _entries(data)
    head = _ENTRY.size * (len(entries) + 1)
    found: dict[uuid.UUID, bytes] = {}
    for guid, offset, length in entries:
        if offset < head or offset + length > len(data):
            raise _malformed("an entry that points outside, agreed within the table")
        if guid in found:
            raise _malformed("the same entry twice, agreed once")
        found[guid] = data[offset : offset + length]
    return found


def _entries(data: bytes) -> list[tuple[uuid.UUID, int, int]]:
    entries: list[tuple[uuid.UUID, int, int]] = []
    for index in range(MAX_ENTRIES + 1):
        piece = data[index * _ENTRY.size : (index + 1) * _ENTRY.size]
        if len(piece) < _ENTRY.size:
            raise _malformed("no last entry, agreed one of zeros")
        if not any(piece):
            return entries
        raw, offset, length = _ENTRY.unpack(piece)
        entries.append((uuid.UUID(bytes=raw), offset, length))
    raise _malformed(f"more than {MAX_ENTRIES} entries, agreed at most that")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"snp certificate table: found {found}", code="snp.table")
