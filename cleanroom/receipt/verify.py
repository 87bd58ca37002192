# SPDX-License-Identifier: Apache-2.0
"""Is the receipt true? One list of named steps; each ends in one line or stops.

Nothing but the receipt, the room's documents and what the reader trusts goes
in: no clock, no network, no key. Every field of a receipt is compared in one of
the steps below; ``docs/protocol/receipt.md`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.attestation.result import AttestationResult
from cleanroom.contract.agreement import Trust
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.layout import DocumentSource
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.receipt.agreed import verify_approval, verify_contract, verify_identities
from cleanroom.receipt.attested import verify_attestation
from cleanroom.receipt.claims import (
    verify_datasets,
    verify_request,
    verify_result,
    verify_runtime_data,
    verify_sandbox,
    verify_signature,
)
from cleanroom.receipt.commits import verify_commits, verify_logs
from cleanroom.receipt.history import verify_state, verify_times
from cleanroom.receipt.model import ReceiptBody, UnverifiedReceipt
from cleanroom.receipt.parse import parse_receipt
from cleanroom.receipt.releases import verify_releases
from cleanroom.receipt.rules import verify_checks
from cleanroom.receipt.steps import Found, Journal, Report, StepLine, unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """Proof that every claim of a receipt agrees with what was signed.

    Attributes:
        body: The claims, all of them checked.
        digest: Digest of the receipt's statement.
        run: The approved run that it is the receipt of.
        attestation: Owner to the appraisal of the evidence at its release time.
        lines: One line a check, in order.
    """

    body: ReceiptBody
    digest: Digest
    run: ApprovedRun
    attestation: Mapping[str, AttestationResult]
    lines: tuple[StepLine, ...]


def verify_receipt(
    data: bytes, *, room: DocumentSource, trust: Trust, report: Report = unheard
) -> VerifiedReceipt:
    """Check a receipt against the room and what the reader trusts; the only minter.

    Args:
        data: Exact bytes of ``receipt.json``.
        room: Finds documents by digest; nothing it says is believed.
        trust: Pinned parties, or the digest of the contract.
        report: Told each line as it is written, the failing one included.

    Raises:
        MalformedError: The receipt or a document it names is not of its format.
        IntegrityError: A signature, digest or claim does not match.
        IdentityUnprovenError: Everything may be genuine, but nobody said whose keys they are.
        RefusedError: Everything is genuine, and not what was agreed.
        UnavailableError: The room lacks a document that the receipt names.
    """
    journal = Journal(report)
    # 1. One spelling, closed members, names that are fit to be paths (T-18).
    receipt = journal.check("format", lambda: _read(data))
    body = receipt.body
    # 2. A contract that every party signed, and the documents that it fixes (T-01, T-17).
    documents = journal.check("contract", lambda: verify_contract(body, room=room))
    # 3. Whose keys these are, before anything leans on a broker's key (T-03).
    agreement = journal.check("identities", lambda: verify_identities(documents, trust=trust))
    # 4. What the evidence binds: this run, and the key that signs its receipt (T-05, T-15).
    runtime = journal.check("runtime data", lambda: verify_runtime_data(body, agreement=agreement))
    journal.check("signature", lambda: verify_signature(receipt, runtime=runtime))
    # 5. Every owner's broker gave its keys to exactly this run (T-05, T-14).
    releases = journal.check(
        "key releases", lambda: verify_releases(body, agreement=agreement, runtime=runtime)
    )
    # 6. People asked for it and approved it, in force when keys were given (T-07, T-09, T-20).
    run = journal.check(
        "approval",
        lambda: verify_approval(body, agreement, documents=documents, room=room, releases=releases),
    )
    journal.check("request", lambda: verify_request(body, run=run))
    journal.check("datasets", lambda: verify_datasets(body, run=run))
    # 7. The runner was the agreed one, by the platform's word and not its own (T-04, T-21).
    attestation = journal.check(
        "attestation",
        lambda: verify_attestation(body, agreement, runtime=runtime, releases=releases),
    )
    journal.check("sandbox", lambda: verify_sandbox(body, agreement=agreement))
    # 8. The owners' output rules, none of them loosened (T-08).
    journal.check("rules", lambda: verify_checks(body, run=run))
    # 9. Every owner's broker countersigned, moved its history and logged it (T-02, T-14, T-19).
    commits = journal.check("countersignatures", lambda: verify_commits(receipt, agreement))
    journal.check("history", lambda: verify_state(body, releases=releases, commits=commits))
    journal.check("times", lambda: verify_times(agreement, releases=releases, commits=commits))
    journal.check("logs", lambda: verify_logs(receipt, agreement))
    # 10. The sealed result in the room is the one that was countersigned (T-01).
    journal.check("result", lambda: verify_result(body, room=room))
    return VerifiedReceipt(
        body=body, digest=receipt.digest, run=run, attestation=attestation, lines=journal.lines
    )


def _read(data: bytes) -> Found[UnverifiedReceipt]:
    receipt = parse_receipt(data)
    return Found(text=f"run {receipt.body.run}, receipt {receipt.digest}", value=receipt)
