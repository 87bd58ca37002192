# SPDX-License-Identifier: Apache-2.0
"""The predicates of brokers' statements: closed JSON shapes and their values.

Writing and reading stand side by side, one pair a statement, so that a field
cannot be signed by one side and overlooked by the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from cleanroom.contract.statement_shapes import (
    Acknowledgement,
    Commit,
    DatasetRelease,
    KeyRelease,
    ReceiverReleases,
    Refusal,
    StateEntry,
    StateStep,
    Uses,
)
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.clock import format_time, parse_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.wire_model import WireModel, validate_shape

KEY_RELEASE_FORMAT = "cleanroom.key-release.v0"
REFUSAL_FORMAT = "cleanroom.refusal.v0"
COMMIT_FORMAT = "cleanroom.commit.v0"
ACKNOWLEDGEMENT_FORMAT = "cleanroom.acknowledgement.v0"
NO_ENTRY = "none"


class StateStepWire(WireModel):
    """One lineage before and after."""

    lineage: str
    previous: str
    next: str


class _StateEntryWire(WireModel):
    digest: str
    owners: list[str]


class _DatasetWire(WireModel):
    lineage: str
    version: str
    number: int
    key_id: str
    head: str
    entries: list[_StateEntryWire]


class _UsesWire(WireModel):
    used: int
    limit: int


class _ReleasesWire(WireModel):
    lineage: str
    receiver: str
    used: int
    limit: int


class _KeyReleaseWire(WireModel):
    format: Literal["cleanroom.key-release.v0"]
    party: str
    epoch: str
    contract: str
    query: str
    run_request: str
    run: str
    runtime_data: str
    evidence: str
    nonce: str
    appraisal: dict[str, Any]
    datasets: list[_DatasetWire]
    owners: list[str]
    uses: _UsesWire
    releases: list[_ReleasesWire]
    released_at: str
    expires: str
    sealed: str


class _RefusalWire(WireModel):
    format: Literal["cleanroom.refusal.v0"]
    party: str
    run: str
    code: str
    message: str
    refused_at: str


class _CommitWire(WireModel):
    format: Literal["cleanroom.commit.v0"]
    party: str
    epoch: str
    run: str
    runtime_data: str
    receipt: str
    result: str
    lineages: list[StateStepWire]
    entry: str
    committed_at: str


class _AcknowledgementWire(WireModel):
    format: Literal["cleanroom.acknowledgement.v0"]
    party: str
    epoch: str
    kind: Literal["rejection", "revocation", "contract"]
    document: str
    acknowledged_at: str


def step_to_json(step: StateStep) -> dict[str, JSONValue]:
    """Write one lineage's step."""
    return {"lineage": step.lineage, "previous": str(step.previous), "next": str(step.next)}


def step_from_wire(wire: StateStepWire, *, what: str) -> StateStep:
    """Read one lineage's step."""
    return StateStep(
        lineage=wire.lineage,
        previous=Digest.parse(wire.previous, what=f"{what} previous head"),
        next=Digest.parse(wire.next, what=f"{what} next head"),
    )


def key_release_to_json(release: KeyRelease) -> dict[str, JSONValue]:
    """Write the predicate of a key release."""
    return {
        "format": KEY_RELEASE_FORMAT,
        "party": release.party,
        "epoch": release.epoch,
        "contract": str(release.contract),
        "query": str(release.query),
        "run_request": str(release.run_request),
        "run": release.run,
        "runtime_data": str(release.runtime_data),
        "evidence": str(release.evidence),
        "nonce": encode_base64(release.nonce),
        "appraisal": dict(release.appraisal),
        "datasets": [_dataset_to_json(dataset) for dataset in release.datasets],
        "owners": list(release.owners),
        "uses": {"used": release.uses.used, "limit": release.uses.limit},
        "releases": [_releases_to_json(count) for count in release.releases],
        "released_at": format_time(release.released_at),
        "expires": format_time(release.expires),
        "sealed": encode_base64(release.sealed),
    }


def _dataset_to_json(dataset: DatasetRelease) -> dict[str, JSONValue]:
    return {
        "lineage": dataset.lineage,
        "version": str(dataset.version),
        "number": dataset.number,
        "key_id": dataset.key_id,
        "head": str(dataset.head),
        "entries": [
            {"digest": str(entry.digest), "owners": list(entry.owners)} for entry in dataset.entries
        ],
    }


def _releases_to_json(count: ReceiverReleases) -> dict[str, JSONValue]:
    return {
        "lineage": count.lineage,
        "receiver": count.receiver,
        "used": count.used,
        "limit": count.limit,
    }


