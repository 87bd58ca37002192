# SPDX-License-Identifier: Apache-2.0
"""Which contract is in force: amendments, and what they inherit.

An amendment is a whole new contract that names its predecessor. It ends the old
one, so it needs the signatures of all parties of both; and it inherits the old
one's count of uses, or amending would be a way to run again.
"""

from __future__ import annotations

from cleanroom.contract.contract import Contract, parse_contract
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import KeyRefusedError
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.standing import Standing


def require_current(contract: Contract, *, standing: Standing) -> None:
    """Refuse a contract that another one replaced.

    Raises:
        KeyRefusedError: A known contract names it as its predecessor.
    """
    successors = standing.successors(contract.digest)
    if successors:
        raise KeyRefusedError(
            f"contract: superseded by {successors[0]}",
            code="broker.superseded",
            hint="ask for keys under the contract that replaced this one",
        )


def require_consent(
    contract: Contract, file: SignedFile, *, pins: Pins, standing: Standing
) -> None:
    """Refuse an amendment that a party of the contract it replaces did not sign.

    Without this the others could end a contract behind the back of a party that they
    drop. A contract that this broker never met gave it no duty.

    Raises:
        KeyRefusedError: A party of the predecessor did not sign.
        IntegrityError: A signature of such a party does not match.
    """
    known = None if contract.predecessor is None else standing.contract(contract.predecessor)
    if known is None:
        return
    for party in sorted(parse_contract(known.file.data).party_names):
        signer = pins.documents.get(party)
        if signer is None or party not in file.signatures:
            raise KeyRefusedError(
                f"contract: {party}, a party of its predecessor, did not sign it",
                code="broker.predecessor-unsigned",
                hint="an amendment is signed by all parties of both contracts",
            )
        verify_file(file, kind="contract", signer=signer, what="contract.toml")


def contract_line(contract: Contract, *, standing: Standing) -> tuple[Digest, ...]:
    """Return a contract and all known contracts that it descends from."""
    ancestor = contract.predecessor
    older = () if ancestor is None else line_of(ancestor, standing=standing)
    return (contract.digest, *older)


def line_of(contract: Digest, *, standing: Standing) -> tuple[Digest, ...]:
    """Return a contract and, as far as they are known, all that it descends from."""
    line: list[Digest] = []
    ancestor: Digest | None = contract
    # Digests cannot form a ring, yet a broker must not depend on SHA-256 to end a loop.
    while ancestor is not None and ancestor not in line:
        line.append(ancestor)
        ancestor = standing.predecessor(ancestor)
    return tuple(line)
