# SPDX-License-Identifier: Apache-2.0
"""In-toto statements: what machines say about named bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A parsed statement."""

    subjects: Mapping[str, Digest]
    predicate_type: str
    predicate: Mapping[str, Any]


def make_statement(
    *, subjects: Mapping[str, Digest], predicate_type: str, predicate: Mapping[str, JSONValue]
) -> bytes:
    """Return the RFC 8785 bytes of a statement."""
    raise NotImplementedError(subjects, predicate_type, predicate)


def parse_statement(payload: bytes, *, predicate_type: str, what: str) -> Statement:
    """Read a statement of exactly this predicate type."""
    raise NotImplementedError(payload, predicate_type, what)
