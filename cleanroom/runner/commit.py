# SPDX-License-Identifier: Apache-2.0
"""Ask every owner's broker to countersign; without all of them there is no result.

A broker that countersigned keeps the entry for ever, whether or not the others
follow: what was prepared counts as released. A crash costs budget, never privacy.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Mapping

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.result import AttestationResult
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.broker_requests import CommitRequest
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.countersign import countersign_receipt
from cleanroom.receipt.model import (
    DatasetUse,
    Named,
    Receipt,
    ReceiptBody,
    Sandbox,
    SealedResult,
)
from cleanroom.runner.analysis.environment import environment_files
from cleanroom.runner.attest import Attested, runtime_versions
from cleanroom.runner.brokers import Broker
from cleanroom.runner.gate import Outcome
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.history import History
from cleanroom.runner.keys import RunKeys
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.vault.sealed_result import ResultContext, seal_result

COMMIT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything that a receipt speaks of, before anybody countersigned it."""

    approved: ApprovedRun
    attested: Attested
    keys: RunKeys
    grants: Mapping[str, KeyGrant]
    history: History
    outcome: Outcome
    confinement: Confinement


def commit(work: Work, *, brokers: Mapping[str, Broker]) -> tuple[bytes, Receipt]:
    """Return the sealed result and its receipt once every broker has countersigned.

    Raises:
        KeyRefusedError: A broker refuses, for example because another run was faster.
        IntegrityError: A countersignature is not that broker's.
    """
    sealed = _sealed_result(work)
    entry = work.history.seal(work.outcome.release) if work.outcome.is_new else None
    body = _body(work, sealed=sealed, entry=entry)
    envelope = sign_statement(build_receipt(body), work.keys.signing)
    request = CommitRequest(
        run=body.run,
        receipt=envelope,
        lineages=body.state,
        entry=entry,
        owners=work.history.owners,
    )
    countersignatures = {party: _countersign(broker, request) for party, broker in brokers.items()}
    receipt = countersign_receipt(
        envelope, agreement=work.approved.agreement, countersignatures=countersignatures
    )
    return sealed, receipt


def _countersign(broker: Broker, request: CommitRequest) -> LoggedStatement:
    # A broker answers the same commit in the same way, so a lost answer is asked for
    # again: giving up here would leave the others with an entry that nobody released.
    for _ in range(COMMIT_ATTEMPTS - 1):
        with contextlib.suppress(UnavailableError):
            return broker.commit(request)
    return broker.commit(request)


def _sealed_result(work: Work) -> bytes:
    approved = work.approved
    context = ResultContext(
        run=approved.request.run,
        contract=approved.agreement.contract.digest,
        query=approved.query.digest,
        run_request=approved.request.digest,
    )
    receivers = {
        party: approved.agreement.parties[party].receiving_key
        for party in sorted(approved.request.receivers)
    }
    return seal_result(work.outcome.release.result, context=context, receivers=receivers)


def _body(work: Work, *, sealed: bytes, entry: bytes | None) -> ReceiptBody:
    agreement, query, request = (
        work.approved.agreement,
        work.approved.query,
        work.approved.request,
    )
    attestation = _appraise(work)
    return ReceiptBody(
        run=request.run,
        contract=Named(name=agreement.contract.name, digest=agreement.contract.digest),
        parties={name: document.digest for name, document in agreement.parties.items()},
        query=Named(name=query.name, digest=query.digest),
        code={item.file: item.digest for item in query.code},
        approvals={item.approver: item.digest for item in work.approved.approvals},
        run_request=request.digest,
        submitter=request.submitter,
        parameters=work.approved.parameters,
        receivers=tuple(sorted(request.receivers)),
        datasets=_datasets(work.approved),
        runtime_data=work.attested.runtime.raw,
        evidence=work.attested.evidence.to_json(),
        releases={party: grant.logged for party, grant in work.grants.items()},
        checks=work.outcome.checks,
        state=work.history.steps(None if entry is None else Digest.of(entry)),
        answered=work.outcome.answered,
        sandbox=Sandbox(level=work.confinement.level.value, layers=work.confinement.layers),
        versions=_versions(work.approved),
        result=SealedResult(digest=Digest.of(sealed), size=len(sealed)),
        platform=attestation.platform,
        banner=attestation.banner,
    )


def _datasets(approved: ApprovedRun) -> tuple[DatasetUse, ...]:
    agreement = approved.agreement
    return tuple(
        DatasetUse(
            lineage=lineage,
            owner=agreement.datasets[lineage].owner,
            version=agreement.datasets[lineage].digest,
            number=agreement.datasets[lineage].version,
            policy=agreement.policies[lineage].digest,
        )
        for lineage in sorted(approved.query.datasets)
    )


def _versions(approved: ApprovedRun) -> dict[str, str]:
    # What code was given to import is known to the byte only where some was run.
    python = isinstance(approved.query.analysis, PythonAnalysis)
    files = {"analysis-files": str(environment_files())} if python else {}
    return {
        **files,
        "python": platform.python_version(),
        "cleanroom": importlib.metadata.version("cleanroom"),
        **runtime_versions(),
    }


def _appraise(work: Work) -> AttestationResult:
    """Repeat the brokers' appraisal, for the platform and the loud text that follows from it."""
    profile = work.approved.agreement.contract.attestation
    runtime, evidence = work.attested.runtime, work.attested.evidence
    at = min(grant.release.released_at for grant in work.grants.values())
    claims = verify_evidence(evidence, binding=bind64(runtime.raw), at=at, trust=trust_for(profile))
    return appraise(claims, profile=profile, runtime=runtime, at=at)
