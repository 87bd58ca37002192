# SPDX-License-Identifier: Apache-2.0
"""Kill a broker before and after each step of a release and a commit, or fill its disk there.

Run as ``python -m tests.support.killed_broker_steps DIRECTORY WHAT``, where WHAT is ``commits``
(kills around each commit of the database), ``around`` (kills around whatever makes an outcome
durable or lets it leave), or ``full`` (the disk ends at every 8 KiB that a run writes). After
each, the home is opened again and the run is finished by asking again; see ``killed_brokers``
for what is compared.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.errors import UnavailableError
from tests.support.brokers import BrokerBench
from tests.support.killed_at import count_steps, killed
from tests.support.killed_brokers import Experiment, listen, room_of
from tests.support.room_documents import RoomDocuments

COMMITS = frozenset({"commit"})
# A child also writes down its commit and tells its answers, each with one write.
AROUND = COMMITS | {"fsync", "rename", "replace", "write"}
PAGE = 8192


class Steps:
    """Rounds over one home, each disturbed at a place of its own."""

    def __init__(self, directory: Path) -> None:
        """Make the home and do the first run."""
        bench = BrokerBench(path=directory, room=room_of(0))
        bench.install_keys()
        self.experiment = Experiment(bench=bench)
        self.experiment.undisturbed()
        self.rounds = 0

    def names(self) -> list[str]:
        """Do one run undisturbed, and name its steps."""
        found: list[str] = []
        self._round(lambda work: found.extend(count_steps(work)))
        return found

    def kill(self, place: int) -> bool:
        """Kill a broker at a place; tell whether it came so far."""
        cut = []
        self._round(lambda work: cut.append(killed(work, place=place)))
        return cut[0]

    def fill(self, most: int) -> bool:
        """Let no file of a broker grow beyond so many bytes; tell whether that hindered it."""
        hindered = []

        def starve(work: Callable[[], object]) -> None:
            hindered.append(_fork(lambda: _starving(work, most=most)))

        self._round(starve)
        return hindered[0]

    def _round(self, disturb: Callable[[Callable[[], object]], object]) -> None:
        self.rounds += 1
        room = room_of(self.rounds)
        request = self._request(room)
        reading, writing = os.pipe()
        disturb(lambda: self.experiment.child(writing, room, request))
        os.close(writing)
        answered = dict(listen(reading, until=b""))
        os.close(reading)
        self.experiment.inspect(room, request, answered=answered)

    def _request(self, room: RoomDocuments) -> ReleaseRequest:
        with self.experiment.bench.open("hospital") as broker:
            return self.experiment.request(room, broker)


def _starving(work: Callable[[], object], *, most: int) -> bool:
    """Do the work where files may not grow; tell whether it was refused as it should be."""
    with _no_file_beyond(most):
        try:
            work()
        except UnavailableError:
            return True
    return False


@contextmanager
def _no_file_beyond(most: int) -> Iterator[None]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fork(work: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = int(work())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, 1}, "a full disk ended in something else than an error of the tree"
    return code == 1


def around(names: list[str], wanted: frozenset[str]) -> list[int]:
    """Pick the places before and after steps of some names."""
    return [place for place in range(2 * len(names)) if names[place // 2] in wanted]


def main() -> None:
    """Disturb one run after another; an assertion that fails ends the process."""
    steps, what = Steps(Path(sys.argv[1])), sys.argv[2]
    if what == "full":
        largest = max(
            path.stat().st_size
            for path in steps.experiment.bench.home("hospital").rglob("*")
            if path.is_file()
        )
        told = [steps.fill(most) for most in range(0, largest + 8 * PAGE, PAGE)]
    else:
        wanted = COMMITS if what == "commits" else AROUND
        told = [steps.kill(place) for place in around(steps.names(), wanted)]
    sys.stdout.write(f"disturbed {sum(told)}\nrounds {len(told)}\n")


if __name__ == "__main__":
    main()
