# SPDX-License-Identifier: Apache-2.0
"""Profiles: a party's keys, pins and broker home on one machine.

A profile on disk holds nothing readable but public keys: the signing key and the
seeds are under passphrases, and only :func:`unlock` puts them together again.
It refuses keys that are not those of the party's own document.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.identity.homes import PARTY_FILE, PARTY_SIGNATURE_FILE, PROFILE_FILE, SEEDS_FILE
from cleanroom.identity.party import PartyDocument, parse_party, validate_party_name
from cleanroom.identity.private_files import read_private_file, require_private_directory
from cleanroom.identity.profile_file import (
    MAX_PROFILE_BYTES,
    Signing,
    SigningFile,
    parse_profile_file,
)
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.identity.seed_file import MAX_SEED_FILE_BYTES, open_seeds
from cleanroom.identity.signers import AgentSigner, FileSigner
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.limits import MAX_PARTY_BYTES, MAX_SSHSIG_BYTES
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a party keeps on this machine, still locked.

    Attributes:
        name: The party's name, and the directory's.
        directory: Where everything lies.
        party: The party's own document.
        party_signature: The party's armored signature over its own document.
        signing: Where the signing key is.
    """

    name: str
    directory: Path
    party: PartyDocument
    party_signature: bytes
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
class UnlockedSeeds:
    """The keys that a broker needs; without the one that signs contracts.

    Attributes:
        receiving: Opens what was sealed for the party.
        broker_seed: Ed25519 seed of the party's broker statements.
        state_seed: Secret that the party's shares of disclosure state derive from.
    """

    receiving: ReceivingKey
    broker_seed: bytes = field(repr=False)
    state_seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked(UnlockedSeeds):
    """All private keys of a profile, in memory; showing it shows none of them.

    Attributes:
        signer: Signs documents for the party.
    """

    signer: Signer


def load_profile(directory: Path, name: str) -> Profile:
    """Read a profile; its secrets stay locked.

    Args:
        directory: Where profiles are kept.
        name: The party's name.

    Raises:
        UnavailableError: There is no such profile.
        RefusedError: Others can reach the profile or one of its files.
        MalformedError: One of its files is not what it should be.
        IntegrityError: Its party document is another party's.
    """
    validate_party_name(name, what="profile")
    home = directory / name
    if not (home / PROFILE_FILE).is_file():
        raise UnavailableError(
            f"profile {name}: there is none on this machine",
            code="profile.absent",
            hint=f"make it with: cleanroom init {name}",
        )
    require_private_directory(home)
    signing = parse_profile_file(
        read_private_file(home / PROFILE_FILE, limit=MAX_PROFILE_BYTES), name=name, home=home
    )
    party = parse_party(read_private_file(home / PARTY_FILE, limit=MAX_PARTY_BYTES))
    if party.name != name:
        raise IntegrityError(
            f"profile {name}: found the document of party {party.name}", code="profile.name"
        )
    signature = read_private_file(home / PARTY_SIGNATURE_FILE, limit=MAX_SSHSIG_BYTES)
    return Profile(
        name=name, directory=home, party=party, party_signature=signature, signing=signing
    )


def unlock(
    profile: Profile,
    passphrase: bytes,
    signing_passphrase: bytes,
    *,
    agent_socket: Path | None = None,
) -> Unlocked:
    """Open a profile's private keys and check that they are its document's.

    Args:
        profile: The profile.
        passphrase: Opens the seeds.
        signing_passphrase: Opens the signing key's file; unused with an agent.
        agent_socket: Where the ssh-agent listens; needed only by profiles that sign with one.

    Raises:
        UnavailableError: A file or the agent's address is missing.
        RefusedError: A key file is open to others, or costs too much to open.
        MalformedError: A key file is not one.
        IntegrityError: A wrong passphrase, an altered file, or keys that are not
            those of the party's document.
    """
    # Both files are slow to open on purpose; side by side they take as long as one.
    with ThreadPoolExecutor(max_workers=1) as beside:
        opening = beside.submit(unlock_seeds, profile, passphrase)
        signer = unlock_signer(profile, signing_passphrase, agent_socket=agent_socket)
        seeds = opening.result()
    return Unlocked(
        signer=signer,
        receiving=seeds.receiving,
        broker_seed=seeds.broker_seed,
        state_seed=seeds.state_seed,
    )


