# SPDX-License-Identifier: Apache-2.0
"""Refusals that help: rule, place, column, fix, and the smallest grant that would admit it.

A refusal depends on the query and the policies alone, so it may say everything.
It never quotes the engine: its messages are written for people who see the data.
"""

from __future__ import annotations

import re
from typing import NoReturn

from cleanroom.errors import AdmissionRefusedError
from cleanroom.kernel.record import dataclass

_SELECT = re.compile(r"\bselect\s+(?:distinct\s+|all\s+)?$", re.IGNORECASE)
NO_GRANT = "none: no policy can admit it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the query text, counted from 1; the column counts characters."""

    line: int
    column: int

    def __str__(self) -> str:
        """Write the place as a reader looks for it."""
        return f"line {self.line}, column {self.column}"


START = Place(line=1, column=1)
DOCUMENT = Place(line=0, column=0)  # what is said of the code, not the code


class QueryRefusedError(AdmissionRefusedError):
    """A query that the first gate does not admit.

    Attributes:
        place: Where in the query.
        column: ``owner.table.column`` that the rule is about; empty for syntax.
        grant: Smallest change of a policy or contract that would admit it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        place: Place = START,
        column: str = "",
        grant: str = NO_GRANT,
    ) -> None:
        """Keep what a person needs to mend the query."""
        super().__init__(message, code=code, hint=hint)
        self.place = place
        self.column = column
        self.grant = grant


def refuse(
    rule: str,
    found: str,
    *,
    fix: str,
    place: Place = START,
    column: str = "",
    grant: str = NO_GRANT,
) -> NoReturn:
    """Refuse the query under one rule.

    Raises:
        QueryRefusedError: Always.
    """
    where = f" at {place}" if place is not DOCUMENT else ""
    raise QueryRefusedError(
        f"{rule}: {found}{where}",
        code=f"admission.{rule}",
        hint=fix,
        place=place,
        column=column,
        grant=grant,
    )


class Locator:
    """Turn the engine's byte offsets into lines and columns."""

    def __init__(self, sql: bytes) -> None:
        """Keep the query text."""
        self._sql = sql

    def place(self, offset: object) -> Place:
        """Find a byte offset; an unknown one is the start of the query."""
        if not isinstance(offset, int) or not 0 <= offset <= len(self._sql):
            return START
        return _end_of(self._before(offset))

    def select(self, offset: int) -> Place:
        """Find the SELECT whose first output stands at an offset; that output, if it is hidden."""
        before = self._before(offset)
        found = _SELECT.search(before)
        return _end_of(before[: found.start()] if found else before)

    def _before(self, offset: int) -> str:
        return self._sql[:offset].decode("utf-8", errors="replace")


def _end_of(text: str) -> Place:
    line_start = text.rfind("\n") + 1
    return Place(line=text.count("\n") + 1, column=len(text) - line_start + 1)
