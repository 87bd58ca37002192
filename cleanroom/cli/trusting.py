# SPDX-License-Identifier: Apache-2.0
"""Whom the person at the keyboard trusts: pinned parties, or one contract's digest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cleanroom.cli.session import Session
from cleanroom.errors import IdentityUnprovenError

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
    from cleanroom.kernel.digest import Digest

    if contract is not None:
        return ContractDigest(digest=Digest.parse(contract, what="--contract"))
    if is_stranger(session):
        return Pins(documents={})
    return load_pins(chosen_profile(session).pins_directory)


def is_stranger(session: Session) -> bool:
    """Tell whether this machine has no profile, and so nobody whom it could have pinned."""
    from cleanroom.identity.profile import list_profiles

    return not session.profile and not list_profiles(session.config)


@contextmanager
def hints_to(session: Session) -> Iterator[None]:
    """Let a stranger, who can pin nobody, know what proves identities to him."""
    try:
        yield
    except IdentityUnprovenError as error:
        if is_stranger(session):
            error.hint = (
                "ask a party over another channel for the digest that its cleanroom contract show "
                "prints, then add --contract sha256:…"
            )
        raise
