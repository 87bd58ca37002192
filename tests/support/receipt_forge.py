# SPDX-License-Identifier: Apache-2.0
"""Receipts of the run in ``receipt_room``: an honest one, and any lie one likes.

Whoever holds a key can sign anything with it. Each knob changes what one key
holder says before everything later is built on it, so that a check cannot be
passed only because a signature broke first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence
from cleanroom.attestation.platforms.simulated.collect import collect
from cleanroom.attestation.runtime_data import RuntimeData, make_runtime_data
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.agreement import Agreement, Trust, agree
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import (
    ALL_RECEIVERS,
    Commit,
    DatasetRelease,
    KeyRelease,
    LoggedStatement,
    ReceiverReleases,
    StateStep,
    Uses,
    log_leaf,
    make_commit,
    make_key_release,
)
from cleanroom.envelope.dsse import Envelope, sign_statement
from cleanroom.errors import CleanroomError
from cleanroom.kernel.digest import Digest
from cleanroom.ledger.checkpoint import Checkpoint, log_origin
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.documents import contract_documents
from cleanroom.receipt.encoding import encode_receipt
from cleanroom.receipt.model import (
    Answered,
    CheckRecord,
    DatasetUse,
    Named,
    ReceiptBody,
    Sandbox,
    SealedResult,
)
from cleanroom.receipt.steps import StepLine
from cleanroom.receipt.verify import VerifiedReceipt, verify_receipt
from tests.support.keys import signing_key, throwaway_party
from tests.support.logs import reference_path, reference_root
from tests.support.receipt_room import (
    NOW,
    OWNERS,
    PROTECTED,
    RUN,
    RUNNER,
    SEALED_RESULT,
    Documents,
    make_documents,
)

RUN_KEY = signing_key("run")
ENTRY = Digest.of(b"sealed state entry")
COMMITTED = NOW + dt.timedelta(seconds=20)
EXPIRES = NOW + dt.timedelta(minutes=11)
CHECKS: tuple[tuple[str, dict[str, str | int]], ...] = (
    ("threshold", {"units": 10}),
    ("support", {"units": 10}),
    ("splits", {"units": 10}),
    ("dominance", {"share_of_1": "1/2", "share_of_2": "9/10"}),
    ("p-percent", {"p": "10"}),
    ("non-modal", {"units": 10}),
    ("difference", {"units": 12}),
    ("rounding", {"counts": 10, "significant_digits": 3}),
)

Changes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Lies:
    """What one key holder says instead of the truth, by owner where there is one each."""

    runtime: Mapping[str, Any] = field(default_factory=dict)
    measurement: Digest = RUNNER
    issued_at: dt.datetime = NOW
    release: Changes = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    commit: Changes = field(default_factory=dict)
    release_log: Changes = field(default_factory=dict)
    commit_log: Changes = field(default_factory=dict)
    signed_with: str = "run"
    broker_keys: Mapping[str, str] = field(default_factory=dict)
    entry: Digest | None = ENTRY
    commit_place: int = 4


HONEST = Lies()


@cache
def usual_documents() -> Documents:
    """Return the documents that most tests share and none of them changes."""
    return make_documents()


@dataclass(frozen=True, kw_only=True)
class Forge:
    """Makes receipts over one set of documents."""

    documents: Documents = field(default_factory=usual_documents)
    lies: Lies = HONEST

    @property
    def room(self) -> Any:
        """The room that the receipt's documents lie in."""
        return self.documents.room

    def agreement(self) -> Agreement:
        """Return the agreement, by going through its minter."""
        bundle = contract_documents(self.honest_names(), room=self.documents.room)
        return agree(bundle, trust=self.documents.pins)

    def honest_names(self) -> ReceiptBody:
        """Return a body that names the documents and says nothing else of use."""
        documents = self.documents
        return ReceiptBody(
            run=RUN,
            contract=Named(name="readmissions", digest=documents.contract),
            parties={name: party.digest for name, party in documents.pins.documents.items()},
            query=Named(name="readmissions", digest=documents.query),
            code={"query.sql": documents.code},
            approvals=documents.approvals,
            run_request=documents.request,
            submitter="analyst",
            parameters={"since": 2},
            receivers=("insurer",),
            datasets=tuple(
                DatasetUse(
                    lineage=lineage,
                    owner=terms.owner,
                    version=digest,
                    number=terms.version,
                    policy=documents.policies[lineage],
                )
                for lineage, (terms, digest) in documents.datasets.items()
            ),
            runtime_data=b"",
            evidence={},
            releases={},
            checks=self._checks(),
            state=self._state(),
            answered=Answered.COMPUTED if self.lies.entry else Answered.STORED,
            sandbox=Sandbox(level="process", layers=()),
            versions={"cleanroom": "0.1.0", "duckdb": "2.0.0"},
            result=SealedResult(digest=documents.result, size=len(SEALED_RESULT)),
            platform="simulated",
            banner="",
        )

    def runtime(self) -> RuntimeData:
        """Return what the runner bound."""
        members: dict[str, Any] = {
            "contract": self.documents.contract,
            "query": self.documents.query,
            "run_request": self.documents.request,
            "run": RUN,
            "runner": RUNNER,
            "sign_key": RUN_KEY.public_key().public_bytes_raw(),
            "hpke_key": b"h" * 1216,
            "gpus": (),
            "nonces": {owner: nonce(owner) for owner in OWNERS},
        }
        return make_runtime_data(**(members | dict(self.lies.runtime)))

    def evidence(self) -> Evidence:
        """Return simulated evidence over it."""
        return Evidence.of(
            collect(
                binding=bind64(self.runtime().raw),
                measurement=self.lies.measurement,
                issued_at=self.lies.issued_at,
            )
        )

    def release(self, owner: str, agreement: Agreement) -> KeyRelease:
        """Return what this owner's broker says when it releases."""
        runtime, evidence = self.runtime(), self.evidence()
        lies = self.lies.release.get(owner, {})
        mine = [
            (lineage, terms, digest)
            for lineage, (terms, digest) in self.documents.datasets.items()
            if terms.owner == owner
        ]
        honest = KeyRelease(
            party=owner,
            epoch="0" * 32,
            contract=self.documents.contract,
            query=self.documents.query,
            run_request=self.documents.request,
            run=RUN,
            runtime_data=runtime.digest,
            evidence=Digest.of(encode_evidence(evidence)),
            nonce=nonce(owner),
            appraisal={} if "appraisal" in lies else self._appraisal(agreement, lies),
            datasets=tuple(
                DatasetRelease(
                    lineage=lineage,
                    version=digest,
                    number=terms.version,
                    key_id=terms.key_id,
                    head=genesis_head(lineage),
                    entries=(),
                )
                for lineage, terms, digest in mine
            ),
            owners=OWNERS,
            uses=Uses(used=1, limit=50),
            releases=tuple(
                ReceiverReleases(lineage=lineage, receiver=receiver, used=1, limit=limit)
                for lineage, _, _ in mine
                for receiver, limit in (("insurer", 100), (ALL_RECEIVERS, 200))
            ),
            released_at=NOW,
            expires=EXPIRES,
            sealed=b"sealed keys",
        )
        return replace(honest, **lies)

    def body(self) -> ReceiptBody:
        """Return what the runner says."""
        agreement = self.agreement()
        releases = {
            owner: self._logged(
                owner, make_key_release(self.release(owner, agreement)), place=1, size=3
            )
            for owner in OWNERS
        }
        for owner, changes in self.lies.release_log.items():
            releases[owner] = replace(releases[owner], **changes)
        said = {
            "runtime_data": self.runtime().raw,
            "evidence": self.evidence().to_json(),
            "releases": releases,
            "banner": "SIMULATED - NOT CONFIDENTIAL: anybody can forge this evidence",
        }
        return replace(self.honest_names(), **(said | dict(self.lies.body)))

    def envelope(self, body: ReceiptBody) -> Envelope:
        """Sign the receipt statement."""
        return sign_statement(build_receipt(body), signing_key(self.lies.signed_with))

    def countersignatures(
        self, body: ReceiptBody, envelope: Envelope
    ) -> dict[str, LoggedStatement]:
        """Return what every owner's broker says when it commits."""
        commits = {}
        for owner in OWNERS:
            honest = Commit(
                party=owner,
                epoch="0" * 32,
                run=RUN,
                runtime_data=self.runtime().digest,
                receipt=Digest.of(envelope.payload),
                result=self.documents.result,
                lineages=body.state,
                entry=self.lies.entry,
                committed_at=COMMITTED,
            )
            said = replace(honest, **self.lies.commit.get(owner, {}))
            logged = self._logged(owner, make_commit(said), place=self.lies.commit_place, size=7)
            commits[owner] = replace(logged, **self.lies.commit_log.get(owner, {}))
        return commits

    def verify(self, *, trust: Trust | None = None) -> VerifiedReceipt:
        """Verify the receipt as a reader who pinned everybody."""
        return verify_receipt(
            self.receipt(), room=self.documents.room, trust=trust or self.documents.pins
        )

    def refusal(self, *, trust: Trust | None = None) -> tuple[str, CleanroomError]:
        """Return the step that refuses the receipt, and its error."""
        return self.refusal_of(self.receipt(), trust=trust)

    def refusal_of(self, data: bytes, *, trust: Trust | None = None) -> tuple[str, CleanroomError]:
        """Return the step that refuses these bytes in this room, and its error."""
        lines: list[StepLine] = []
        trust = trust or self.documents.pins
        with pytest.raises(CleanroomError) as caught:
            verify_receipt(data, room=self.documents.room, trust=trust, report=lines.append)
        assert [line.held for line in lines] == [True] * (len(lines) - 1) + [False]
        assert lines[-1].found == caught.value.message
        return lines[-1].step, caught.value

    def receipt(self) -> bytes:
        """Return ``receipt.json``."""
        body = self.body()
        envelope = self.envelope(body)
        return encode_receipt(envelope, self.countersignatures(body, envelope))

    def _state(self) -> tuple[StateStep, ...]:
        entry = self.lies.entry
        return tuple(
            StateStep(
                lineage=lineage,
                previous=genesis_head(lineage),
                next=next_head(genesis_head(lineage), entry) if entry else genesis_head(lineage),
            )
            for lineage in self.documents.datasets
        )

    def _checks(self) -> tuple[CheckRecord, ...]:
        if not set(self.documents.datasets) & set(PROTECTED):
            return ()
        return tuple(
            CheckRecord(rule=rule, parameters=parameters, verdict="held", withheld="0-9")
            for rule, parameters in CHECKS
        )

    def _appraisal(self, agreement: Agreement, lies: Mapping[str, Any]) -> Mapping[str, Any]:
        at = lies.get("released_at", NOW)
        profile = agreement.contract.attestation
        runtime = self.runtime()
        claims = verify_evidence(
            self.evidence(), binding=bind64(runtime.raw), at=at, trust=trust_for(profile)
        )
        return appraise(claims, profile=profile, runtime=runtime, at=at).to_ear()

    def _logged(self, owner: str, payload: bytes, *, place: int, size: int) -> LoggedStatement:
        label = self.lies.broker_keys.get(owner)
        key = signing_key(label) if label else throwaway_party(owner).broker_key
        entries = [f"{owner} entry {number}".encode() for number in range(size)]
        entries[place] = log_leaf(payload)
        origin = log_origin(owner)
        note = Checkpoint(origin=origin, size=size, root=reference_root(entries)).sign(key)
        return LoggedStatement(
            statement=sign_statement(payload, key),
            index=place,
            checkpoint=note.decode(),
            proof=tuple(reference_path(place, entries)),
        )


def nonce(owner: str) -> bytes:
    """Return the nonce that this owner's broker gave."""
    return Digest.of(f"nonce of {owner}".encode()).raw
