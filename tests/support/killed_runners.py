# SPDX-License-Identifier: Apache-2.0
"""Kill a runner daemon at every step of a job, and let a runner go on with what is left.

Run as ``python -m tests.support.killed_runners DIRECTORY STRIDE``. Queue, journal and mirror are
files; each attempt to get keys is written down as a broker would count it. One life takes the
job and is killed; then either the same runner starts again, at once or after its lease ran out,
or another runner serves the room and the first one never comes back.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from cleanroom.contract import places
from cleanroom.daemon.journal import Journal
from cleanroom.daemon.serve import RunnerDaemon
from cleanroom.daemon.worker import Stopping, Worker
from cleanroom.errors import CleanroomError
from cleanroom.hub.index import RoomIndex
from cleanroom.hub.job import LEASE_TIME, RELEASING, STAGES, Job, JobState, Lease, NewJob
from cleanroom.hub.job_table import Bearer, JobTable
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import write_atomic
from cleanroom.runner.reach import ON_THIS_MACHINE, Reach
from tests.support.killed_at import count_steps, killed

RUN, PARTY = "run-20261122-01", "operator"
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
TICK = dt.timedelta(seconds=1)
ENDED_WITHOUT = {"hub.runner-lost", "runner.killed"}
LIVES = ("at once", "later", "another")


@dataclass
class DiskRoom:
    """A room whose hub is a database; every answer of it takes a second.

    Attributes:
        home: Holds the hub's directory and those of all runners.
        runner: Name of the runner that asks.
        now: The hub's clock.
    """

    home: Path
    runner: str
    now: dt.datetime
    url: str = "https://hub.example/room"
    heard: Callable[[], object] = tuple
    index: RoomIndex = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        (self.home / "hub").mkdir(exist_ok=True)
        self.index = RoomIndex(self.home / "hub")
        self.journal = Journal(directory=self.home / self.runner / "runs")

    @property
    def path(self) -> Path:
        return self.home / self.runner / "room"

    def pull(self) -> None:
        """Everything is here."""

    def reach(self) -> Reach:
        return ON_THIS_MACHINE

    def take(self) -> Lease | None:
        lease: Lease | None = self._ask(lambda jobs: jobs.take(PARTY))
        self.heard()
        return lease

    def beat(self, lease: Lease, *, stage: str) -> None:
        self._ask(lambda jobs: jobs.beat(lease.run, _bearer(lease), stage=stage))

    def give_up(self, lease: Lease, error: CleanroomError, *, again: bool) -> None:
        def give(jobs: JobTable) -> None:
            act: Callable[..., None] = jobs.hand_back if again else jobs.fail
            act(lease.run, _bearer(lease), error=error)

        self._ask(give)

    def has_result(self, run: str) -> bool:
        return (self.path / places.receipt_file(run)).exists()

    def deliver(self, run: str) -> None:
        self._ask(lambda jobs: jobs.finish(run))

    def job(self) -> Job:
        """Tell how the job stands."""
        job: Job = self._ask(lambda jobs: jobs.require(RUN))
        return job

    def queue(self) -> None:
        """Put the one job there."""
        expires = START + dt.timedelta(days=1)
        lineages = frozenset({"hospital.stays"})
        job = NewJob(run=RUN, submitter="insurer", lineages=lineages, expires=expires)
        self._ask(lambda jobs: jobs.put(job))

    def _ask(self, what: Callable[[JobTable], Any]) -> Any:
        self.now += TICK
        with self.index.changing(durable=False) as change:
            return what(change.jobs(at=self.now))


@dataclass
class DiskChild:
    """A run whose keys and receipt are files.

    Attributes:
        home: Where whoever asks for keys is counted.
    """

    home: Path

    def run(self, room: Path, run: str, *, stage: Callable[[str], None], reach: Reach) -> Digest:
        assert reach is ON_THIS_MACHINE
        for name in STAGES:
            stage(name)
            if name == "release keys":
                with (self.home / "asked").open("ab", buffering=0) as asked:
                    asked.write(b"once\n")
        write_atomic(room / places.receipt_file(run), b"receipt")
        return Digest.of(b"receipt")

    def kill(self) -> None:
        """It runs in the daemon's own process, and ends with it."""


def first_life(home: Path) -> None:
    """Take the job and work on it, as one daemon does."""
    room = DiskRoom(home=home, runner="first", now=START)
    lease = room.take()
    assert lease is not None
    Worker(
        room,
        lease,
        start=lambda: _child(home),
        stopping=Stopping(soon=Event(), now=Event()),
        say=lambda _: None,
    ).work()


def next_life(home: Path, which: str) -> Job:
    """Serve the room until nothing more can come of the job."""
    late = dt.timedelta(0) if which == "at once" else LEASE_TIME
    runner = "second" if which == "another" else "first"
    room = DiskRoom(home=home, runner=runner, now=START + 20 * TICK + late)
    daemon = RunnerDaemon(
        rooms=[room],
        at_once=1,
        say=lambda _: None,
        start=lambda: _child(home),
        clock=lambda: room.now,
        poll=0.001,
    )

    def look() -> None:
        if not room.job().state.is_open:
            daemon.stop()

    room.heard = look
    daemon.serve()
    job = room.job()
    room.index.close()
    return job


@contextlib.contextmanager
def _child(home: Path) -> Iterator[DiskChild]:
    yield DiskChild(home=home)


def _bearer(lease: Lease) -> Bearer:
    return Bearer(party=PARTY, lease=lease.number)


def asked(home: Path) -> int:
    """Tell how often keys were asked for."""
    path = home / "asked"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def stage_heard(home: Path) -> str:
    """Tell what the hub last heard of the run."""
    room = DiskRoom(home=home, runner="nobody", now=START)
    stage = room.job().stage
    room.index.close()
    return stage


def scene(home: Path) -> Path:
    """Queue the job in a new directory."""
    home.mkdir(parents=True)
    room = DiskRoom(home=home, runner="first", now=START)
    room.queue()
    room.index.close()
    return home


def kill_and_go_on(home: Path, *, place: int, which: str) -> str:
    """Kill the first life, live another, and compare; return how the job ended."""
    scene(home)
    if not killed(lambda: first_life(home), place=place):
        assert asked(home) == 1
        return "untouched"
    before, heard = asked(home), stage_heard(home)
    job = next_life(home, which)
    done = job.state is JobState.DONE
    assert asked(home) == (1 if done else before), "keys were asked for twice, or for nothing"
    if heard not in STAGES[RELEASING:]:
        # Nothing can be spent, so the job went on, here or elsewhere.
        assert done, (place, which, job)
    elif not done:
        assert job.error is not None
        assert job.error.code in ENDED_WITHOUT, (place, which, job)
    return "done" if done else str(job.error and job.error.code)


def main() -> None:
    """Kill at every n-th place; an assertion that fails ends the process."""
    directory, stride = Path(sys.argv[1]), int(sys.argv[2])
    steps = count_steps(lambda: first_life(scene(directory / "undisturbed")))
    seen: dict[str, int] = {}
    # Heartbeats have a thread of their own, so how many steps there are differs by a few.
    for number, place in enumerate(range(0, 2 * len(steps), stride)):
        which = LIVES[number % len(LIVES)]
        ended = kill_and_go_on(directory / str(place), place=place, which=which)
        seen[ended] = seen.get(ended, 0) + 1
    for name, count in sorted(seen.items()):
        sys.stdout.write(f"{name} {count}\n")


if __name__ == "__main__":
    main()
