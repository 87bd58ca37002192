# SPDX-License-Identifier: Apache-2.0
"""Who belongs to a room: whom the operator admitted, and whom all of those agreed on.

A contract lets further parties in once every admitted party has signed it. A single
party can therefore bring nobody, and can lock nobody out.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from cleanroom.contract.contract import parse_contract
from cleanroom.contract.contract_terms import Contract
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import CleanroomError
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest

_WHAT = "contract.toml"


def members_of(
    admitted: Pins, contract: SignedFile | None, find: Callable[[Digest], bytes | None]
) -> Pins:
    """Return the documents of all parties whom a hub serves in one room.

    Args:
        admitted: Whom the operator admitted.
        contract: The room's contract, if there is one; nothing in it is verified.
        find: Returns the bytes of a party document by digest, if the room has it.
    """
    found = dict(admitted.documents)
    agreed = agreed_contract(admitted, contract)
    if agreed is not None:
        for party in agreed.parties:
            document = _read(find(party.document))
            if document is not None and document.name == party.name:
                found.setdefault(party.name, document)
    return Pins(documents=MappingProxyType(found))


def agreed_contract(admitted: Pins, contract: SignedFile | None) -> Contract | None:
    """Return the room's contract if every admitted party has signed it.

    Args:
        admitted: Whom the operator admitted.
        contract: What lies there.
    """
    if contract is None or not admitted.documents:
        return None
    try:
        for party in admitted.documents.values():
            verify_file(contract, kind="contract", signer=party, what=_WHAT)
        return parse_contract(contract.data, what=_WHAT)
    except CleanroomError:
        # A draft, or a contract of others: nobody is refused anything by this.
        return None


def _read(data: bytes | None) -> PartyDocument | None:
    try:
        return None if data is None else parse_party(data)
    except CleanroomError:
        return None
