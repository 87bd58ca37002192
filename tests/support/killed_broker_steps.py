# SPDX-License-Identifier: Apache-2.0
"""Kill a broker before and after each step of a release and a commit, or fill its disk there.

Run as ``python -m tests.support.killed_broker_steps DIRECTORY WHAT``, where WHAT is ``commits``
(kills around each commit of the database), ``around`` (kills around each commit, each wait for
the disk and each write of an answer), or ``full`` (the disk ends at every 8 KiB that a run
writes). After each, the home is opened again and the run is finished by asking again; see
``killed_brokers`` for what is compared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.errors import UnavailableError
from tests.support.brokers import BrokerBench
from tests.support.killed_at import count_steps, killed, starved
from tests.support.killed_brokers import Experiment, listen, room_of
from tests.support.room_documents import RoomDocuments

COMMITS = frozenset({"commit"})
# A child tells each answer with one write.
AROUND = COMMITS | {"fsync", "write"}
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
        self._round(lambda work: hindered.append(starved(work, most=most, error=UnavailableError)))
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
