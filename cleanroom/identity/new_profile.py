# SPDX-License-Identifier: Apache-2.0
"""Make a party's keys, its self-signed document and its own pin: all or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.errors import RefusedError
from cleanroom.identity.homes import (
    PARTY_FILE,
    PARTY_SIGNATURE_FILE,
    PROFILE_FILE,
    SEEDS_FILE,
    SIGNING_KEY_FILE,
)
from cleanroom.identity.openssh_file import encrypt_key_file
from cleanroom.identity.party import render_party, validate_party_name
from cleanroom.identity.passphrase import require_strong
from cleanroom.identity.private_files import (
    install_directory,
    make_private_directory,
    require_private_directory,
)
from cleanroom.identity.profile import Profile, broker_public_key, load_profile
from cleanroom.identity.profile_file import Signing, SigningAgent, SigningFile, render_profile_file
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.identity.seed_file import SEED_BYTES, seal_seeds
from cleanroom.identity.signers import AgentSigner, FileSigner
from cleanroom.identity.ssh_key import Signer, SSHPublicKey
from cleanroom.kernel.record import dataclass

PARTY_NAMESPACE = "cleanroom.party.v0"


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
    """How documents are signed; ``cleanroom.envelope.sshsig.sign`` is one.

    It comes in as an argument, because the signature format lives a layer above.
    """

    def __call__(self, message: bytes, *, namespace: str, signer: Signer) -> bytes:
        """Return an armored signature over the message."""
        ...


def create_profile(
    directory: Path,
    *,
    name: str,
    title: str,
    broker_address: str,
    passphrase: bytes,
    signing: SigningChoice,
    sign: DocumentSigner,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Profile:
    """Make a party's keys, its self-signed document and its own pin, all or nothing.

    Args:
        directory: Where profiles are kept; made if it is not there.
        name: The party's name.
        title: What people call the organisation.
        broker_address: Where its key broker will listen.
        passphrase: Seals the seeds.
        signing: Which key signs for the party.
        sign: How documents are signed.
        entropy: Source of random bytes.

    Raises:
        MalformedError: The name, title or address is not acceptable.
        RefusedError: The profile exists, a passphrase is too short, or others can
            reach the directory or the key.
        IntegrityError: The existing key's passphrase is wrong.
        UnavailableError: The disk or the agent refuses.
    """
    validate_party_name(name, what="profile")
    require_strong(passphrase, what="passphrase")
    home = directory / name
    # Cheap refusals first, before a key is derived or a token blinks; installing
    # checks again, under a lock, that the name is free.
    if os.path.lexists(home):
        raise RefusedError(f"profile {name}: exists already", code="file.exists")
    signer = _open_signer(signing, entropy)
    seeds = {kind: entropy(SEED_BYTES) for kind in ("receiving", "broker", "state")}
    document = render_party(
        name=name,
        title=title,
        signing_keys=[signer.public_key],
        receiving_key=ReceivingKey.from_seed(seeds["receiving"]).public_bytes,
        broker_address=broker_address,
        broker_key=broker_public_key(seeds["broker"]),
    )
    make_private_directory(directory)
    require_private_directory(directory)
    location = _locate_key(signing, home=home)
    files = {
        PROFILE_FILE: render_profile_file(name, location, home=home),
        PARTY_FILE: document,
        PARTY_SIGNATURE_FILE: sign(document, namespace=PARTY_NAMESPACE, signer=signer),
        SEEDS_FILE: seal_seeds(seeds, passphrase, entropy=entropy),
        f"pins/{name}.toml": document,
    }
    install_directory(home, files | _key_files(signing, signer), empty=("broker",))
    return load_profile(directory, name)


def _open_signer(
    choice: SigningChoice, entropy: Callable[[int], bytes]
) -> FileSigner | AgentSigner:
    if isinstance(choice, AgentSigningKey):
        return AgentSigner(public_key=choice.public_key, socket=choice.socket)
    if isinstance(choice, ExistingSigningKey):
        return FileSigner.load(choice.path, choice.passphrase)
    require_strong(choice.passphrase, what="passphrase of the signing key")
    return FileSigner.from_key(Ed25519PrivateKey.from_private_bytes(entropy(SEED_BYTES)))


def _locate_key(choice: SigningChoice, *, home: Path) -> Signing:
    if isinstance(choice, AgentSigningKey):
        return SigningAgent(public_key=choice.public_key)
    if isinstance(choice, ExistingSigningKey):
        return SigningFile(path=choice.path.absolute())
    return SigningFile(path=home / SIGNING_KEY_FILE)


def _key_files(choice: SigningChoice, signer: Signer) -> dict[str, bytes]:
    if not (isinstance(choice, NewSigningKey) and isinstance(signer, FileSigner)):
        return {}
    return {
        SIGNING_KEY_FILE: encrypt_key_file(signer.key, choice.passphrase),
        f"{SIGNING_KEY_FILE}.pub": f"{signer.public_key.line()}\n".encode(),
    }
