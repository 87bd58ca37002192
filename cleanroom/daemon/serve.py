# SPDX-License-Identifier: Apache-2.0
"""Poll hubs for jobs and work on several at once, until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from cleanroom.daemon.worker import LONGEST_PAUSE, JobRoom, Start, Stopping, Worker
from cleanroom.errors import CleanroomError
from cleanroom.hub.job import Lease
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.runner.launch import waiting_runner

POLL_SECONDS = 1.0
GRACE_SECONDS = 300.0
RESCAN_SECONDS = 60.0
_Place = tuple[str, str]  # a room's address and a run


@dataclass(slots=True, kw_only=True)
class _Turn:
    """When a room is asked next; the only thing here that changes over time."""

    room: JobRoom
    pause: float
    next: float = 0.0
    told: str = ""


@dataclass(slots=True, kw_only=True)
class RunnerDaemon:
    """A runner that serves rooms; :meth:`stop` may be called from a signal handler.

    Attributes:
        rooms: At least one.
        at_once: How many runs at most.
        say: Told in a line what happens; never about data.
        start: Starts a runner process.
        clock: Tells when a lease of an earlier life ends.
        grace: How long runs that hold keys may go on after :meth:`stop`, in seconds.
        poll: How often an idle room is asked, in seconds.
    """

    rooms: Sequence[JobRoom]
    at_once: int
    say: Callable[[str], None]
    start: Start = waiting_runner
    clock: Clock = system_clock
    grace: float = GRACE_SECONDS
    poll: float = POLL_SECONDS
    _stopping: Stopping = field(default_factory=lambda: Stopping(soon=Event(), now=Event()))
    _busy: dict[_Place, Future[None]] = field(default_factory=dict)
    _told_of: set[_Place] = field(default_factory=set)
    _stops: int = 0

    def serve(self) -> None:
        """Serve until :meth:`stop`; what began is finished or handed back."""
        turns = [_Turn(room=room, pause=self.poll) for room in self.rooms]
        rescan = 0.0
        with ThreadPoolExecutor(max_workers=self.at_once, thread_name_prefix="job") as pool:
            while not self._is_stopping():
                if time.monotonic() >= rescan:
                    self._recover(pool)
                    rescan = time.monotonic() + RESCAN_SECONDS
                # Every room has its turn, whatever the one before it gave.
                took = sum(self._poll(turn, pool) for turn in turns)
                self._stopping.soon.wait(0.0 if took else self.poll / 4)
            self._finish()

    def stop(self) -> None:
        """Take nothing more and end; called again, end now."""
        # No lock is touched: the thread that a signal interrupts may hold it.
        self._stops += 1

    def _is_stopping(self) -> bool:
        if self._stops:
            self._stopping.soon.set()
        if self._stops > 1:
            self._stopping.now.set()
        return self._stops > 0

    def _poll(self, turn: _Turn, pool: ThreadPoolExecutor) -> bool:
        self._busy = {place: job for place, job in self._busy.items() if not job.done()}
        if len(self._busy) >= self.at_once or time.monotonic() < turn.next:
            return False
        try:
            lease = turn.room.take()
        except CleanroomError as error:
            self._wait(turn, error)
            return False
        turn.pause, turn.told = self.poll, ""
        turn.next = time.monotonic() + (0.0 if lease else self.poll)
        if lease is None:
            return False
        self.say(f"{lease.run}: taken from {turn.room.url}")
        worker = self._worker(turn.room, lease)
        place = turn.room.url, lease.run
        if place in self._busy and not self._busy[place].done():
            # A hub that heard nothing for a minute gives a run away, even to where it goes on.
            pool.submit(worker.decline)
        else:
            self._busy[place] = pool.submit(worker.work)
        return True

    def _wait(self, turn: _Turn, error: CleanroomError) -> None:
        # Once, not every minute of a night in which a hub is down.
        if turn.told != error.code:
            self.say(f"{turn.room.url}: {error.message}; {error.hint}")
        turn.told = error.code
        turn.pause = min(2 * turn.pause, LONGEST_PAUSE)
        turn.next = time.monotonic() + turn.pause

    def _recover(self, pool: ThreadPoolExecutor) -> None:
        """Deliver what an earlier life finished, and tell of what it did not."""
        for room in self.rooms:
            for run, found in room.journal.unfinished().items():
                place = room.url, run
                if place in self._busy and not self._busy[place].done():
                    continue
                worker = self._worker(room, Lease(run=run, number=found.lease, until=self.clock()))
                if room.has_result(run):
                    self._busy[place] = pool.submit(worker.deliver)
                elif not found.asked:
                    self._busy[place] = pool.submit(worker.hand_back)
                elif place not in self._told_of:
                    self._told_of.add(place)
                    self._busy[place] = pool.submit(worker.tell_killed)

    def _worker(self, room: JobRoom, lease: Lease) -> Worker:
        return Worker(room, lease, start=self.start, stopping=self._stopping, say=self.say)

    def _finish(self) -> None:
        until = time.monotonic() + self.grace
        while any(not job.done() for job in self._busy.values()):
            if time.monotonic() >= until:
                self._stops += 2
            if self._is_stopping() and self._stopping.now.wait(self.poll / 5):
                break
