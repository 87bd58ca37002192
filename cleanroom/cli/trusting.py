# SPDX-License-Identifier: Apache-2.0
"""Whom the person at the keyboard trusts: pinned parties, or one contract's digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cleanroom.cli.session import Session

if TYPE_CHECKING:
    from cleanroom.contract.agreement import Trust

contract_option = click.option(
    "--contract",
    metavar="sha256:…",
    help="Trust exactly this contract, whose digest somebody told you.",
)


def chosen_trust(session: Session, contract: str | None) -> Trust:
    """Return the contract's digest if it was given, else the profile's pins.

    A machine without any profile has no pins. They are then empty and not left
    out: an auditor gets the answer "identities unproven", never a silent pass.

    Raises:
        MalformedError: The digest is not one.
        UnavailableError: There are several profiles and none was named.
    """
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.contract.agreement import ContractDigest
    from cleanroom.identity.pins import Pins, load_pins
    from cleanroom.identity.profile import list_profiles
    from cleanroom.kernel.digest import Digest

    if contract is not None:
        return ContractDigest(digest=Digest.parse(contract, what="--contract"))
    if not session.profile and not list_profiles(session.config):
        return Pins(documents={})
    return load_pins(chosen_profile(session).pins_directory)
