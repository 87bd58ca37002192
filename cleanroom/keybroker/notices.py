# SPDX-License-Identifier: Apache-2.0
"""What a broker is told, and what it learns by itself from a request.

Only what a pinned party signed is kept, and only so much of it: a stranger can
make a broker remember nothing, a counterparty not without end.
"""

from __future__ import annotations

from cleanroom.contract.broker_requests import ContractNotice, Notice, RejectionNotice
from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.errors import KeyRefusedError, UnavailableError
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.keybroker.state import Transaction
from cleanroom.keybroker.succession import require_consent
from cleanroom.keybroker.withdrawals import (
    GenuineRejection,
    Withdrawal,
    verify_rejection,
    verify_revocation,
    withdrawals_in,
)

MAX_WITHDRAWALS_PER_PARTY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told, whom it believes, and how much it listens to.

    Attributes:
        party: The broker's owner.
        pins: Party documents whose fingerprints the owner compared.
        agreements: Contracts that were verified before under such pins.
        most: Rejections and revocations that are kept of one party.
    """

    party: str
    pins: Pins
    agreements: KnownAgreements
    most: int = MAX_WITHDRAWALS_PER_PARTY


def notice_digest(notice: Notice) -> Digest:
    """Digest the document that a notice is about."""
    if isinstance(notice, ContractNotice):
        return Digest.of(notice.bundle.contract.data)
    return Digest.of(notice.document.data)


def take_notice(notice: Notice, *, audience: Audience, opened: Transaction) -> str:
    """Verify what a broker is told, remember it, and return what kind it was.

    Raises:
        MalformedError: Not such a document.
        IntegrityError: A signature does not match.
        IdentityUnprovenError: A party is not pinned.
        KeyRefusedError: It is none of this broker's business.
        UnavailableError: The party has told too much already.
    """
    if isinstance(notice, ContractNotice):
        _remember_contract(notice.bundle, audience=audience, opened=opened)
        return "contract"
    if isinstance(notice, RejectionNotice):
        _remember(
            verify_rejection(notice.document, pins=audience.pins), audience=audience, opened=opened
        )
        return "rejection"
    _remember(
        verify_revocation(notice.document, pins=audience.pins), audience=audience, opened=opened
    )
    return "revocation"


def learn(bundle: RunBundle, *, audience: Audience, opened: Transaction) -> None:
    """Remember what a request shows, whatever becomes of the request (T-06).

    Raises:
        MalformedError: The contract is not one.
        IntegrityError: A signature or digest of the contract does not match.
        IdentityUnprovenError: A party is not pinned.
        KeyRefusedError: This broker's owner is no owner in the contract, or a party of
            its predecessor did not sign it.
    """
    # A contract that is known was found genuine once, and is the same to the byte.
    if opened.standing.contract(Digest.of(bundle.agreement.contract.data)) is None:
        _remember_contract(bundle.agreement, audience=audience, opened=opened)
    for withdrawal in withdrawals_in(bundle, pins=audience.pins):
        if not _is_full(withdrawal, audience=audience, opened=opened):
            _remember(withdrawal, audience=audience, opened=opened)


def _remember_contract(bundle: ContractBundle, *, audience: Audience, opened: Transaction) -> None:
    contract = audience.agreements.agree(bundle, pins=audience.pins).contract
    if audience.party not in contract.owners:
        raise KeyRefusedError(
            f"contract: {audience.party} is not one of its owners",
            code="broker.not-mine",
            hint="ask the brokers of the owners that the contract names",
        )
    # Remembering it ends its predecessor, so the predecessor's parties come first.
    file = bundle.contract
    require_consent(contract, file, pins=audience.pins, standing=opened.standing)
    if opened.standing.contract(contract.digest) is None:
        opened.recorder.contract(contract, file)


def _remember(withdrawal: Withdrawal, *, audience: Audience, opened: Transaction) -> None:
    if opened.standing.is_withdrawn(Digest.of(withdrawal.file.data)):
        return
    if _is_full(withdrawal, audience=audience, opened=opened):
        raise UnavailableError(
            f"notice: {_party(withdrawal)} has sent {audience.most} already",
            code="broker.notices-full",
            hint="ask the broker's owner to make room",
        )
    opened.recorder.withdrawal(withdrawal)


def _is_full(withdrawal: Withdrawal, *, audience: Audience, opened: Transaction) -> bool:
    return opened.standing.withdrawal_count(_party(withdrawal)) >= audience.most


def _party(withdrawal: Withdrawal) -> str:
    if isinstance(withdrawal, GenuineRejection):
        return withdrawal.approval.approver
    return withdrawal.revocation.party
