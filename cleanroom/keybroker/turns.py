# SPDX-License-Identifier: Apache-2.0
"""Requests that wait together are recorded together, and wait for the disk once.

Decisions are still made one after another, each on what the one before it recorded.
Only the end is shared: one commit, one checkpoint of the log, then all answers. So no
answer leaves before its record and its log entry are on disk; a crash loses only
requests that nobody was answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event, Lock
from typing import Any, Generic, TypeVar

from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.keybroker.state import BrokerState, Transaction

MAX_TOGETHER = 32  # no answer waits for more decisions than these

_Result = TypeVar("_Result")
Step = Callable[[Transaction], object]


class Turns:
    """The order in which a broker's requests are decided."""

    def __init__(
        self,
        state: BrokerState,
        *,
        begin: Callable[[Transaction], None],
        settle: Callable[[], None],
    ) -> None:
        """Take requests for a memory.

        Args:
            state: The memory.
            begin: Called in the transaction of a group before anybody is decided; nobody
                is if it raises, and what it raises is what they hear.
            settle: Called when a group is recorded and before anybody of it is answered;
                what it raises is what they hear.
        """
        self._state = state
        self._begin = begin
        self._settle = settle
        self._guard = Lock()
        self._waiting: deque[_Request[Any]] = deque()
        self._led = False

    @property
    def waiting(self) -> int:
        """How many requests wait for the group that is being recorded."""
        with self._guard:
            return len(self._waiting)

    def take(
        self, decide: Callable[[Transaction], _Result], *, first: Step | None = None
    ) -> _Result:
        """Decide and record in turn; return once it is on disk.

        Args:
            decide: Looks, records and returns; what it recorded before it raised is undone.
            first: Comes before; recorded even if ``decide`` raises.

        Raises:
            CleanroomError: Whatever a step raises; nothing of that step was recorded.
            UnavailableError: The disk refuses. Whether it was recorded is told by asking again.
        """
        mine = _Request(decide, first=first)
        with self._guard:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            mine.woken.wait()
        if not mine.ended:
            self._lead()
        return mine.outcome()

    def _lead(self) -> None:
        # Whoever leads is the first that waits: it leads one group, and the next one follows.
        with self._guard:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_TOGETHER))]
        try:
            self._decide(group)
        finally:
            for request in group:
                request.ended = True
                request.woken.set()
            with self._guard:
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].woken.set()

    def _decide(self, group: list[_Request[Any]]) -> None:
        self._record(group)
        try:
            self._settle()
        except CleanroomError as error:
            self._withhold(group, error)
        except BaseException:
            # A mistake of ours must not let the others be answered either.
            self._withhold(group, _ended())
            raise

    def _withhold(self, group: list[_Request[Any]], error: CleanroomError) -> None:
        for request in group:
            request.withhold(error)

    def _record(self, group: list[_Request[Any]]) -> None:
        try:
            with self._state.transaction() as opened:
                self._begin(opened)
                for request in group:
                    request.attempt(opened)
        except CleanroomError as error:
            # All of the group was undone. What one of them met must not stop the others.
            if len(group) == 1:
                group[0].fail(error)
                return
            for request in group:
                self._record([request])


class _Request(Generic[_Result]):
    """One request on its way, and what became of it."""

    def __init__(self, decide: Callable[[Transaction], _Result], *, first: Step | None) -> None:
        self._decide = decide
        self._first = first
        self._results: list[_Result] = []
        # What is heard if a mistake of ours ends whoever led; nothing was recorded then.
        self._error: CleanroomError = _ended()
        self.woken = Event()
        self.ended = False

    def attempt(self, opened: Transaction) -> None:
        """Take every step; an error of ours undoes its step alone."""
        try:
            if self._first is not None:
                with opened.part():
                    self._first(opened)
            with opened.part():
                self._results = [self._decide(opened)]
        except CleanroomError as error:
            self.fail(error)

    def fail(self, error: CleanroomError) -> None:
        """Answer with an error, whatever was decided."""
        self._results, self._error = [], error

    def withhold(self, error: CleanroomError) -> None:
        """Answer with an error if the answer would have been a decision."""
        if self._results:
            self.fail(error)

    def outcome(self) -> _Result:
        """Return or raise what became of it."""
        if not self._results:
            raise self._error
        return self._results[0]


def _ended() -> UnavailableError:
    return UnavailableError(
        "broker: ended before it had answered", code="broker.ended", hint="ask again"
    )
