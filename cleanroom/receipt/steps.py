# SPDX-License-Identifier: Apache-2.0
"""A verification as a list of named steps: each ends in one line, or is the last.

A reader who is told "verified" cannot tell what was looked at. One line a step
says so, and the step that refuses is named with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from cleanroom.errors import CleanroomError, IntegrityError
from cleanroom.kernel.record import dataclass

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One line of a verification.

    Attributes:
        step: Name of the check.
        found: What was found, in words that hold no data value.
        held: Whether the check held; the line that does not is the last.
    """

    step: str
    found: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[_Value]):
    """What one step proved: the words for its line, and the value for the next step."""

    text: str
    value: _Value


Report: TypeAlias = Callable[[StepLine], None]


def unheard(line: StepLine) -> None:
    """Report to nobody."""
    del line


class Journal:
    """The lines of one verification, in order, told to whoever listens."""

    def __init__(self, report: Report) -> None:
        """Start without a line."""
        self._report = report
        self._lines: list[StepLine] = []

    @property
    def lines(self) -> tuple[StepLine, ...]:
        """The lines so far."""
        return tuple(self._lines)

    def check(self, step: str, function: Callable[[], Found[_Value]]) -> _Value:
        """Run one step and write its line.

        Raises:
            CleanroomError: Whatever the step raised, after its line was written.
        """
        try:
            found = function()
        except CleanroomError as error:
            self._write(StepLine(step=step, found=error.message, held=False))
            raise
        self._write(StepLine(step=step, found=found.text, held=True))
        return found.value

    def _write(self, line: StepLine) -> None:
        self._lines.append(line)
        self._report(line)


def require_same(found: object, agreed: object, *, what: str, source: str) -> None:
    """Refuse a claim of the receipt that a signed source contradicts.

    The values stay out of the message: a parameter may be anybody's business.

    Raises:
        IntegrityError: They differ.
    """
    if found != agreed:
        raise IntegrityError(
            f"{what}: the receipt and {source} disagree",
            code="receipt.disagrees",
            hint="the receipt was altered, or belongs to another run",
        )
