# SPDX-License-Identifier: Apache-2.0
"""Real brokers of a room's owners, and a scripted runner that can ask for anything.

The brokers are the product's, with real homes, keys and logs. The runner holds
real run keys and can lie in every field, because it signs with them itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence, parse_evidence
from cleanroom.attestation.platforms.simulated.collect import collect
from cleanroom.attestation.runtime_data import RuntimeData, make_runtime_data
from cleanroom.contract.broker_requests import ChallengeRequest, CommitRequest, ReleaseRequest
from cleanroom.contract.released_keys import ReleasedKeys, open_keys
from cleanroom.contract.state_chain import next_head, owners_of
from cleanroom.contract.statements import (
    KeyRelease,
    LoggedStatement,
    StateStep,
    log_leaf,
    verify_key_release,
)
from cleanroom.envelope.dsse import Envelope, sign_statement
from cleanroom.errors import CleanroomError
from cleanroom.identity.pins import Pins
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.broker import BrokerOwner, KeyBroker
from cleanroom.ledger.checkpoint import log_origin
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.model import (
    Answered,
    DatasetUse,
    Named,
    ReceiptBody,
    Sandbox,
    SealedResult,
)
from cleanroom.vault.data_key import list_versions, new_data_key, settle_data_key, stage_data_key
from tests.support.keys import ThrowawayParty, derive, signing_key
from tests.support.room_documents import NOW, RUNNER, RoomDocuments

SEALED_RESULT = b"sealed result"
SEALED_ENTRY = b"sealed state entry"


@dataclass
class TickingClock:
    """A clock that stands still until a test moves it."""

    now: dt.datetime = NOW

    def __call__(self) -> dt.datetime:
        """Tell the time."""
        return self.now

    def advance(self, **units: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**units)


@dataclass
class CountedEntropy:
    """Bytes that differ every time and are the same in every run of a test."""

    label: str
    drawn: int = 0

    def __call__(self, size: int) -> bytes:
        """Draw some bytes."""
        self.drawn += 1
        material = hashlib.shake_256(f"{self.label}/{self.drawn}".encode())
        return material.digest(size)


def broker_owner(party: ThrowawayParty, pins: Pins) -> BrokerOwner:
    """Make the owner of a broker."""
    return BrokerOwner(
        party=party.document,
        pins=lambda: pins,
        receiving=party.unlocked.receiving,
        broker_seed=party.unlocked.broker_seed,
        state_seed=party.unlocked.state_seed,
    )


def install_data_key(home: Path, *, party: ThrowawayParty, lineage: str, version: int = 1) -> None:
    """Keep the key of a dataset version in a broker's home, under its standard name."""
    key = dataclasses.replace(
        new_data_key(lineage=lineage, version=version),
        key_id=Digest.of(b"key of " + lineage.encode()).raw[:16],
        secret=data_key(lineage),
    )
    stage_data_key(home, key, receiving_key=party.document.receiving_key)
    settle_data_key(home, lineage=lineage, version=version)


def data_key(lineage: str) -> bytes:
    """Return the data key of a lineage."""
    return derive(f"data key of {lineage}")


@dataclass
class BrokerBench:
    """Two owners' brokers over one room, and the clock they share.

    Attributes:
        path: Where the brokers' homes are.
        room: The documents.
        clock: The brokers' clock.
        brokers: Open brokers by party.
        entropy: Where each broker draws from, restarts included.
    """

    path: Path
    room: RoomDocuments
    clock: TickingClock = field(default_factory=TickingClock)
    brokers: dict[str, KeyBroker] = field(default_factory=dict)
    entropy: dict[str, CountedEntropy] = field(default_factory=dict)

    def home(self, party: str) -> Path:
        """Return a broker's home."""
        return self.path / party

    def install_keys(self) -> None:
        """Give every owner the keys of its datasets, as sealing does."""
        for lineage, terms in self.room.dataset_terms.items():
            owner = lineage.partition(".")[0]
            home = self.home(owner)
            if terms.version in list_versions(home, lineage):
                continue
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            install_data_key(
                home, party=self.room.parties[owner], lineage=lineage, version=terms.version
            )

    def open(self, party: str, *, pins: Pins | None = None) -> KeyBroker:
        """Open a broker, as starting its process does."""
        owner = broker_owner(self.room.parties[party], pins or self.room.pins)
        entropy = self.entropy.setdefault(party, CountedEntropy(label=party))
        broker = KeyBroker.open(self.home(party), owner=owner, clock=self.clock, entropy=entropy)
        self.brokers[party] = broker
        return broker

    def close(self) -> None:
        """Close every broker."""
        for broker in self.brokers.values():
            broker.close()


