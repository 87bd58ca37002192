# SPDX-License-Identifier: Apache-2.0
"""Was it agreed, by people we know, and in force when the keys were given?"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.agreement import Agreement, ContractDigest, Trust, agree
from cleanroom.contract.approved_run import ApprovedRun, approve_run
from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.layout import DocumentSource
from cleanroom.contract.statements import KeyRelease
from cleanroom.kernel.clock import format_time
from cleanroom.receipt.documents import contract_documents, run_documents
from cleanroom.receipt.model import ReceiptBody
from cleanroom.receipt.steps import Found, require_same


def verify_contract(body: ReceiptBody, *, room: DocumentSource) -> Found[ContractBundle]:
    """Check that all parties signed the contract, and that the receipt names it and them.

    Raises:
        MalformedError: A document that is none.
        IntegrityError: A digest, name or signature does not match.
        RefusedError: A signature is missing.
    """
    documents = contract_documents(body, room=room)
    agreement = agree(documents, trust=ContractDigest(digest=body.contract.digest))
    source = "the contract"
    require_same(body.contract.name, agreement.contract.name, what="contract", source=source)
    parties = {name: party.digest for name, party in agreement.parties.items()}
    require_same(dict(body.parties), parties, what="parties", source=source)
    signers = ", ".join(sorted(parties))
    return Found(text=f"{agreement.contract.name}, signed by {signers}", value=documents)


def verify_identities(documents: ContractBundle, *, trust: Trust) -> Found[Agreement]:
    """Check that the reader knows whose keys signed.

    Raises:
        IdentityUnprovenError: A party is not pinned, or pinned with another document.
        IntegrityError: It is another contract than the reader named.
    """
    agreement = agree(documents, trust=trust)
    if isinstance(trust, ContractDigest):
        return Found(text=f"by the contract you named, {trust.digest}", value=agreement)
    return Found(text=f"{', '.join(sorted(agreement.parties))} pinned by you", value=agreement)


def verify_approval(
    body: ReceiptBody,
    agreement: Agreement,
    *,
    documents: ContractBundle,
    room: DocumentSource,
    releases: Mapping[str, KeyRelease],
) -> Found[ApprovedRun]:
    """Check that the run was asked for and approved at every broker's release time.

    Raises:
        MalformedError: A document that is none.
        IntegrityError: A signature or digest does not match.
        RefusedError: Not approved, expired, or not yet in force at one of the times.
    """
    bundle = run_documents(body, agreement=documents, room=room)
    runs = [approve_run(agreement, bundle, at=release.released_at) for release in releases.values()]
    first = min(release.released_at for release in releases.values())
    approvers = ", ".join(approval.approver for approval in runs[0].approvals)
    words = f"approved by {approvers}" if approvers else "approved by the contract itself"
    return Found(text=f"{words}, in force at {format_time(first)}", value=runs[0])