def key_release_from_json(predicate: Mapping[str, Any], *, what: str) -> KeyRelease:
    """Read the predicate of a key release.

    Raises:
        MalformedError: A key missing, unknown or of another form.
    """
    wire = validate_shape(_KeyReleaseWire, dict(predicate), what=what)
    return KeyRelease(
        party=wire.party,
        epoch=wire.epoch,
        contract=Digest.parse(wire.contract, what=f"{what} contract"),
        query=Digest.parse(wire.query, what=f"{what} query"),
        run_request=Digest.parse(wire.run_request, what=f"{what} run request"),
        run=wire.run,
        runtime_data=Digest.parse(wire.runtime_data, what=f"{what} runtime data"),
        evidence=Digest.parse(wire.evidence, what=f"{what} evidence"),
        nonce=decode_base64(wire.nonce, what=f"{what} nonce"),
        appraisal=wire.appraisal,
        datasets=tuple(_dataset_from_wire(dataset, what=what) for dataset in wire.datasets),
        owners=tuple(wire.owners),
        uses=Uses(used=wire.uses.used, limit=wire.uses.limit),
        releases=tuple(_releases_from_wire(count) for count in wire.releases),
        released_at=parse_time(wire.released_at, what=f"{what} time"),
        expires=parse_time(wire.expires, what=f"{what} expiry"),
        sealed=decode_base64(wire.sealed, what=f"{what} sealed keys"),
    )


def _dataset_from_wire(wire: _DatasetWire, *, what: str) -> DatasetRelease:
    return DatasetRelease(
        lineage=wire.lineage,
        version=Digest.parse(wire.version, what=f"{what} dataset version"),
        number=wire.number,
        key_id=wire.key_id,
        head=Digest.parse(wire.head, what=f"{what} state head"),
        entries=tuple(
            StateEntry(
                digest=Digest.parse(entry.digest, what=f"{what} state entry"),
                owners=tuple(entry.owners),
            )
            for entry in wire.entries
        ),
    )


def _releases_from_wire(wire: _ReleasesWire) -> ReceiverReleases:
    return ReceiverReleases(
        lineage=wire.lineage, receiver=wire.receiver, used=wire.used, limit=wire.limit
    )


def refusal_to_json(refusal: Refusal) -> dict[str, JSONValue]:
    """Write the predicate of a refusal."""
    return {
        "format": REFUSAL_FORMAT,
        "party": refusal.party,
        "run": refusal.run,
        "code": refusal.code,
        "message": refusal.message,
        "refused_at": format_time(refusal.refused_at),
    }


def refusal_from_json(predicate: Mapping[str, Any], *, what: str) -> Refusal:
    """Read the predicate of a refusal.

    Raises:
        MalformedError: A key missing, unknown or of another form.
    """
    wire = validate_shape(_RefusalWire, dict(predicate), what=what)
    return Refusal(
        party=wire.party,
        run=wire.run,
        code=wire.code,
        message=wire.message,
        refused_at=parse_time(wire.refused_at, what=f"{what} time"),
    )


def commit_to_json(commit: Commit) -> dict[str, JSONValue]:
    """Write the predicate of a commit."""
    return {
        "format": COMMIT_FORMAT,
        "party": commit.party,
        "epoch": commit.epoch,
        "run": commit.run,
        "runtime_data": str(commit.runtime_data),
        "receipt": str(commit.receipt),
        "result": str(commit.result),
        "lineages": [step_to_json(step) for step in commit.lineages],
        "entry": NO_ENTRY if commit.entry is None else str(commit.entry),
        "committed_at": format_time(commit.committed_at),
    }


def commit_from_json(predicate: Mapping[str, Any], *, what: str) -> Commit:
    """Read the predicate of a commit.

    Raises:
        MalformedError: A key missing, unknown or of another form.
    """
    wire = validate_shape(_CommitWire, dict(predicate), what=what)
    return Commit(
        party=wire.party,
        epoch=wire.epoch,
        run=wire.run,
        runtime_data=Digest.parse(wire.runtime_data, what=f"{what} runtime data"),
        receipt=Digest.parse(wire.receipt, what=f"{what} receipt"),
        result=Digest.parse(wire.result, what=f"{what} result"),
        lineages=tuple(step_from_wire(step, what=what) for step in wire.lineages),
        entry=None if wire.entry == NO_ENTRY else Digest.parse(wire.entry, what=f"{what} entry"),
        committed_at=parse_time(wire.committed_at, what=f"{what} time"),
    )


def acknowledgement_to_json(acknowledgement: Acknowledgement) -> dict[str, JSONValue]:
    """Write the predicate of an acknowledgement."""
    return {
        "format": ACKNOWLEDGEMENT_FORMAT,
        "party": acknowledgement.party,
        "epoch": acknowledgement.epoch,
        "kind": acknowledgement.kind,
        "document": str(acknowledgement.document),
        "acknowledged_at": format_time(acknowledgement.acknowledged_at),
    }


def acknowledgement_from_json(predicate: Mapping[str, Any], *, what: str) -> Acknowledgement:
    """Read the predicate of an acknowledgement.

    Raises:
        MalformedError: A key missing, unknown or of another form.
    """
    wire = validate_shape(_AcknowledgementWire, dict(predicate), what=what)
    return Acknowledgement(
        party=wire.party,
        epoch=wire.epoch,
        kind=wire.kind,
        document=Digest.parse(wire.document, what=f"{what} document"),
        acknowledged_at=parse_time(wire.acknowledged_at, what=f"{what} time"),
    )
