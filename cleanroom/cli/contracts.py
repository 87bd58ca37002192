# SPDX-License-Identifier: Apache-2.0
"""What the contract commands read and say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cleanroom import room as line
from cleanroom.cli.attest_profiles import read_profile_file
from cleanroom.cli.deliveries import report
from cleanroom.cli.session import Session
from cleanroom.cli.standing import HOLDS, MISSING, contract_signatures, named_parties
from cleanroom.contract import places
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.contract import Contract, parse_contract
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.lint import Finding, lint_contract
from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.contract.show import show_contract
from cleanroom.contract.signable import completes_amendment
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.identity.pins import Pins
from cleanroom.identity.profile import Profile
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_CONTRACT_BYTES
from cleanroom.kernel.record import dataclass

if TYPE_CHECKING:
    from cleanroom.runner.notices import Delivery


def read_contract(path: Path) -> Contract:
    """Read a contract from a file.

    Raises:
        UnavailableError: The file cannot be read.
        MalformedError: It is no contract.
    """
    data = read_limited(path, what=path.name, limit=MAX_CONTRACT_BYTES)
    return parse_contract(data, what=path.name)


def agreed_machines(platforms: Sequence[str], file: Path | None) -> AttestationProfile | None:
    """Read the attestation profile for a draft; None if only platforms are named.

    Raises:
        click.UsageError: Both, of which one could contradict the other.
        MalformedError: The file is no profile and no contract.
        UnavailableError: The file cannot be read.
    """
    if file is None:
        return None
    if platforms:
        raise click.UsageError("give --platform or --attestation: a profile names its platforms")
    return read_profile_file(file)


def find_problems(room: Path, *, at: dt.datetime) -> tuple[Finding, ...]:
    """List what the room's contract would not do, or would do weakly."""
    bundle = RoomDirectory(path=room).load_contract_bundle()
    contract = parse_contract(bundle.contract.data, what=places.CONTRACT)
    return lint_contract(contract, policies=_policies(bundle), at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The room's contract as a person reads it.

    Attributes:
        text: What it says, in plain words.
        digest: Of the bytes that are signed.
        signatures: By party, whether its signature holds by the keys that the contract names.
        unproven: Parties of which nobody pinned those keys here.
    """

    text: str
    digest: Digest
    signatures: dict[str, str]
    unproven: tuple[str, ...]

    @property
    def judged_by(self) -> str:
        """Say whose keys the signatures were judged by."""
        if not self.unproven:
            return "the pinned keys of every party"
        return f"the keys that the contract itself names; not pinned: {', '.join(self.unproven)}"

    @property
    def is_sound(self) -> bool:
        """Whether every signature that lies there holds."""
        return all(found in {HOLDS, MISSING} for found in self.signatures.values())


def describe(room: Path, pins: Pins) -> Shown:
    """Describe the room's contract, and which of its signatures hold."""
    bundle = RoomDirectory(path=room).load_contract_bundle()
    contract = parse_contract(bundle.contract.data, what=places.CONTRACT)
    parties = named_parties(bundle)
    return Shown(
        text=show_contract(contract, parties=parties, policies=_policies(bundle)),
        digest=contract.digest,
        signatures=contract_signatures(bundle),
        unproven=tuple(
            name
            for name, party in sorted(parties.items())
            if name not in pins.documents or pins.documents[name].digest != party.digest
        ),
    )


def find_replaced(room: Path) -> SignedFile | None:
    """Read the contract that a draft is about to replace; None if there is none."""
    if not (room / places.CONTRACT).is_file():
        return None
    return RoomDirectory(path=room).load(places.CONTRACT)


def tell_draft(
    session: Session, room: Path, contract: Contract, *, replaced: SignedFile | None
) -> None:
    """Print where the draft is, what it replaced, and what is still wrong with it."""
    path = room / places.CONTRACT
    findings = find_problems(room, at=system_clock())
    value: dict[str, Any] = {
        "contract": contract.name,
        "path": str(path),
        "digest": str(contract.digest),
        "findings": [f"{item.severity}: {item.place}: {item.text}" for item in findings],
    }
    value |= _replaced(replaced)
    session.emit(value, f"{path} {contract.digest}")
    if replaced is not None:
        told = value["replaced"]
        signers = ", ".join(told["signature_files"]) or "nobody"
        session.note(
            f"replaced {told['digest']}, with signature files of {signers}; "
            f"it is kept in {told['path']}"
        )
    for item in findings:
        session.note(f"{item.severity}: {item.place}: {item.text}; {item.fix}")


def _replaced(file: SignedFile | None) -> dict[str, Any]:
    if file is None:
        return {"replaced": None}
    digest = Digest.of(file.data)
    return {
        "replaced": {
            "digest": str(digest),
            "path": places.archive_file(digest),
            "signature_files": sorted(file.signatures),
        }
    }


def tell_signed(
    session: Session, signer: tuple[Profile, Signer], room: Path, contract: Contract
) -> None:
    """Print what was signed; the last signature also tells every broker.

    A broker learns of a new contract with the first run anyway. Telling it at once
    ends the predecessor, whose approvals and runs it would still accept.
    """
    profile, key = signer
    value = {"contract": contract.name, "digest": str(contract.digest), "signed_by": profile.name}
    bundle = RoomDirectory(path=room).load_contract_bundle()
    deliveries: tuple[Delivery, ...] = ()
    if completes_amendment(bundle):
        deliveries = line.announce_contract(profile, key, room)
    report(session, value, deliveries, text=f"signed {contract.name} {contract.digest}")
    for name, found in contract_signatures(bundle).items():
        if found not in {HOLDS, MISSING}:
            session.note(f"{name}: signature {found}; these bytes need a new one")


def _policies(bundle: ContractBundle) -> dict[str, Policy]:
    return {name: parse_policy(file.data, what=name) for name, file in bundle.policies.items()}
