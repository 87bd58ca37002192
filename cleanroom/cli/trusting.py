# SPDX-License-Identifier: Apache-2.0
"""Whom the person at the keyboard trusts: pinned parties, or one contract's digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cleanroom.cli.session import Session
from cleanroom.errors import IdentityUnprovenError, IntegrityError
from cleanroom.kernel.record import dataclass

if TYPE_CHECKING:
    from cleanroom.contract.agreement import Trust
    from cleanroom.identity.pins import Pins


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedTrust:
    """What the options say about whom to trust; nothing means the profile's pins.

    Attributes:
        contract: Digest of a contract that somebody told.
        pins: ``party=fingerprint`` pairs that the parties told.
    """

    contract: str | None
    pins: tuple[str, ...]


def trust_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--contract`` and ``--pin``, and hand them over as ``stated``."""

    @wraps(function)
    def command(*args: object, **given: Any) -> object:  # noqa: ANN401 - click's own options
        stated = StatedTrust(contract=given.pop("contract"), pins=given.pop("pins"))
        return function(*args, **given, stated=stated)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--contract",
        metavar="sha256:…",
        help="Trust exactly this contract, whose digest somebody told you.",
    ),
    click.option(
        "--pin",
        "pins",
        multiple=True,
        metavar="PARTY=sha256:…",
        help="Trust this party's document, whose fingerprint it told you; needs no profile.",
    ),
)


def chosen_trust(session: Session, stated: StatedTrust, *, room: Path) -> Trust:
    """Return what was stated, else the profile's pins.

    A machine without any profile has no pins. They are then empty and not left
    out: an auditor gets the answer "identities unproven", never a silent pass.

    Raises:
        MalformedError: A digest is not one.
        IntegrityError: The room has other bytes than a stated fingerprint's.
        UnavailableError: There are several profiles and none was named.
        click.UsageError: Both kinds of trust were stated, or a pin is no pair.
    """
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.contract.agreement import ContractDigest
    from cleanroom.identity.pins import Pins, load_pins
    from cleanroom.kernel.digest import Digest

    if stated.contract is not None:
        if stated.pins:
            raise click.UsageError("give --contract or --pin: a contract names its parties")
        return ContractDigest(digest=Digest.parse(stated.contract, what="--contract"))
    if stated.pins:
        return _stated_pins(stated.pins, room)
    if is_stranger(session):
        return Pins(documents={})
    return load_pins(chosen_profile(session).pins_directory)


def known_pins(session: Session) -> Pins:
    """Return whom the chosen profile pinned; nobody where no profile can be told."""
    from cleanroom.identity.homes import list_profiles
    from cleanroom.identity.pins import Pins, load_pins
    from cleanroom.identity.profile import load_profile

    names = [session.profile] if session.profile else list_profiles(session.config)
    if len(names) != 1:
        return Pins(documents={})
    return load_pins(load_profile(session.config, names[0]).pins_directory)


def _stated_pins(pairs: Sequence[str], room: Path) -> Pins:
    from cleanroom.cli.options import split_parameters
    from cleanroom.contract.layout import RoomDirectory
    from cleanroom.contract.places import party_file
    from cleanroom.identity.party import parse_party, validate_party_name
    from cleanroom.identity.pins import state_pins
    from cleanroom.kernel.digest import Digest

    documents = []
    for name, fingerprint in split_parameters(pairs).items():
        validate_party_name(name, what="--pin")
        digest = Digest.parse(fingerprint, what=f"--pin {name}")
        # A changed party document leaves the one that a receipt names in the archive.
        file = RoomDirectory(path=room).find(party_file(name), digest)
        document = parse_party(file.data, what=party_file(name))
        if document.name != name:
            raise IntegrityError(
                f"--pin {name}: found the document of party {document.name}", code="pins.name"
            )
        documents.append(document)
    return state_pins(documents)


def is_stranger(session: Session) -> bool:
    """Tell whether this machine has no profile, and so nobody whom it could have pinned."""
    from cleanroom.identity.homes import list_profiles

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
                "prints, then add --contract sha256:…; or every party for its fingerprint, and add "
                "--pin PARTY=sha256:… for each"
            )
        raise
