# SPDX-License-Identifier: Apache-2.0
"""One job from its lease to its delivery, whatever dies meanwhile.

Before keys are asked for, everything can be tried again, here or by another runner. So
they are asked for only after the hub has heard that they will be, which makes the job this
runner's for ever, and after that was written down here. From then on a use may be spent: the
run goes on as long as it can, its result is delivered however late, and nobody begins it a
second time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from cleanroom.daemon.journal import Journal
from cleanroom.daemon.served_room import is_passing
from cleanroom.errors import CleanroomError, RefusedError, UnavailableError
from cleanroom.hub.job import BEAT_TIME, COMMITTING, LEASE_TIME, RELEASING, STAGES, Lease
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.reach import Reach

LOST = "hub.lease-lost"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class JobRoom(Protocol):
    """A room whose jobs a runner works on; a hub's, or one of a test."""

    url: str
    journal: Journal

    @property
    def path(self) -> Path:
        """Where the room is mirrored."""

    def pull(self) -> None:
        """Bring the mirror up to date."""

    def reach(self) -> Reach:
        """Return what a run needs to ask brokers."""

    def take(self) -> Lease | None:
        """Ask for work."""

    def beat(self, lease: Lease, *, stage: str) -> None:
        """Say that a job goes on."""

    def give_up(self, lease: Lease, error: CleanroomError, *, again: bool) -> None:
        """Say that there will be no result."""

    def has_result(self, run: str) -> bool:
        """Tell whether a run that happened here ended with a receipt."""

    def deliver(self, run: str) -> None:
        """Bring the result that lies in the mirror."""


class Child(Protocol):
    """A process that executes one run."""

    def run(self, room: Path, run: str, *, stage: Callable[[str], None], reach: Reach) -> Digest:
        """Run to the end and return the digest of the receipt."""

    def kill(self) -> None:
        """End it now, from any thread."""


