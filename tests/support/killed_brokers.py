# SPDX-License-Identifier: Apache-2.0
"""Kill a broker at many points of a release and of a commit, and inspect what is left.

Run as ``python -m tests.support.killed_brokers DIRECTORY ROUNDS``; it is a process
of its own because forking needs one without threads. Each round forks a child
that opens the broker, asks it for one release and one commit, and reports each
answer through a pipe. The parent kills the child with SIGKILL at a moment that
differs every round, opens the home again, and finishes the run as a runner
would: by asking again.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cleanroom.contract.broker_requests import CommitRequest, ReleaseRequest
from cleanroom.contract.broker_wire import decode_commit_request, encode_commit_request
from cleanroom.contract.state_chain import derive_head, genesis_head, next_head
from cleanroom.contract.statements import LoggedStatement, StateStep
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import write_atomic
from cleanroom.keybroker.broker import KeyBroker
from tests.support.brokers import BrokerBench, ScriptedRunner, read_release, require_logged
from tests.support.room_documents import RoomDocuments, build_room

MINE = "hospital.patients"
TOUCHED = (MINE, "insurer.members")
ASKING_RELEASE, RELEASED, ASKING_COMMIT, COMMITTED = b"r", b"R", b"c", b"C"
# Kills are spread from the moment of asking until well after the usual answer.
SPREAD = 1.4


def room_of(number: int) -> RoomDocuments:
    """Make the room of one run; all runs share one contract."""
    return build_room(
        contract={"max_runs": 10_000},
        policies={MINE: {"releases_per_receiver": 10_000, "releases_total": 10_000}},
        query={"datasets": {MINE: ("sex",), "insurer.members": ("plan",)}},
        run={"run": f"killed-run-{number:04}"},
    )


@dataclass
class Experiment:
    """All rounds over one home.

    Attributes:
        bench: The broker's home.
        entries: Digests of the entries committed so far, in order.
        seen: How far a child had come when it was killed, and how often.
        usual: Seconds that a release and a commit take undisturbed.
    """

    bench: BrokerBench
    entries: list[Digest] = field(default_factory=list)
    seen: dict[bytes, int] = field(default_factory=dict)
    usual: dict[bytes, float] = field(default_factory=dict)

    def undisturbed(self) -> None:
        """Do the first run without a kill, and measure it."""
        room = room_of(0)
        broker = self.bench.open("hospital")
        request = self.request(room, broker)
        began = time.monotonic()
        logged = broker.release(request)
        released = time.monotonic()
        commit = self.prepare(room, broker, request=request, logged=logged)
        preparing = time.monotonic()
        broker.commit(commit)
        self.usual = {
            ASKING_RELEASE: released - began,
            ASKING_COMMIT: time.monotonic() - preparing,
        }
        broker.close()
        self.entries.append(Digest.of(commit.entry or b""))

    def round(self, number: int, *, rounds: int) -> None:
        """Kill one child, then finish its run and check what was left."""
        room = room_of(number)
        broker = self.bench.open("hospital")
        request = self.request(room, broker)
        broker.close()
        target = ASKING_RELEASE if number % 2 else ASKING_COMMIT
        delay = self.usual[target] * SPREAD * number / rounds
        told = kill_child(lambda pipe: self.child(pipe, room, request), target=target, delay=delay)
        state = told[0][0] if told else b""
        self.seen[state] = self.seen.get(state, 0) + 1
        self.inspect(room, request, answered=dict(told))

    def child(self, pipe: int, room: RoomDocuments, request: ReleaseRequest) -> None:
        """Release and commit, telling every step; is killed anywhere in it."""
        broker = self.bench.open("hospital")
        tell(pipe, ASKING_RELEASE, b"")
        logged = broker.release(request)
        tell(pipe, RELEASED, logged.statement.payload)
        commit = self.prepare(room, broker, request=request, logged=logged)
        write_atomic(self.commit_path(room), encode_commit_request(commit))
        tell(pipe, ASKING_COMMIT, b"")
        tell(pipe, COMMITTED, broker.commit(commit).statement.payload)

    def inspect(
        self, room: RoomDocuments, request: ReleaseRequest, *, answered: dict[bytes, Digest]
    ) -> None:
        """Open the home again, ask again, and compare with what had left the broker."""
        broker = self.bench.open("hospital")
        logged = broker.release(request)
        require_logged(room, "hospital", logged)
        _require_same(answered.get(RELEASED), logged)
        said = read_release(room, "hospital", logged)
        # Every run before this one cost one use, whatever was killed on the way.
        assert said.uses.used == len(self.entries) + 1, said.uses
        assert all(count.used == len(self.entries) + 1 for count in said.releases)
        path = self.commit_path(room)
        if path.exists():
            commit = decode_commit_request(path.read_bytes())
        else:
            commit = self.prepare(room, broker, request=request, logged=logged)
        countersigned = broker.commit(commit)
        require_logged(room, "hospital", countersigned)
        _require_same(answered.get(COMMITTED), countersigned)
        assert broker.commit(commit).statement == countersigned.statement
        self.entries.append(Digest.of(commit.entry or b""))
        status = broker.status()
        assert status.log_size == 2 * len(self.entries), status.log_size
        assert status.heads == {MINE: derive_head(MINE, self.entries)}
        assert all(Digest.of(broker.entry(entry)) == entry for entry in self.entries[-2:])
        broker.close()

    def commit_path(self, room: RoomDocuments) -> Path:
        """Where a child keeps the commit that it is about to ask for."""
        return self.bench.path / f"{room.run_terms.run}.commit"

    def request(self, room: RoomDocuments, broker: KeyBroker) -> ReleaseRequest:
        """Attest with a fresh nonce."""
        runner = ScriptedRunner(room=room)
        return runner.request(runner.runtime(runner.nonces({"hospital": broker})))

    def prepare(
        self,
        room: RoomDocuments,
        broker: KeyBroker,
        *,
        request: ReleaseRequest,
        logged: LoggedStatement,
    ) -> CommitRequest:
        """Prepare a commit on the newest head."""
        entry = f"entry of {room.run_terms.run}".encode()
        heads = broker.status().heads
        steps = tuple(_moved(lineage, heads.get(lineage), entry) for lineage in TOUCHED)
        runner = ScriptedRunner(room=room)
        return runner.commit(request, {"hospital": logged}, steps=steps, entry=entry)


def _moved(lineage: str, head: Digest | None, entry: bytes) -> StateStep:
    head = genesis_head(lineage) if head is None else head
    return StateStep(lineage=lineage, previous=head, next=next_head(head, Digest.of(entry)))


def _require_same(told: Digest | None, logged: LoggedStatement) -> None:
    assert told is None or told == Digest.of(logged.statement.payload), "another statement"


def tell(pipe: int, tag: bytes, payload: bytes) -> None:
    """Tell the parent a tag and a digest, in one write."""
    os.write(pipe, tag + Digest.of(payload).raw)


def kill_child(
    work: Callable[[int], None], *, target: bytes, delay: float
) -> list[tuple[bytes, Digest]]:
    """Fork, wait for the target and the delay, kill; return what was told, newest first."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        failed = 1
        try:
            work(writing)
            failed = 0
        finally:
            os._exit(failed)
    os.close(writing)
    told = listen(reading, until=target)
    select.select([], [], [], delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGKILL}, "the child failed by itself"
    told += listen(reading, until=b"")
    os.close(reading)
    return told[::-1]


def listen(reading: int, *, until: bytes) -> list[tuple[bytes, Digest]]:
    """Hear what a child tells, until it says so or ends."""
    told = []
    while message := os.read(reading, 33):
        told.append((message[:1], Digest(message[1:])))
        if message[:1] == until:
            break
    return told


def main() -> None:
    """Run all rounds; an assertion that fails ends the process."""
    directory, rounds = Path(sys.argv[1]), int(sys.argv[2])
    experiment = Experiment(bench=BrokerBench(path=directory, room=room_of(0)))
    experiment.bench.install_keys()
    experiment.undisturbed()
    for number in range(1, rounds + 1):
        experiment.round(number, rounds=rounds)
    for state, count in sorted(experiment.seen.items()):
        sys.stdout.write(f"{state.decode()} {count}\n")


if __name__ == "__main__":
    main()