def unlock_signer(
    profile: Profile, passphrase: bytes, *, agent_socket: Path | None = None
) -> Signer:
    """Open only what signs documents; whoever signs needs none of the other keys.

    Args:
        profile: The profile.
        passphrase: Opens the signing key's file; unused with an agent.
        agent_socket: Where the ssh-agent listens; needed only by profiles that sign with one.

    Raises:
        UnavailableError: A key file or the agent's address is missing.
        RefusedError: A key file is open to others, the one that stays locked included.
        MalformedError: The key file is not one.
        IntegrityError: A wrong passphrase, an altered file, or a key that is not in
            the party's document.
    """
    require_closed_seeds(profile)
    return own_signer(profile, _open_signer(profile, passphrase, agent_socket))


def require_closed_seeds(profile: Profile) -> None:
    """Refuse to sign beside a seed file that others can read.

    Raises:
        UnavailableError: The file is missing.
        RefusedError: It is open to others.
    """
    # Whoever could read the other key file may have done so, and its owner has to know (T-16).
    read_private_file(profile.directory / SEEDS_FILE, limit=MAX_SEED_FILE_BYTES)


def own_signer(profile: Profile, signer: Signer) -> Signer:
    """Return what was opened as a profile's signing key, if it is the one of its document.

    Raises:
        IntegrityError: Another key.
    """
    _require_own(profile, "signing key", is_own=signer.public_key in profile.party.signing_keys)
    return signer


def unlock_seeds(profile: Profile, passphrase: bytes) -> UnlockedSeeds:
    """Open what a broker needs; the signing key stays locked.

    A broker runs unattended: whoever takes it over must not be able to sign
    contracts or approvals.

    Raises:
        UnavailableError: The seed file is missing.
        RefusedError: The seed file is open to others, or costs too much to open.
        MalformedError: The seed file is not one.
        IntegrityError: A wrong passphrase, an altered file, or seeds that are not
            those of the party's document.
    """
    seeds = read_seeds(profile, passphrase)
    receiving = ReceivingKey.from_seed(seeds["receiving"])
    party = profile.party
    is_own = receiving.public_bytes == party.receiving_key
    _require_own(profile, "receiving key", is_own=is_own)
    is_own = broker_public_key(seeds["broker"]) == party.broker_key
    _require_own(profile, "broker key", is_own=is_own)
    return UnlockedSeeds(
        receiving=receiving, broker_seed=seeds["broker"], state_seed=seeds["state"]
    )


def read_seeds(profile: Profile, passphrase: bytes) -> dict[str, bytes]:
    """Open the seed file, and say nothing about whose seeds they are.

    Raises:
        CleanroomError: As :func:`unlock_seeds`, but for seeds of another party.
    """
    path = profile.directory / SEEDS_FILE
    return open_seeds(read_private_file(path, limit=MAX_SEED_FILE_BYTES), passphrase)


def broker_public_key(seed: bytes) -> bytes:
    """Return the raw public key of a broker's seed."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _open_signer(profile: Profile, passphrase: bytes, agent_socket: Path | None) -> Signer:
    if isinstance(profile.signing, SigningFile):
        return FileSigner.load(profile.signing.path, passphrase)
    if agent_socket is None:
        raise UnavailableError(
            f"profile {profile.name}: signs through an ssh-agent, and none was named",
            code="agent.absent",
            hint="start ssh-agent and add the key, so that SSH_AUTH_SOCK points at it",
        )
    return AgentSigner(public_key=profile.signing.public_key, socket=agent_socket)


def _require_own(profile: Profile, key: str, *, is_own: bool) -> None:
    # A thief who cannot open the files could still exchange them for his own and
    # wait for their owner to sign or to publish with them.
    if not is_own:
        raise IntegrityError(
            f"profile {profile.name}: its {key} is not the one in its party document",
            code="profile.foreign-key",
        )
