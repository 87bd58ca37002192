# SPDX-License-Identifier: Apache-2.0
"""Two owners' brokers that run after run countersigned, and one that lost its memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cleanroom.contract.broker_allowance import (
    KIND,
    AllowanceTerms,
    LineageAllowance,
    render_allowance,
)
from cleanroom.contract.broker_requests import CommitRequest, ReleaseRequest
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import LoggedStatement, StateStep, verify_commit
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.backup import back_up, restore
from cleanroom.keybroker.recovery import follow, recover, take_allowance
from cleanroom.keybroker.state import BrokerState
from tests.support.brokers import BrokerBench, ScriptedRunner, broker_bench
from tests.support.keys import sign_by
from tests.support.killed_brokers import TOUCHED, room_of
from tests.support.room_documents import RoomDocuments

LOST, KEPT = "hospital", "insurer"
LINEAGE = TOUCHED[0]


@dataclass
class Disaster:
    """What happens to a broker, step by step.

    Attributes:
        bench: Both brokers.
        runs: How many runs were begun.
        leaves: What everybody saw of the lost broker's log, in order.
    """

    bench: BrokerBench
    runs: int = 0
    leaves: list[bytes] = field(default_factory=list)

    @property
    def room(self) -> RoomDocuments:
        """The first run's room; all runs share its contract."""
        return self.bench.room

    @property
    def home(self) -> Path:
        """Home of the broker that loses its memory."""
        return self.bench.home(LOST)

    def ask(self) -> tuple[ScriptedRunner, ReleaseRequest]:
        """Attest for one more run."""
        runner = ScriptedRunner(room=room_of(self.runs))
        self.runs += 1
        return runner, runner.ask(self.bench)

    def release(self) -> tuple[ScriptedRunner, ReleaseRequest, dict[str, LoggedStatement]]:
        """Let both brokers release for one more run."""
        runner, request = self.ask()
        brokers = self.bench.brokers
        return runner, request, {name: brokers[name].release(request) for name in (LOST, KEPT)}

    def run(self, *, countersigned: tuple[str, ...] = (LOST, KEPT)) -> CommitRequest:
        """Release and commit one more run, countersigned by some."""
        runner, request, releases = self.release()
        number = self.runs - 1
        heads = {}
        for name in (LOST, KEPT):
            heads |= self.bench.brokers[name].status().heads
        entry = f"entry of run {number}".encode()
        steps = tuple(
            StateStep(lineage=lineage, previous=head, next=next_head(head, Digest.of(entry)))
            for lineage in TOUCHED
            for head in [heads.get(lineage, genesis_head(lineage))]
        )
        commit = runner.commit(request, releases, steps=steps, entry=entry)
        for name in countersigned:
            self.bench.brokers[name].commit(commit)
        return commit

    def head(self) -> Digest:
        """Return the lost broker's head of its own lineage."""
        return self.bench.brokers[LOST].status().heads[LINEAGE]

    def back_up(self, name: str = "copy") -> Path:
        """Copy the home, as the owner does every night."""
        target = self.bench.path / name
        back_up(self.home, target)
        return target

    def lose(self) -> None:
        """End the broker and lose its disk; the log was copied by others."""
        self.leaves = self.seen()
        self.bench.brokers.pop(LOST).close()
        self.home.rename(self.bench.path / f"lost-{len(list(self.bench.path.iterdir()))}")

    def seen(self) -> list[bytes]:
        """Return the leaves of the broker's log."""
        broker = self.bench.brokers[LOST]
        state = broker._home.state  # noqa: SLF001 - what others copied over the network
        with state.transaction() as opened:
            return [
                opened.standing.leaf(number) for number in range(opened.standing.statement_count)
            ]

    def restore(self, copy: Path, *, epoch: str = "1" * 32) -> None:
        """Begin a new life from a copy, and serve it."""
        restore(
            copy,
            self.home,
            party=LOST,
            leaves=self.leaves,
            epoch=epoch,
            at=self.bench.clock(),
        )
        self.bench.open(LOST)

    def recover(self) -> None:
        """Take the lineage's history up from the other broker, as `broker allow` does."""
        other = self.bench.brokers[KEPT]
        key = self.room.parties[KEPT].document.broker_key
        commits = [
            verify_commit(envelope, party=KEPT, broker_key=key)
            for envelope in other.commits(LINEAGE, start=0)
        ]
        with self.stopped() as state, state.transaction() as opened:
            steps = follow(LINEAGE, opened.standing.head(LINEAGE), commits)
            recover(opened, LINEAGE, steps, fetch=other.entry)

    def allow(self, file: SignedFile) -> None:
        """Take an allowance, as `broker allow` does."""
        with self.stopped() as state, state.transaction() as opened:
            take_allowance(file, owner=self.room.parties[LOST].document, opened=opened)

    def sign(
        self,
        *,
        by: str = LOST,
        kind: str = KIND,
        head: Digest | None = None,
        left: int = 1,
        contracts: Mapping[Digest, int] | None = None,
        lineage: str = LINEAGE,
        **changes: str,
    ) -> SignedFile:
        """Sign what is left, in the present life of the broker."""
        status = self.bench.brokers[LOST].status()
        known = status.heads.get(LINEAGE, genesis_head(LINEAGE))
        terms = AllowanceTerms(
            **{"party": LOST, "epoch": status.epoch, **changes},
            contracts={self.room.contract_digest: left} if contracts is None else contracts,
            lineages={lineage: LineageAllowance(head=head or known, releases_left=left)},
        )
        signer = self.room.parties[by]
        file = sign_by(render_allowance(terms), kind=kind, parties=(signer,))
        return SignedFile(data=file.data, signatures={LOST: file.signatures[by]})

    @contextmanager
    def stopped(self) -> Iterator[BrokerState]:
        """Hold the memory while the broker does not run."""
        self.bench.brokers.pop(LOST).close()
        state = BrokerState(self.home)
        try:
            yield state
        finally:
            state.close()
            self.bench.open(LOST)


@contextmanager
def disaster(path: Path) -> Iterator[Disaster]:
    """Open both brokers."""
    with broker_bench(path, room_of(0), owners=(LOST, KEPT)) as bench:
        yield Disaster(bench=bench)
