# SPDX-License-Identifier: Apache-2.0
"""What is kept of a released cell, so that later ones cannot be subtracted from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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
    raise NotImplementedError


def decode_cells(data: bytes, *, what: str = "disclosure state") -> tuple[PastCell, ...]:
    """Read cells back.

    Raises:
        MalformedError: Not cells of this format and engine.
    """
    raise NotImplementedError
