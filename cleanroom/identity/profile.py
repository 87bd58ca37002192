# SPDX-License-Identifier: Apache-2.0
"""Profiles: a party's keys, pins and broker home on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from cleanroom.identity.party import PartyDocument
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.identity.ssh_key import Signer, SSHPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningFile:
    """A profile that signs with a private key file."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAgent:
    """A profile that signs with a key held by an ssh-agent."""

    public_key: SSHPublicKey


Signing: TypeAlias = SigningFile | SigningAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSigningKey:
    """Ask for a fresh key file in the profile, under this passphrase."""

    passphrase: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingSigningKey:
    """Ask for an existing OpenSSH key file to be used where it lies."""

    path: Path
    passphrase: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSigningKey:
    """Ask for a key that an ssh-agent holds."""

    public_key: SSHPublicKey
    socket: Path


SigningChoice: TypeAlias = NewSigningKey | ExistingSigningKey | AgentSigningKey


class DocumentSigner(Protocol):
    """How documents are signed; `cleanroom.envelope.sshsig.sign` is one."""

    def __call__(self, message: bytes, *, namespace: str, signer: Signer) -> bytes:
        """Return an armored signature over the message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a party keeps on this machine, still locked."""

    name: str
    directory: Path
    party: PartyDocument
    signing: Signing

    @property
    def broker_home(self) -> Path:
        """Return the directory of this party's key broker."""
        return self.directory / "broker"

    @property
    def pins_directory(self) -> Path:
        """Return the directory of pinned party documents."""
        return self.directory / "pins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """The private keys of a profile, in memory."""

    signer: Signer
    receiving: ReceivingKey
    broker_seed: bytes = field(repr=False)
    state_seed: bytes = field(repr=False)


def config_directory(environ: Mapping[str, str]) -> Path:
    """Return where profiles are kept: XDG_CONFIG_HOME/cleanroom or ~/.config/cleanroom."""
    raise NotImplementedError(environ)


def create_profile(
    directory: Path,
    *,
    name: str,
    title: str,
    broker_address: str,
    passphrase: bytes,
    signing: SigningChoice,
    sign: DocumentSigner,
) -> Profile:
    """Make a party's keys, its self-signed document and its own pin, all or nothing."""
    raise NotImplementedError(directory, name, title, broker_address, passphrase, signing, sign)


def load_profile(directory: Path, name: str) -> Profile:
    """Read a profile; secrets stay locked."""
    raise NotImplementedError(directory, name)


def list_profiles(directory: Path) -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    raise NotImplementedError(directory)


def unlock(
    profile: Profile,
    *,
    passphrase: bytes,
    signing_passphrase: bytes,
    agent_socket: Path | None = None,
) -> Unlocked:
    """Open a profile's private keys and check that they are the document's."""
    raise NotImplementedError(profile, passphrase, signing_passphrase, agent_socket)
