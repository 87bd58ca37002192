# SPDX-License-Identifier: Apache-2.0
"""Kill a hub at every step of what parties and a runner ask of it, or fill its disk there.

Run as ``python -m tests.support.killed_hubs DIRECTORY WHAT``, where WHAT is ``kill N`` (at every
n-th place) or ``full N`` (the disk ends at every n-th 4 KiB). Parties put the standard room, its
submitter queues the run, a runner takes it and brings its result. After each disturbance the
hub is opened again and everybody asks again, as clients do; nothing may be lost, or be there twice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from cleanroom.contract import places
from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.hub.hub import Hub
from cleanroom.hub.job import LEASE_TIME, JobState
from cleanroom.hub.job_wire import Beat, Delivery
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.kernel.clock import Clock
from tests.support.killed_at import count_steps, killed, starved
from tests.support.queued_room import OPERATOR, SUBMITTER, documents, receipt, shares
from tests.support.receipt_room import NOW, RUN, SEALED_RESULT, people
from tests.support.served_hub import QUOTA, ROOM, admit, file_in, put_files, store

PAGE = 4096


def use(home: Path, *, clock: Clock) -> None:
    """Let everybody ask for what is not done yet, once."""
    with Hub(home, quota=QUOTA, clock=clock) as hub:
        room = hub.room(ROOM)
        assert room is not None
        for party, files in shares().items():
            absent = {at: data for at, data in files.items() if file_in(room, at) is None}
            if absent:
                put_files(room, party, absent)
        job = room.jobs.put(SUBMITTER, RUN)
        if job.state is not JobState.DONE:
            _work(room)


def _work(room: StoredRoom) -> None:
    lease = room.jobs.take(OPERATOR)
    if lease is not None:
        for stage in ("agree", "release keys"):
            room.jobs.beat(OPERATOR, RUN, Beat(lease=lease.number, stage=stage))
    # Without a lease as well: whoever has the result brings it until it is taken.
    delivery = Delivery(receipt=store(room, receipt()), result=store(room, SEALED_RESULT))
    room.jobs.deliver(OPERATOR, RUN, delivery)


def inspect(home: Path) -> None:
    """Ask again for everything, and compare all that the room holds."""
    use(home, clock=lambda: NOW + LEASE_TIME + dt.timedelta(seconds=1))
    with Hub(home, quota=QUOTA, clock=lambda: NOW) as hub:
        room = hub.room(ROOM)
        assert room is not None
        wanted = {at: data for files in shares().values() for at, data in files.items()}
        wanted |= {places.receipt_file(RUN): receipt(), places.result_file(RUN): SEALED_RESULT}
        entries = room.entries(0).entries
        assert sorted(entry.place for entry in entries) == sorted(wanted)
        assert all(file_in(room, at) == data for at, data in wanted.items())
        assert [(job.run, job.state) for job in room.jobs.latest()] == [(RUN, JobState.DONE)]


def require_no_half(home: Path) -> None:
    """Whatever was interrupted: who sees a receipt finds its result, and a done job has both."""
    with Hub(home, quota=QUOTA, clock=lambda: NOW) as hub:
        room = hub.room(ROOM)
        assert room is not None
        both = [file_in(room, at) for at in (places.receipt_file(RUN), places.result_file(RUN))]
        assert both in ([None, None], [receipt(), SEALED_RESULT])
        with contextlib.suppress(RefusedError):
            assert (room.jobs.find(RUN).state is JobState.DONE) == (both != [None, None])


def disturbed(home: Path, disturb: Callable[[Callable[[], object]], bool]) -> bool:
    """Disturb one use of a new hub; tell whether that hindered it."""
    admit(home, ROOM, *people().values())
    hindered = disturb(lambda: use(home, clock=lambda: NOW))
    require_no_half(home)
    inspect(home)
    return hindered


def _kill(at: int, work: Callable[[], object]) -> bool:
    return killed(work, place=at)


def _starve(at: int, work: Callable[[], object]) -> bool:
    return starved(work, most=at, error=UnavailableError)


def main() -> None:
    """Disturb one hub after another; an assertion that fails ends the process."""
    directory, (what, every) = Path(sys.argv[1]), sys.argv[2].split()
    documents()
    home = directory / "undisturbed"
    admit(home, ROOM, *people().values())
    steps = count_steps(lambda: use(home, clock=lambda: NOW))
    largest = max(path.stat().st_size for path in home.rglob("*") if path.is_file())
    disturb, end, step = {
        "kill": (_kill, 2 * len(steps), int(every)),
        "full": (_starve, largest, int(every) * PAGE),
    }[what]
    told = [
        disturbed(directory / str(at), functools.partial(disturb, at)) for at in range(0, end, step)
    ]
    sys.stdout.write(f"disturbed {sum(told)}\nrounds {len(told)}\n")


if __name__ == "__main__":
    main()