@contextmanager
def broker_bench(
    path: Path, room: RoomDocuments, *, owners: Iterable[str] = ("hospital",)
) -> Iterator[BrokerBench]:
    """Open brokers over a room; most tests are about one owner's."""
    bench = BrokerBench(path=path, room=room)
    bench.install_keys()
    try:
        for party in owners:
            bench.open(party)
        yield bench
    finally:
        bench.close()


@dataclass(frozen=True, kw_only=True)
class ScriptedRunner:
    """A runner that says what it is told; another label holds other run keys."""

    room: RoomDocuments
    label: str = "first"

    @property
    def receiving(self) -> ReceivingKey:
        """The run's HPKE key."""
        return ReceivingKey.from_seed(derive(f"{self.label} run hpke"))

    def nonces(self, brokers: Mapping[str, KeyBroker]) -> dict[str, bytes]:
        """Ask every open broker for a nonce, and invent those of the others."""
        ask = ChallengeRequest(contract=self.room.contract_digest, run=self.room.run_terms.run)
        return {
            party: brokers[party].challenge(ask).nonce
            if party in brokers
            else derive(f"{self.label} nonce of {party}")
            for party in self.room.contract_terms.owners
        }

    def runtime(self, nonces: Mapping[str, bytes], **changes: Any) -> RuntimeData:
        """Bind the run, its keys and the nonces."""
        members: dict[str, Any] = {
            "contract": self.room.contract_digest,
            "query": self.room.query_digest,
            "run_request": Digest.of(self.room.bundle.run.data),
            "run": self.room.run_terms.run,
            "runner": RUNNER,
            "sign_key": signing_key(f"{self.label} run").public_key().public_bytes_raw(),
            "hpke_key": self.receiving.public_bytes,
            "gpus": (),
            "nonces": nonces,
        }
        return make_runtime_data(**(members | changes))

    def request(
        self,
        runtime: RuntimeData,
        *,
        measurement: Digest = RUNNER,
        issued_at: dt.datetime = NOW,
        attested: RuntimeData | None = None,
    ) -> ReleaseRequest:
        """Attest and ask for keys."""
        collected = collect(
            binding=bind64((attested or runtime).raw), measurement=measurement, issued_at=issued_at
        )
        evidence = Evidence.of(collected)
        return ReleaseRequest(
            bundle=self.room.bundle,
            runtime_data=runtime.raw,
            evidence=encode_evidence(evidence),
        )

    def ask(self, bench: BrokerBench, **changes: Any) -> ReleaseRequest:
        """Do everything up to asking for keys."""
        runtime = self.runtime(self.nonces(bench.brokers), **changes)
        return self.request(runtime, issued_at=bench.clock())

    def body(
        self,
        request: ReleaseRequest,
        releases: Mapping[str, LoggedStatement],
        *,
        state: Iterable[StateStep],
        answered: Answered = Answered.COMPUTED,
    ) -> ReceiptBody:
        """Say what happened."""
        room = self.room
        agreed = room.bundle.agreement
        return ReceiptBody(
            run=room.run_terms.run,
            contract=Named(name=room.contract_terms.name, digest=room.contract_digest),
            parties={name: Digest.of(file.data) for name, file in agreed.parties.items()},
            query=Named(name=room.query_terms.name, digest=room.query_digest),
            code={name: Digest.of(data) for name, data in room.bundle.code.items()},
            approvals={name: Digest.of(file.data) for name, file in room.bundle.approvals.items()},
            run_request=Digest.of(room.bundle.run.data),
            submitter=room.run_terms.submitter,
            parameters=room.run_terms.parameters,
            receivers=tuple(room.run_terms.receivers),
            datasets=tuple(
                DatasetUse(
                    lineage=lineage,
                    owner=room.dataset_terms[lineage].owner,
                    version=Digest.of(agreed.datasets[lineage].data),
                    number=room.dataset_terms[lineage].version,
                    policy=room.dataset_terms[lineage].policy,
                )
                for lineage in room.query_terms.datasets
            ),
            runtime_data=request.runtime_data,
            evidence=parse_evidence(request.evidence).to_json(),
            releases=dict(releases),
            checks=(),
            state=tuple(state),
            answered=answered,
            sandbox=Sandbox(level="process", layers=()),
            versions={"cleanroom": "0"},
            result=SealedResult(digest=Digest.of(SEALED_RESULT), size=len(SEALED_RESULT)),
            platform="simulated",
            banner="SIMULATED",
        )

    def sign(self, body: ReceiptBody) -> Envelope:
        """Sign a receipt with the run key."""
        return sign_statement(build_receipt(body), signing_key(f"{self.label} run"))

    def steps(
        self, releases: Mapping[str, LoggedStatement], *, entry: bytes | None
    ) -> tuple[StateStep, ...]:
        """Move every lineage of the releases over one entry."""
        heads = {
            dataset.lineage: dataset.head
            for party, logged in releases.items()
            for dataset in read_release(self.room, party, logged).datasets
        }
        return tuple(
            StateStep(
                lineage=lineage,
                previous=head,
                next=head if entry is None else next_head(head, Digest.of(entry)),
            )
            for lineage, head in sorted(heads.items())
        )

    def commit(
        self,
        request: ReleaseRequest,
        releases: Mapping[str, LoggedStatement],
        *,
        entry: bytes | None = SEALED_ENTRY,
        steps: tuple[StateStep, ...] | None = None,
        **changes: Any,
    ) -> CommitRequest:
        """Prepare a commit; ``changes`` are those of the receipt's body."""
        state = self.steps(releases, entry=entry) if steps is None else steps
        body = dataclasses.replace(
            self.body(
                request,
                releases,
                state=state,
                answered=Answered.STORED if entry is None else Answered.COMPUTED,
            ),
            **changes,
        )
        return CommitRequest(
            run=self.room.run_terms.run,
            receipt=self.sign(body),
            lineages=state,
            entry=entry,
            owners=owners_of(step.lineage for step in state),
        )


