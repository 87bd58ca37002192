# SPDX-License-Identifier: Apache-2.0
"""A room and a child process of a test's making, for the daemon that stands between them."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from cleanroom.contract import places
from cleanroom.daemon.journal import Journal
from cleanroom.daemon.worker import Stopping, Worker
from cleanroom.errors import CleanroomError, RefusedError, UnavailableError
from cleanroom.hub.job import STAGES, Lease
from cleanroom.kernel.digest import Digest
from cleanroom.runner.reach import ON_THIS_MACHINE, Reach

RUN = "run-20261122-01"
LEASE = Lease(run=RUN, number=7, until=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
AWAY = UnavailableError("hub: does not answer", code="hub.unreachable")
LOST = RefusedError("hub: the lease counts no more", code="hub.lease-lost")
DIED = UnavailableError("runner: ended without an answer", code="runner.ended")


class FakeRoom:
    """A room whose hub says what a test wants, and that remembers what it was told."""

    def __init__(self, directory: Path) -> None:
        self.url = f"https://hub.example/{directory.name}"
        self.directory = directory
        self.journal = Journal(directory=directory / "runs")
        self.offers: list[Lease] = []
        self.fails: dict[str, list[CleanroomError]] = {}
        self.beats: list[str] = []
        self.given: list[CleanroomError] = []
        self.again: list[bool] = []
        self.delivered: list[str] = []
        self.heard = {stage: Event() for stage in STAGES}

    @property
    def path(self) -> Path:
        return self.directory / "room"

    def pull(self) -> None:
        self._fail("pull")

    def reach(self) -> Reach:
        self._fail("reach")
        return ON_THIS_MACHINE

    def take(self) -> Lease | None:
        self._fail("take")
        return self.offers.pop(0) if self.offers else None

    def beat(self, lease: Lease, *, stage: str) -> None:
        assert lease.run == RUN
        self.beats.append(stage)
        try:
            self._fail(f"beat {stage}")
        finally:
            self.heard[stage].set()

    def give_up(self, lease: Lease, error: CleanroomError, *, again: bool) -> None:
        assert lease.run == RUN
        self.given.append(error)
        self.again.append(again)
        self._fail("give up")

    def has_result(self, run: str) -> bool:
        return (self.path / places.receipt_file(run)).exists()

    def deliver(self, run: str) -> None:
        self._fail("deliver")
        self.delivered.append(run)

    def close(self) -> None:
        """Nothing is open."""

    def _fail(self, what: str) -> None:
        if waiting := self.fails.get(what):
            raise waiting.pop(0)


@dataclass
class FakeChild:
    """A process that goes through the stages.

    Attributes:
        dies_in: The stage in which it ends with ``error``; none if it does its work.
        error: How it ends then.
        stays_in: The stage in which it stays until it is killed.
        during: What a test does in a stage, by its name.
    """

    dies_in: str = ""
    error: CleanroomError = DIED
    stays_in: str = ""
    during: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    killed: Event = field(default_factory=Event)

    def run(self, room: Path, run: str, *, stage: Callable[[str], None], reach: Reach) -> Digest:
        assert reach is ON_THIS_MACHINE
        for name in STAGES:
            stage(name)
            self.during.get(name, lambda: None)()
            if name == self.dies_in:
                raise self.error
            if name == self.stays_in:
                assert self.killed.wait(20), "nobody killed it"
                raise DIED
        path = room / places.receipt_file(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"receipt")
        return Digest.of(b"receipt")

    def kill(self) -> None:
        self.killed.set()


class Bench:
    """One worker after another on one room."""

    def __init__(self, directory: Path) -> None:
        self.room = FakeRoom(directory)
        self.begun = 0
        self.said: list[str] = []
        self.stopping = Stopping(soon=Event(), now=Event())

    def work(self, child: FakeChild) -> None:
        """Work on the job until the worker is done with it."""
        self.worker(child).work()

    def worker(self, child: FakeChild, *, lease_seconds: float = 20) -> Worker:
        """Make a worker that beats without a pause."""

        @contextlib.contextmanager
        def start() -> Iterator[FakeChild]:
            self.begun += 1
            yield child

        return Worker(
            self.room,
            LEASE,
            start=start,
            stopping=self.stopping,
            say=self.said.append,
            beat_seconds=0.01,
            lease_seconds=lease_seconds,
        )
