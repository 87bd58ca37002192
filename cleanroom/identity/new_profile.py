# SPDX-License-Identifier: Apache-2.0
"""Make a party's keys, its self-signed document and its own pin: all or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from cleanroom.errors import RefusedError
from cleanroom.identity.openssh_file import write_key_file
from cleanroom.identity.party import render_party, validate_party_name
from cleanroom.identity.private_files import (
    install_directory,
    make_private_directory,
    require_private_directory,
)
from cleanroom.identity.profile import Profile, broker_public_key, load_profile
from cleanroom.identity.profile_file import (
    PARTY_FILE,
    PARTY_SIGNATURE_FILE,
    PROFILE_FILE,
    SEEDS_FILE,
    SIGNING_KEY_FILE,
    Signing,
    SigningAgent,
    SigningFile,
    render_profile_file,
)
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.identity.seed_file import SEED_BYTES, seal_seeds
from cleanroom.identity.signers import AgentSigner, FileSigner, require_strong
from cleanroom.identity.ssh_key import Signer, SSHPublicKey

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    signer: Signer
    signing: Signing
    files: dict[str, bytes] = field(repr=False)


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
    # Before any key is made or any token blinks; installing checks again, locked.
    if os.path.lexists(home):
        raise RefusedError(f"profile {name}: exists already", code="file.exists")
    prepared = _prepare_signing(signing, home=home, entropy=entropy)
    seeds = {kind: entropy(SEED_BYTES) for kind in ("receiving", "broker", "state")}
    document = render_party(
        name=name,
        title=title,
        signing_keys=[prepared.signer.public_key],
        receiving_key=ReceivingKey.from_seed(seeds["receiving"]).public_bytes,
        broker_address=broker_address,
        broker_key=broker_public_key(seeds["broker"]),
    )
    files = prepared.files | {
        PROFILE_FILE: render_profile_file(name, prepared.signing, home=home),
        PARTY_FILE: document,
        PARTY_SIGNATURE_FILE: sign(document, namespace=PARTY_NAMESPACE, signer=prepared.signer),
        SEEDS_FILE: seal_seeds(seeds, passphrase, entropy=entropy),
        f"pins/{name}.toml": document,
    }
    make_private_directory(directory)
    require_private_directory(directory)
    install_directory(home, files, empty=("broker",))
    return load_profile(directory, name)


def _prepare_signing(
    choice: SigningChoice, *, home: Path, entropy: Callable[[int], bytes]
) -> _Prepared:
    if isinstance(choice, AgentSigningKey):
        return _Prepared(
            signer=AgentSigner(public_key=choice.public_key, socket=choice.socket),
            signing=SigningAgent(public_key=choice.public_key),
            files={},
        )
    if isinstance(choice, ExistingSigningKey):
        path = choice.path.absolute()
        return _Prepared(
            signer=FileSigner.load(path, choice.passphrase),
            signing=SigningFile(path=path),
            files={},
        )
    return _prepare_new_key(choice.passphrase, home=home, entropy=entropy)


def _prepare_new_key(
    passphrase: bytes, *, home: Path, entropy: Callable[[int], bytes]
) -> _Prepared:
    require_strong(passphrase, what="passphrase of the signing key")
    data, key = write_key_file(passphrase, entropy=entropy)
    signer = FileSigner.from_key(key)
    files = {
        SIGNING_KEY_FILE: data,
        f"{SIGNING_KEY_FILE}.pub": f"{signer.public_key.line()}\n".encode(),
    }
    return _Prepared(signer=signer, signing=SigningFile(path=home / SIGNING_KEY_FILE), files=files)
