# SPDX-License-Identifier: Apache-2.0
"""What a new party must choose: a signing key, and where its broker listens."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cleanroom.cli.acting import agent_socket
from cleanroom.cli.passphrase import PassphraseSource, read_secret_file
from cleanroom.cli.session import Session
from cleanroom.contract.places import party_file
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.identity.homes import list_profiles
from cleanroom.identity.new_profile import (
    AgentSigningKey,
    ExistingSigningKey,
    NewSigningKey,
    SigningChoice,
)
from cleanroom.identity.party import validate_party_name
from cleanroom.identity.profile import Profile, load_profile
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import KIB

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PUBLIC_KEY_BYTES = 8 * KIB


def find(config: Path, name: str) -> Profile | None:
    """Return the profile if it is there, so that an interrupted ``init`` can be run again."""
    return load_profile(config, name) if name in list_profiles(config) else None


def require_free(room: Path, name: str) -> None:
    """Leave the document of a party that is in the room already where it is.

    Raises:
        RefusedError: Somebody of that name is there, and it is not this profile.
    """
    validate_party_name(name, what="profile")
    if os.path.lexists(room / party_file(name)):
        raise RefusedError(
            f"{party_file(name)}: found another party's document in the room, agreed none",
            code="party.taken",
            hint="choose another name; if this was you, with keys that are lost, move that file "
            "away, run this again, and tell everybody the new fingerprint",
        )


def signing_choice(
    key: Path | None, agent_key: Path | None, source: PassphraseSource, passphrase: bytes
) -> SigningChoice:
    """Decide what signs for the party: a key file, an agent's key, or a new key.

    Raises:
        MalformedError: The public key file is not one, or two keys were given.
        UnavailableError: A file cannot be read, or there is no agent.
    """
    if key is not None and agent_key is not None:
        raise MalformedError(
            "signing key: a file and an agent's key, agreed one of them",
            code="signing.two",
            hint="give --signing-key or --agent-key",
        )
    if agent_key is not None:
        return _from_agent(agent_key)
    own = read_secret_file(source.signing_file) if source.signing_file else passphrase
    if key is not None:
        return ExistingSigningKey(path=key, passphrase=own)
    return NewSigningKey(passphrase=own)


def _from_agent(file: Path) -> AgentSigningKey:
    socket = agent_socket()
    if socket is None:
        raise UnavailableError(
            "ssh-agent: none is running for this user",
            code="agent.absent",
            hint="start ssh-agent and add the key, so that SSH_AUTH_SOCK points at it",
        )
    data = read_limited(file, what=file.name, limit=MAX_PUBLIC_KEY_BYTES)
    line = data.decode("ascii", "replace").strip()
    return AgentSigningKey(public_key=SSHPublicKey.parse(line, what=file.name), socket=socket)


def default_address(home: Path) -> str:
    """Name a Unix socket in the profile, or a short one where its path is too long.

    The kernel accepts 107 bytes. The short path is derived from the long one, so that
    two profiles never share a socket.

    Raises:
        UnavailableError: No directory has a path that is short enough.
    """
    for path in _sockets(home.absolute()):
        address = f"unix:{path}"
        try:
            validate_broker_address(address, what="party")
        except MalformedError:
            continue
        return address
    raise UnavailableError(
        "broker address: no directory with a short path to put a socket into",
        code="party.address",
        hint="name one: --broker-address unix:/short/path.sock",
    )


def _sockets(home: Path) -> Iterator[Path]:
    yield home / "broker" / "broker.sock"
    name = f"cleanroom-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}.sock"
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        yield Path(os.environ["XDG_RUNTIME_DIR"]) / name
    yield Path(tempfile.gettempdir()) / name


def tell(session: Session, profile: Profile, *, created: bool) -> None:
    """Print the fingerprint, which the others must hear from a person."""
    fingerprint = str(profile.party.digest)
    value = {
        "party": profile.name,
        "fingerprint": fingerprint,
        "profile": str(profile.directory),
        "broker_address": profile.party.broker_address,
        "created": created,
    }
    session.emit(value, f"{profile.name} {fingerprint}")
    if not created:
        session.note(f"{profile.name} was here before: its keys and options are as they were.")
    session.note("Tell the others this fingerprint over a channel that nobody else controls.")