def read_release(room: RoomDocuments, party: str, logged: LoggedStatement) -> KeyRelease:
    """Verify a release as the runner does."""
    return verify_key_release(
        logged.statement, party=party, broker_key=room.parties[party].document.broker_key
    )


def open_release(runner: ScriptedRunner, party: str, logged: LoggedStatement) -> ReleasedKeys:
    """Verify and open a release as the runner does."""
    return open_keys(read_release(runner.room, party, logged), receiving=runner.receiving)


def require_logged(room: RoomDocuments, party: str, logged: LoggedStatement) -> None:
    """Raise unless the statement stands in its broker's log."""
    verify_entry(
        log_leaf(logged.statement.payload),
        index=logged.index,
        proof=logged.proof,
        checkpoint=logged.checkpoint.encode(),
        origin=log_origin(party),
        public_key=room.parties[party].document.broker_key,
    )


def refuse_release(
    bench: BrokerBench,
    request: ReleaseRequest,
    *,
    code: str,
    party: str = "hospital",
    kind: type[CleanroomError] = CleanroomError,
) -> None:
    """Expect that a broker refuses by a code, and that nothing was recorded by it."""
    before = bench.brokers[party].status().log_size
    with pytest.raises(kind) as refused:
        bench.brokers[party].release(request)
    assert refused.value.code == code
    assert bench.brokers[party].status().log_size == before
