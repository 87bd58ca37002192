# SPDX-License-Identifier: Apache-2.0
"""May a party put its name under this contract? Asked before it signs, by its own machine.

A person reads what a contract says; a machine makes sure that it speaks about the
parties this person knows and about the very documents this party made.
"""

from __future__ import annotations

from dataclasses import replace

from cleanroom.contract.agreement import agree
from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.contract import Contract, parse_contract
from cleanroom.contract.signing import SigningParty, sign_document
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import CleanroomError, IdentityUnprovenError, RefusedError
from cleanroom.identity.party import parse_party
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest


def require_signable(bundle: ContractBundle, *, party: str, pins: Pins) -> Contract:
    """Return the contract if this party may sign it.

    Raises:
        MalformedError: It is no contract.
        IdentityUnprovenError: It names a party, or a party document, that is not pinned.
        RefusedError: It does not name this party, or a policy on its data is not signed by it.
        IntegrityError: A document is not the one that the contract names.
    """
    contract = parse_contract(bundle.contract.data)
    # 1. Signing as a stranger would bind nobody and confuse everybody.
    if party not in contract.party_names:
        raise RefusedError(
            f"contract.toml: parties: found no {party}, agreed one of "
            f"{', '.join(sorted(contract.party_names))}",
            code="contract.not-a-party",
            hint="act as a profile that the contract names, or have it name this party",
        )
    # 2. Only parties whose fingerprints were compared, with exactly those documents (T-03).
    for named in contract.parties:
        pinned = pins.documents.get(named.name)
        if pinned is None or pinned.digest != named.document:
            raise IdentityUnprovenError(
                f"contract.toml: parties.{named.name}: found {named.document}, "
                f"pinned {'nothing' if pinned is None else pinned.digest}",
                code="identity.unproven",
                hint="compare fingerprints, then: "
                f"cleanroom party trust ROOM/parties/{named.name}.toml",
            )
    # 3. What others can do with my data is what I signed, to the byte (T-02, T-13).
    for dataset in contract.datasets:
        if dataset.owner == party:
            file = bundle.policies[dataset.lineage]
            what = f"datasets/{dataset.lineage}/policy.toml"
            dataset.policy.require(Digest.of(file.data), what=what)
            verify_file(file, kind="policy", signer=pins.documents[party], what=what)
    return contract


def sign_signable(bundle: ContractBundle, *, party: SigningParty, pins: Pins) -> SignedFile:
    """Sign the contract; give an amendment its last signature only if all of it fits.

    The last signature ends the predecessor. Found out afterwards, a document that does not
    fit would leave neither contract to run under.

    Raises:
        IntegrityError: A document or signature is not the one that was agreed.
        RefusedError: Documents do not fit together.
    """
    signed = sign_document(bundle.contract.data, kind="contract", party=party)
    signatures = {**bundle.contract.signatures, **signed.signatures}
    whole = replace(bundle, contract=SignedFile(data=signed.data, signatures=signatures))
    if completes_amendment(whole):
        agree(whole, trust=pins)
    return signed


def completes_amendment(bundle: ContractBundle) -> bool:
    """Tell whether this names a predecessor and every party's signature over it holds.

    A signature of earlier bytes lies there after an edit, and is none.
    """
    contract = parse_contract(bundle.contract.data)
    return contract.predecessor is not None and all(
        _has_signed(bundle, file, name) for name, file in bundle.parties.items()
    )


def _has_signed(bundle: ContractBundle, document: SignedFile, name: str) -> bool:
    try:
        signer = parse_party(document.data, what=name)
        verify_file(bundle.contract, kind="contract", signer=signer, what="contract.toml")
    except CleanroomError:
        return False
    return True
