# SPDX-License-Identifier: Apache-2.0
"""Does one contract replace another? Only if every party of both signed the new one."""

from __future__ import annotations

from cleanroom.contract.agreement import Agreement, Trust, agree
from cleanroom.contract.bundle import ContractBundle
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import RefusedError


def supersede(agreement: Agreement, successor: ContractBundle, *, trust: Trust) -> Agreement:
    """Return the agreement that replaces another one.

    Without the signature of a party that leaves, the others could end a
    contract behind its back; without a named predecessor, an old contract
    could pass for a newer one (T-20).

    Args:
        agreement: The contract in force so far.
        successor: The contract that claims to replace it.
        trust: Whom we know, for the parties of the new contract.

    Raises:
        MalformedError: A document is not what it claims to be.
        IntegrityError: A document or signature is not the one that was agreed.
        RefusedError: It names another predecessor, or a party did not sign.
    """
    amended = agree(successor, trust=trust)
    predecessor = amended.contract.predecessor
    if predecessor is None:
        raise RefusedError(
            f"contract.toml: predecessor: found none, agreed {agreement.contract.digest}",
            code="contract.predecessor",
            hint="a contract replaces only the one that it names",
        )
    agreement.contract.digest.require(predecessor, what="contract.toml: predecessor")
    for name in sorted(agreement.contract.party_names - amended.contract.party_names):
        verify_file(
            successor.contract,
            kind="contract",
            signer=agreement.parties[name],
            what="contract.toml",
        )
    return amended
