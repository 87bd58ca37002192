# SPDX-License-Identifier: Apache-2.0
"""What is kept of a released cell, so that later ones cannot be subtracted from it.

Fingerprints are the engine's 64-bit hashes of (salt, unit, contribution). They
never leave sealed state. Two engines may hash differently, and vectors of two
kinds of hash would all look unrelated, so the kind is written down and checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json

FINGERPRINT_BYTES = 8
FORMAT = "cleanroom.cells.v0"
HASH = "duckdb-2.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """Who contributed how much to one number: salted fingerprints, never identifiers.

    Attributes:
        namespace: Whose identifiers were fingerprinted.
        members: Whether every contribution is 1, so that a fingerprint stands for a unit.
        fingerprints: Sorted 8-byte fingerprints, concatenated.
    """

    namespace: str
    members: bool
    fingerprints: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCell:
    """One released row, as the disclosure state remembers it."""

    vectors: tuple[Vector, ...]


def encode_cells(cells: Iterable[PastCell]) -> bytes:
    """Write cells for the sealed disclosure state."""
    return canonical_json(
        {
            "format": FORMAT,
            "hash": HASH,
            "cells": [[_vector_json(vector) for vector in cell.vectors] for cell in cells],
        }
    )


def decode_cells(data: bytes, *, what: str = "disclosure state") -> tuple[PastCell, ...]:
    """Read cells back.

    Raises:
        MalformedError: Not cells of this format and engine.
    """
    document = parse_json(data, what=what, limit=MAX_STATE_ENTRY_BYTES)
    if (
        not isinstance(document, dict)
        or set(document) != {"format", "hash", "cells"}
        or (document["format"], document["hash"]) != (FORMAT, HASH)
        or not isinstance(document["cells"], list)
    ):
        raise _malformed(what)
    return tuple(_cell(item, what=what) for item in document["cells"])


def _vector_json(vector: Vector) -> dict[str, str | bool]:
    return {
        "namespace": vector.namespace,
        "members": vector.members,
        "fingerprints": encode_base64(vector.fingerprints),
    }


def _cell(item: Any, *, what: str) -> PastCell:  # noqa: ANN401 - any JSON value
    if not isinstance(item, list):
        raise _malformed(what)
    return PastCell(vectors=tuple(_vector(value, what=what) for value in item))


def _vector(value: Any, *, what: str) -> Vector:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict) or {name: type(item) for name, item in value.items()} != {
        "namespace": str,
        "members": bool,
        "fingerprints": str,
    }:
        raise _malformed(what)
    fingerprints = decode_base64(value["fingerprints"], what=what)
    size = FINGERPRINT_BYTES
    listed = [fingerprints[start : start + size] for start in range(0, len(fingerprints), size)]
    # The comparison walks sorted lists; an unsorted one would hide what is equal.
    if len(fingerprints) % size or listed != sorted(listed):
        raise _malformed(what)
    return Vector(namespace=value["namespace"], members=value["members"], fingerprints=fingerprints)


def _malformed(what: str) -> MalformedError:
    return MalformedError(f"{what}: found another form, agreed {FORMAT}", code="disclosure.cells")
