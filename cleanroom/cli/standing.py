# SPDX-License-Identifier: Apache-2.0
"""Which signatures in a room hold, by the keys that its contract names.

Whose keys those are is not asked: that takes pins, and `contract verify` has them. A
list or a description only must not say "signed" or "approve" of bytes that nobody signed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.approval import Approval, parse_approval
from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.contract import Contract
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import Query
from cleanroom.contract.quorum import required_approvers
from cleanroom.contract.revocation import RevocationKind, parse_revocation
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import CleanroomError, RefusedError
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.kernel.record import dataclass

HOLDS = "holds"
MISSING = "missing"


def named_parties(bundle: ContractBundle) -> dict[str, PartyDocument]:
    """Read the party documents that the contract names by digest."""
    return {name: parse_party(file.data, what=name) for name, file in bundle.parties.items()}


def require_signed(
    file: SignedFile, *, kind: str, by: str, parties: Mapping[str, PartyDocument], what: str
) -> None:
    """Require one party's signature over exact bytes.

    Raises:
        RefusedError: The contract names no such party, or it has not signed.
        MalformedError: Its signature is not one.
        IntegrityError: The signature is by another key, or over other bytes.
    """
    if by not in parties:
        raise RefusedError(
            f"{what}: signature of {by}: found no such party in the contract, agreed one",
            code="signature.stranger",
            hint="only parties of the contract sign documents under it",
        )
    verify_file(file, kind=kind, signer=parties[by], what=what)


def contract_signatures(bundle: ContractBundle) -> dict[str, str]:
    """Say of every party, and of every signature that lies there, whether it holds."""
    parties = named_parties(bundle)
    return {
        name: _signature(bundle.contract, kind="contract", by=name, parties=parties)
        for name in sorted(parties.keys() | bundle.contract.signatures.keys())
    }


def _signature(
    file: SignedFile, *, kind: str, by: str, parties: Mapping[str, PartyDocument]
) -> str:
    if by not in file.signatures:
        return MISSING
    if by not in parties:
        return "of no party of this contract"
    try:
        verify_file(file, kind=kind, signer=parties[by], what=kind)
    except CleanroomError:
        return "does not hold"
    return HOLDS


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryDecisions:
    """What counts as a decision about queries under the room's contract.

    Attributes:
        room: The room.
        contract: Its contract.
        parties: The parties that the contract names.
        at: The time.
    """

    room: RoomDirectory
    contract: Contract
    parties: Mapping[str, PartyDocument]
    at: dt.datetime

    def of(self, query: Query, file: SignedFile) -> str:
        """Say in one line who decided what, and which of it does not count."""
        author = _signature(file, kind="query", by=query.author, parties=self.parties)
        found = [] if author == HOLDS else [f"signature of {query.author} {author}"]
        found += [f"withdrawn by {party}" for party in self._withdrawn_by(query)]
        approvers = sorted((self.room.path / places.approvals_directory(query.name)).glob("*.toml"))
        found += [f"{path.stem}: {self._decision(path.stem, query)}" for path in approvers]
        return ", ".join(found) or "none"

    def _decision(self, approver: str, query: Query) -> str:
        place = places.approval_file(query.name, approver)
        try:
            file = self.room.load(place)
            approval = parse_approval(file.data, what=place)
        except CleanroomError:
            return "unreadable"
        signed = _signature(file, kind="approval", by=approver, parties=self.parties)
        if signed != HOLDS or approval.approver != approver:
            return f"{approval.decision} (does not count: signature {signed})"
        reason = self._lapsed(approval, query)
        return f"{approval.decision} (does not count: {reason})" if reason else approval.decision

    def _lapsed(self, approval: Approval, query: Query) -> str:
        if approval.contract != self.contract.digest:
            return "another contract"
        if approval.query != query.digest:
            return "other bytes of the query"
        return "expired" if self.at >= approval.expires else ""

    def _withdrawn_by(self, query: Query) -> list[str]:
        files = (self.room.path / places.REVOCATIONS).glob("*.toml")
        return sorted({party for path in files if (party := self._withdraws(path, query))})

    def _withdraws(self, path: Path, query: Query) -> str:
        place = f"{places.REVOCATIONS}/{path.name}"
        try:
            file = self.room.load(place)
            said = parse_revocation(file.data, what=place)
            require_signed(file, kind="revocation", by=said.party, parties=self.parties, what=place)
        except CleanroomError:
            # What nobody signed withdraws nothing; the run's own check names it.
            return ""
        named = said.kind is RevocationKind.QUERY and said.subject == query.digest
        entitled = required_approvers(self.contract, query) | {query.author}
        counts = named and said.party in entitled and said.since <= self.at
        return said.party if counts else ""
