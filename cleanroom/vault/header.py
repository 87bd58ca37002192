# SPDX-License-Identifier: Apache-2.0
"""The 192 bytes at the start of a sealed part: what it is a part of.

The header is associated data of every chunk and context of the part's key, so a
part cannot pass for another part, version, dataset or attempt at sealing. Every
byte has one meaning only: padding that is not zero is refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import fields

from cleanroom.contract.types import LINEAGE
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.limits import MAX_PARTS
from cleanroom.kernel.record import dataclass

MAGIC = b"cleanroom.part\0\0"
FORMAT_VERSION = 0
SUITE = 1  # HKDF-SHA256, AES-256-GCM
CHUNK_BYTES = 64 * 1024  # larger chunks slow selective queries down, smaller ones everything
IDENTIFIER_BYTES = 16

_LAYOUT = struct.Struct(">16sHHIQII16s16sB96s23s")
HEADER_BYTES = _LAYOUT.size
_LINEAGE = re.compile(LINEAGE.encode())


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
    """Lay a context out as the 192 header bytes.

    Raises:
        MalformedError: A field is out of range.
    """
    lineage = context.lineage.encode()
    _check(context, lineage=lineage, what="sealed part")
    return _LAYOUT.pack(
        MAGIC,
        FORMAT_VERSION,
        SUITE,
        CHUNK_BYTES,
        context.version,
        context.part,
        context.parts,
        context.key_id,
        context.file_id,
        len(lineage),
        lineage,
        b"",
    )


def parse_header(data: bytes, *, what: str) -> PartContext:
    """Read the 192 header bytes, refusing every other reading of them.

    Raises:
        MalformedError: Not a sealed part, another format version or suite, or a
            field out of range.
    """
    if len(data) != HEADER_BYTES or not data.startswith(MAGIC):
        raise MalformedError(f"{what}: not a sealed part", code="vault.format")
    _, version_marker, suite, chunk, version, part, parts, key_id, file_id, length, name, rest = (
        _LAYOUT.unpack(data)
    )
    if (version_marker, suite, chunk) != (FORMAT_VERSION, SUITE, CHUNK_BYTES):
        raise MalformedError(
            f"{what}: a format version, suite or chunk size that this version does not read",
            code="vault.format",
        )
    lineage = name[:length]
    if any(name[length:]) or any(rest):
        raise MalformedError(f"{what}: padding that is not zero", code="vault.format")
    context = PartContext(
        lineage=lineage.decode("latin-1"),
        version=version,
        part=part,
        parts=parts,
        key_id=key_id,
        file_id=file_id,
    )
    _check(context, lineage=lineage, what=what)
    return context


def require_context(found: PartContext, *, expected: PartContext, what: str) -> None:
    """Raise unless a header names exactly the part that was agreed.

    This only makes the message precise: a header that lies about its context
    leads to another key, and no chunk would open.

    Raises:
        IntegrityError: Some field differs; the message names the first one.
    """
    for field in fields(PartContext):
        if getattr(found, field.name) != getattr(expected, field.name):
            raise IntegrityError(
                f"{what}: its header names another {field.name.replace('_', ' ')}",
                code="vault.foreign-part",
                hint="fetch the part that the signed dataset document lists",
            )


def _check(context: PartContext, *, lineage: bytes, what: str) -> None:
    if not _LINEAGE.fullmatch(lineage):
        raise MalformedError(f"{what}: the lineage is not <owner>.<table>", code="vault.format")
    if not 1 <= context.version < 2**53:
        raise MalformedError(f"{what}: the version is out of range", code="vault.format")
    if not 0 <= context.part < context.parts <= MAX_PARTS:
        raise MalformedError(f"{what}: the part number is out of range", code="vault.format")
    if len(context.key_id) != IDENTIFIER_BYTES or len(context.file_id) != IDENTIFIER_BYTES:
        raise MalformedError(f"{what}: an identifier is not 16 bytes", code="vault.format")
