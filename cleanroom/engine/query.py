# SPDX-License-Identifier: Apache-2.0
"""Run one generated query over sealed views, and let nothing but its rows out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class RandomAccess(Protocol):
    """Verified bytes that can be read at any place, from any thread."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, length: int) -> bytes | bytearray:
        """Read verified bytes; raises IntegrityError rather than give others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One table that the query may read.

    Attributes:
        schema: Owner of the dataset.
        name: Table part of the lineage.
        columns: The declared columns; the view has no others.
        parts: The sealed parts, in order.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    parts: tuple[RandomAccess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one query may use.

    Attributes:
        memory_mib: Memory of the engine.
        seconds: Time from the first statement to the last row.
        rows: Most rows that the query may return.
        threads: Threads of the engine.
    """

    memory_mib: int
    seconds: int
    rows: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOutput:
    """Everything a query returned; not yet allowed to leave.

    Attributes:
        columns: Name and engine type of each column.
        rows: The rows, in the order of the query.
    """

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


def run_query(
    *,
    views: Sequence[View],
    sql: str,
    parameters: Mapping[str, str | int | dt.date],
    limits: Limits,
) -> QueryOutput:
    """Run one SELECT over the views in a locked engine of its own."""
    raise NotImplementedError(views, sql, parameters, limits)
