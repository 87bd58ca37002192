# SPDX-License-Identifier: Apache-2.0
"""What parties took back, and how it survives a room that hides it.

Rejections and revocations go to every broker directly. A broker also learns from
whatever a request shows it, once and for ever: the room may show a document
today and hide it tomorrow (T-06).
"""

from __future__ import annotations

from typing import TypeAlias

from cleanroom.contract.approval import Approval, Decision, parse_approval
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.revocation import Revocation, parse_revocation
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import (
    IdentityUnprovenError,
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
)
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineRejection:
    """A rejection whose pinned approver signed it; only ``verify_rejection`` makes one."""

    approval: Approval
    file: SignedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineRevocation:
    """A revocation whose pinned party signed it; only ``verify_revocation`` makes one."""

    revocation: Revocation
    file: SignedFile


Withdrawal: TypeAlias = GenuineRejection | GenuineRevocation


def verify_rejection(file: SignedFile, *, pins: Pins) -> GenuineRejection:
    """Return the rejection if a pinned party signed it.

    Raises:
        MalformedError: Not an approval document.
        KeyRefusedError: It approves; a broker is told of approvals by the request alone.
        IdentityUnprovenError: The approver is not pinned.
        IntegrityError: The signature does not match.
    """
    approval = parse_approval(file.data)
    if approval.decision is not Decision.REJECT:
        raise KeyRefusedError(
            "notice: the document approves", code="broker.not-a-rejection", hint="send rejections"
        )
    signer = _pinned(approval.approver, pins)
    verify_file(file, kind="approval", signer=signer, what="approval.toml")
    return GenuineRejection(approval=approval, file=_signed_by(file, approval.approver))


def verify_revocation(file: SignedFile, *, pins: Pins) -> GenuineRevocation:
    """Return the revocation if a pinned party signed it.

    Raises:
        MalformedError: Not a revocation.
        IdentityUnprovenError: The party is not pinned.
        IntegrityError: The signature does not match.
    """
    revocation = parse_revocation(file.data)
    signer = _pinned(revocation.party, pins)
    verify_file(file, kind="revocation", signer=signer, what="revocation.toml")
    return GenuineRevocation(revocation=revocation, file=_signed_by(file, revocation.party))


def withdrawals_in(bundle: RunBundle, *, pins: Pins) -> tuple[Withdrawal, ...]:
    """Return the genuine rejections and revocations that a request shows.

    A forged one withdraws nothing and is left out here; whether it stops the run
    is for the decision to say.
    """
    found: list[Withdrawal] = []
    for file in bundle.approvals.values():
        try:
            found.append(verify_rejection(file, pins=pins))
        except (MalformedError, IntegrityError, RefusedError):
            continue
    for file in bundle.revocations:
        try:
            found.append(verify_revocation(file, pins=pins))
        except (MalformedError, IntegrityError, RefusedError):
            continue
    return tuple(found)


def known_withdrawals(
    standing: Standing, *, contract: Digest, query: Digest
) -> tuple[SignedFile, ...]:
    """Return what the broker remembers against a run: it wins over what the room shows.

    An approver may change its mind: an approval with a higher sequence number than
    the rejection stands against it.
    """
    rejections = standing.rejections(contract=contract, query=query)
    return (*rejections.values(), *standing.revocations())


def _pinned(party: str, pins: Pins) -> PartyDocument:
    document = pins.documents.get(party)
    if document is None:
        raise IdentityUnprovenError(
            f"notice: {party} is not pinned",
            code="broker.party-unknown",
            hint="compare fingerprints, then run: cleanroom party trust",
        )
    return document


def _signed_by(file: SignedFile, party: str) -> SignedFile:
    # Signatures that were not verified are not kept, or a stranger could fill the disk.
    return SignedFile(data=file.data, signatures={party: file.signatures[party]})
