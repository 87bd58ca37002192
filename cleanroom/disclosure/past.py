# SPDX-License-Identifier: Apache-2.0
"""What is kept of released numbers, so that later ones cannot be subtracted from them.

A number is kept as its exact total and a sketch of who contributed how much
(:mod:`cleanroom.disclosure.sketch`). Both live in sealed state only. Two engines may hash
identifiers differently, and all sketches would look unrelated, so the kind of hash is
written down and checked. The size of what is kept depends on how many numbers were
released, and on nothing else about the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from pydantic import Field

from cleanroom.disclosure.sketch import LEAST_BUCKETS, WORD_BYTES
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.numbers.v0"
HASH = "duckdb-2.0.0"
TOTAL_DIGITS = 48  # a sum of 10**5 rows of 38 digits, with room; always written in full
PART_BYTES = 16
MOST_SCALE = 28  # a square of the finest measure


@dataclass(frozen=True, slots=True, kw_only=True)
class PastNumber:
    """One released number.

    Attributes:
        total: What was released of it before rounding, in units of ``10**-scale``.
        scale: Digits after the point.
        sketches: Space to sketch. A space is a namespace of units, and how totals come about
            there; sketches of one space can be compared.
    """

    total: int
    scale: int
    sketches: Mapping[str, bytes]

    @property
    def value(self) -> Fraction:
        """The exact number."""
        return Fraction(self.total, 10**self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRow:
    """One released row: digests of its key's parts, and its numbers in the query's order."""

    parts: tuple[bytes, ...]
    numbers: tuple[PastNumber, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTable:
    """The released rows of one grouping set; no row-level row is in two of them."""

    rows: tuple[PastRow, ...]


def part_digest(source: str, value: str) -> bytes:
    """Digest one part of a row's key: what it is a key of, and its value."""
    material = canonical_json([source, value])
    return hashlib.sha256(b"cleanroom.key.v0\0" + material).digest()[:PART_BYTES]


class _NumberWire(WireModel):
    total: str = Field(pattern=rf"[+-][0-9]{{{TOTAL_DIGITS}}}")
    scale: int = Field(ge=0, le=MOST_SCALE)
    sketches: dict[str, str]


class _RowWire(WireModel):
    parts: list[str]
    numbers: list[_NumberWire]


class _Wire(WireModel):
    format: str
    hash: str
    tables: list[list[_RowWire]]


def encode_tables(tables: Iterable[PastTable]) -> bytes:
    """Write tables for the sealed disclosure state."""
    return canonical_json(
        {
            "format": FORMAT,
            "hash": HASH,
            "tables": [[_row_json(row) for row in table.rows] for table in tables],
        }
    )


def decode_tables(data: bytes, *, what: str = "disclosure state") -> tuple[PastTable, ...]:
    """Read tables back.

    Raises:
        MalformedError: Not tables of this format and engine.
    """
    value = parse_json(data, what=what, limit=MAX_STATE_ENTRY_BYTES)
    wire = validate_shape(_Wire, value, what=what)
    if (wire.format, wire.hash) != (FORMAT, HASH):
        raise _malformed(what)
    return tuple(
        PastTable(rows=tuple(_row(row, what=what) for row in table)) for table in wire.tables
    )


def _row_json(row: PastRow) -> dict[str, Any]:
    return {
        "parts": [encode_base64(part) for part in row.parts],
        "numbers": [
            {
                "total": f"{number.total:+0{TOTAL_DIGITS + 1}d}",
                "scale": number.scale,
                "sketches": {
                    space: encode_base64(sketch) for space, sketch in number.sketches.items()
                },
            }
            for number in row.numbers
        ],
    }


def _row(wire: _RowWire, *, what: str) -> PastRow:
    parts = tuple(decode_base64(part, what=what) for part in wire.parts)
    if any(len(part) != PART_BYTES for part in parts):
        raise _malformed(what)
    return PastRow(parts=parts, numbers=tuple(_number(item, what=what) for item in wire.numbers))


def _number(wire: _NumberWire, *, what: str) -> PastNumber:
    sketches = {space: decode_base64(sketch, what=what) for space, sketch in wire.sketches.items()}
    if not all(map(_is_sketch, sketches.values())):
        raise _malformed(what)
    return PastNumber(total=int(wire.total), scale=wire.scale, sketches=sketches)


def _is_sketch(sketch: bytes) -> bool:
    # Folding one sketch to the size of another needs powers of two.
    buckets, rest = divmod(len(sketch), WORD_BYTES)
    return not rest and buckets >= LEAST_BUCKETS and not buckets & (buckets - 1)


def row_key(parts: Sequence[bytes]) -> bytes:
    """Join the parts of a key; equal keys of equal sources have equal results."""
    return b"".join(parts)


def _malformed(what: str) -> MalformedError:
    return MalformedError(f"{what}: found another form, agreed {FORMAT}", code="disclosure.numbers")
