# SPDX-License-Identifier: Apache-2.0
"""Between a receipt's values and its JSON, both ways and without a choice.

A receipt has exactly one spelling: reading it and writing it again must give the
same bytes, so no two files can be told apart that say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.contract.logged_statement import logged_from_json, logged_to_json
from cleanroom.contract.statement_shapes import LoggedStatement, StateStep
from cleanroom.envelope.dsse import Envelope, to_json
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.receipt import wire
from cleanroom.receipt.model import (
    RECEIPT_FORMAT,
    Answered,
    CheckRecord,
    DatasetUse,
    Named,
    ReceiptBody,
    Sandbox,
    SealedResult,
)


def body_from_wire(shape: wire.WireBody) -> ReceiptBody:
    """Turn the predicate into values.

    Raises:
        MalformedError: Base64 in another spelling, or a statement that is no envelope.
    """
    return ReceiptBody(
        run=shape.run,
        contract=_named(shape.contract),
        parties=_digests(shape.parties),
        query=_named(shape.query),
        code=_digests(shape.code),
        approvals=_digests(shape.approvals),
        run_request=Digest.parse(shape.run_request),
        submitter=shape.submitter,
        parameters=shape.parameters,
        receivers=tuple(shape.receivers),
        datasets=tuple(_dataset(item) for item in shape.datasets),
        runtime_data=decode_base64(shape.runtime_data, what="receipt runtime_data"),
        evidence=shape.evidence,
        releases=logged_by_party(shape.releases, what="key release"),
        checks=tuple(_check(item) for item in shape.checks),
        state=tuple(_step(item) for item in shape.state),
        answered=Answered(shape.answered),
        sandbox=Sandbox(level=shape.sandbox.level, layers=tuple(shape.sandbox.layers)),
        versions=shape.versions,
        result=SealedResult(digest=Digest.parse(shape.result.digest), size=shape.result.bytes),
        platform=shape.platform,
        banner=shape.banner,
    )


def body_to_json(body: ReceiptBody) -> dict[str, Any]:
    """Write the predicate; the inverse of :func:`body_from_wire`."""
    return {
        "format": RECEIPT_FORMAT,
        "run": body.run,
        "contract": _named_json(body.contract),
        "parties": _digests_json(body.parties),
        "query": _named_json(body.query),
        "code": _digests_json(body.code),
        "approvals": _digests_json(body.approvals),
        "run_request": str(body.run_request),
        "submitter": body.submitter,
        "parameters": dict(body.parameters),
        "receivers": sorted(body.receivers),
        "datasets": [
            _dataset_json(item) for item in sorted(body.datasets, key=lambda use: use.lineage)
        ],
        "runtime_data": encode_base64(body.runtime_data),
        "evidence": dict(body.evidence),
        "releases": _logged_json(body.releases),
        "checks": [_check_json(item) for item in body.checks],
        "state": [_step_json(item) for item in sorted(body.state, key=lambda step: step.lineage)],
        "answered": body.answered.value,
        "sandbox": {"level": body.sandbox.level, "layers": list(body.sandbox.layers)},
        "versions": dict(body.versions),
        "result": {"digest": str(body.result.digest), "bytes": body.result.size},
        "platform": body.platform,
        "banner": body.banner,
    }


def encode_receipt(envelope: Envelope, countersignatures: Mapping[str, LoggedStatement]) -> bytes:
    """Write ``receipt.json``: a DSSE envelope with the countersignatures beside it."""
    return canonical_json(
        {**to_json(envelope), "countersignatures": _logged_json(countersignatures)}
    )


def logged_by_party(
    values: Mapping[str, Mapping[str, Any]], *, what: str
) -> dict[str, LoggedStatement]:
    """Turn one logged statement a party into values; the envelopes stay unverified.

    Raises:
        MalformedError: A statement that is no DSSE envelope, or no place in a log.
    """
    return {
        party: logged_from_json(value, what=f"{what} of {party}") for party, value in values.items()
    }


def _logged_json(logged: Mapping[str, LoggedStatement]) -> dict[str, Any]:
    return {party: logged_to_json(item) for party, item in logged.items()}


def _named(shape: wire.WireNamed) -> Named:
    return Named(name=shape.name, digest=Digest.parse(shape.digest))


def _named_json(named: Named) -> dict[str, str]:
    return {"name": named.name, "digest": str(named.digest)}


def _digests(written: Mapping[str, str]) -> dict[str, Digest]:
    return {name: Digest.parse(text) for name, text in written.items()}


def _digests_json(digests: Mapping[str, Digest]) -> dict[str, str]:
    return {name: str(digest) for name, digest in digests.items()}


def _dataset(shape: wire.WireDataset) -> DatasetUse:
    return DatasetUse(
        lineage=shape.lineage,
        owner=shape.owner,
        version=Digest.parse(shape.version),
        number=shape.number,
        policy=Digest.parse(shape.policy),
    )


def _dataset_json(dataset: DatasetUse) -> dict[str, str | int]:
    return {
        "lineage": dataset.lineage,
        "owner": dataset.owner,
        "version": str(dataset.version),
        "number": dataset.number,
        "policy": str(dataset.policy),
    }


def _check(shape: wire.WireCheck) -> CheckRecord:
    return CheckRecord(
        rule=shape.rule,
        parameters=shape.parameters,
        verdict=shape.verdict,
        withheld=shape.withheld,
    )


def _check_json(check: CheckRecord) -> dict[str, Any]:
    return {
        "rule": check.rule,
        "parameters": dict(check.parameters),
        "verdict": check.verdict,
        "withheld": check.withheld,
    }


def _step(shape: wire.WireStep) -> StateStep:
    return StateStep(
        lineage=shape.lineage,
        previous=Digest.parse(shape.previous),
        next=Digest.parse(shape.next),
    )


def _step_json(step: StateStep) -> dict[str, str]:
    return {"lineage": step.lineage, "previous": str(step.previous), "next": str(step.next)}