Start = Callable[[], contextlib.AbstractContextManager[Child]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How the daemon tells its workers to end.

    Attributes:
        soon: What has not asked for keys is handed back.
        now: The rest ends as well.
    """

    soon: Event
    now: Event


class Worker:
    """Works on one job; use :meth:`work` once."""

    def __init__(
        self,
        room: JobRoom,
        lease: Lease,
        *,
        start: Start,
        stopping: Stopping,
        say: Callable[[str], None],
        beat_seconds: float = BEAT_TIME.total_seconds(),
        lease_seconds: float = LEASE_TIME.total_seconds(),
    ) -> None:
        """Take a job.

        Args:
            room: Where it is from.
            lease: What was taken.
            start: Starts a runner process.
            stopping: Watched while the job runs.
            say: Told in a line what happens.
            beat_seconds: How often the hub hears of the job.
            lease_seconds: How long a hub that does not answer is asked whether keys may be
                asked for; a lease has run out by then.
        """
        self._room = room
        self._lease = lease
        self._start = start
        self._stopping = stopping
        self._tell = say
        self._beat_seconds = beat_seconds
        self._lease_seconds = lease_seconds
        self._stage = STAGES[0]
        self._wake = Event()
        self._ended = Event()
        self._lost = Event()

    def work(self) -> None:
        """Do the job; every way it can end is told to the hub, as far as the hub hears."""
        run, room = self._lease.run, self._room
        try:
            room.pull()
            reach = room.reach()
            if not room.journal.begin(run, lease=self._lease.number):
                self._begun_before()
                return
        except CleanroomError as error:
            self._say(f"not begun: {error.message}")
            self._give_up(error, again=True)
            return
        try:
            room.beat(self._lease, stage=self._stage)
        except CleanroomError as error:
            self._say(f"not begun: {error.message}")
            room.journal.forget(run)
            return
        self._execute(reach)

    def _execute(self, reach: Reach) -> None:
        run, room = self._lease.run, self._room
        try:
            with self._start() as child, self._beating(child):
                child.run(room.path, run, stage=self._enter, reach=reach)
        except CleanroomError as error:
            if not room.has_result(run):
                self._failed(error)
                return
        self.deliver()

    def tell_killed(self) -> None:
        """Say that an earlier life of this runner was killed in the middle of the run."""
        error = UnavailableError(
            "runner: was killed in the middle of the run",
            code="runner.killed",
            hint="a use may be spent; run the query again, which is a new use",
        )
        self._say(error.message)
        self._give_up(error, again=False)

    def hand_back(self) -> None:
        """Put back what an earlier life of this runner began, and asked no key for."""
        error = UnavailableError(
            "runner: was killed before keys were asked for", code="runner.killed-early"
        )
        self._say(error.message)
        self._room.journal.forget(self._lease.run)
        self._give_up(error, again=True)

    def decline(self) -> None:
        """Hand back a job that goes on here under an older lease, which counts no more."""
        error = UnavailableError("runner: works on it still", code="runner.busy")
        self._give_up(error, again=True)

    def deliver(self) -> None:
        """Bring the result, asking for a minute; what lies in the mirror is tried again later."""
        run, pause = self._lease.run, FIRST_PAUSE
        while True:
            try:
                self._room.deliver(run)
            except CleanroomError as error:
                if not is_passing(error):
                    self._say(f"the hub does not take its result: {error.message}")
                    return
                ends = self._stopping.soon.is_set() or pause >= LONGEST_PAUSE
                if ends or self._stopping.now.wait(pause):
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._room.journal.end(run)
                self._say("delivered")
                return

    def _begun_before(self) -> None:
        """Refuse to begin again: the hub was restored, or lies."""
        if self._room.has_result(self._lease.run):
            self.deliver()
            return
        self._say("offered again, and not begun again")
        error = RefusedError(
            f"run {self._lease.run}: this runner began it before",
            code="runner.began-before",
            hint="a use may be spent; run the query again, which is a new use",
        )
        self._give_up(error, again=False)

    def _failed(self, error: CleanroomError) -> None:
        run, journal = self._lease.run, self._room.journal
        self._say(f"ended in stage {self._stage}: {error.message}")
        if self._position() < RELEASING:
            journal.forget(run)
            again = isinstance(error, UnavailableError)
        else:
            journal.end(run)
            again = False
        if not self._lost.is_set():
            self._give_up(error, again=again)

    def _give_up(self, error: CleanroomError, *, again: bool) -> None:
        # A hub that does not hear it finds the lease run out.
        with contextlib.suppress(CleanroomError):
            self._room.give_up(self._lease, error, again=again)

    def _enter(self, stage: str) -> None:
        if stage in STAGES:
            # The child waits for this to return, and asks for no key if it raises.
            if stage == STAGES[RELEASING]:
                self._require_leave_to_ask(stage)
                self._room.journal.ask(self._lease.run, lease=self._lease.number)
            self._stage = stage
            self._wake.set()

    def _require_leave_to_ask(self, stage: str) -> None:
        """Let the hub hear that keys are asked for: from its answer on nobody else gets the job."""
        until = time.monotonic() + self._lease_seconds
        while True:
            try:
                self._room.beat(self._lease, stage=stage)
            except CleanroomError as error:
                if error.code == LOST:
                    self._lost.set()
                ends = self._must_stop() or time.monotonic() >= until
                if ends or not is_passing(error):
                    raise
                self._stopping.now.wait(min(FIRST_PAUSE, self._beat_seconds))
            else:
                return

    def _position(self) -> int:
        return STAGES.index(self._stage)

    @contextlib.contextmanager
    def _beating(self, child: Child) -> Iterator[None]:
        thread = Thread(target=self._beat, args=(child,), name=f"beat {self._lease.run}")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._wake.set()
            thread.join()

    def _beat(self, child: Child) -> None:
        heard = time.monotonic()
        told = self._stage
        while not self._ended.is_set():
            self._wake.wait(min(1.0, self._beat_seconds))
            self._wake.clear()
            if self._must_stop():
                child.kill()
                return
            due = time.monotonic() - heard >= self._beat_seconds
            if self._ended.is_set() or not (due or told != self._stage):
                continue
            heard, told = time.monotonic(), self._stage
            self._tell_hub(told)

    def _tell_hub(self, stage: str) -> None:
        try:
            self._room.beat(self._lease, stage=stage)
        except CleanroomError as error:
            # A hub that does not answer may answer again; one that says so has cancelled.
            if error.code == LOST:
                self._lost.set()

    def _must_stop(self) -> bool:
        if self._stopping.now.is_set():
            return True
        # What is being committed is released for ever: it is finished, and delivered late.
        lost = self._lost.is_set() and self._position() < COMMITTING
        return lost or (self._stopping.soon.is_set() and self._position() < RELEASING)

    def _say(self, text: str) -> None:
        self._tell(f"{self._lease.run}: {text}")
