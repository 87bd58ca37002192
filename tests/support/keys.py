# SPDX-License-Identifier: Apache-2.0
"""Throw-away parties: real keys, derived from a name, made in a few milliseconds.

Nothing here goes around the code under test: the documents are rendered, signed
and parsed by the product. Only the passphrases' slow key derivation is left out,
by keeping the keys in memory; :func:`write_profile` pays for it once a party and process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cleanroom.envelope import sshsig
from cleanroom.envelope.signed_file import SignedFile, signature_namespace
from cleanroom.identity.homes import (
    PARTY_FILE,
    PARTY_SIGNATURE_FILE,
    PROFILE_FILE,
    SEEDS_FILE,
    SIGNING_KEY_FILE,
)
from cleanroom.identity.party import PartyDocument, parse_party, render_party
from cleanroom.identity.pins import Pins
from cleanroom.identity.private_files import install_directory, make_private_directory
from cleanroom.identity.profile import Profile, Unlocked, broker_public_key, load_profile
from cleanroom.identity.profile_file import SigningFile, render_profile_file
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.identity.seed_file import seal_seeds
from cleanroom.identity.signers import FileSigner

PASSPHRASE = b"correct horse battery staple"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayParty:
    """A party with its private keys in memory."""

    name: str
    document: PartyDocument
    document_signature: bytes
    unlocked: Unlocked
    signing_key: Ed25519PrivateKey
    broker_key: Ed25519PrivateKey
    receiving_seed: bytes

    def sign(self, data: bytes, *, kind: str) -> bytes:
        """Return this party's armored signature over a document of a kind."""
        return sshsig.sign(data, namespace=signature_namespace(kind), signer=self.unlocked.signer)

    @property
    def signed_document(self) -> SignedFile:
        """The party's own document with its signature."""
        return SignedFile(data=self.document.raw, signatures={self.name: self.document_signature})


def derive(label: str) -> bytes:
    """Return 32 bytes that depend on the label alone."""
    return hashlib.sha256(f"throw-away test key {label}".encode()).digest()


def signing_key(label: str) -> Ed25519PrivateKey:
    """Return an Ed25519 key that depends on the label alone."""
    return Ed25519PrivateKey.from_private_bytes(derive(label))


def signer(label: str) -> FileSigner:
    """Return a document signer that depends on the label alone."""
    return FileSigner.from_key(signing_key(label))


def plain_key_file(key: Ed25519PrivateKey) -> bytes:
    """Return an unencrypted OpenSSH private key file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


@lru_cache(maxsize=64)
def throwaway_party(name: str, *, edition: int = 1, broker_address: str = "") -> ThrowawayParty:
    """Make a party; another edition of the same name has other keys."""
    label = f"{name}/{edition}"
    broker_seed = derive(f"{label}/broker")
    unlocked = Unlocked(
        signer=signer(f"{label}/signing"),
        receiving=ReceivingKey.from_seed(derive(f"{label}/receiving")),
        broker_seed=broker_seed,
        state_seed=derive(f"{label}/state"),
    )
    raw = render_party(
        name=name,
        title=f"The {name.title()} of Tests",
        signing_keys=[unlocked.signer.public_key],
        receiving_key=unlocked.receiving.public_bytes,
        broker_address=broker_address or f"unix:/run/cleanroom/{name}.sock",
        broker_key=broker_public_key(broker_seed),
    )
    return ThrowawayParty(
        name=name,
        document=parse_party(raw),
        document_signature=sshsig.sign(
            raw, namespace=signature_namespace("party"), signer=unlocked.signer
        ),
        unlocked=unlocked,
        signing_key=signing_key(f"{label}/signing"),
        broker_key=Ed25519PrivateKey.from_private_bytes(broker_seed),
        receiving_seed=derive(f"{label}/receiving"),
    )


def sign_by(data: bytes, *, kind: str, parties: tuple[ThrowawayParty, ...]) -> SignedFile:
    """Return a document signed by these parties."""
    return SignedFile(
        data=data, signatures={party.name: party.sign(data, kind=kind) for party in parties}
    )


def pins_of(*parties: ThrowawayParty) -> Pins:
    """Return pins of exactly these parties."""
    documents = {party.name: party.document for party in parties}
    return Pins(documents=MappingProxyType(documents))


@lru_cache(maxsize=64)
def _sealed_seeds(**seeds: bytes) -> bytes:
    """Seal seeds as the product does; the file of a party is the same in each of its homes."""
    return seal_seeds(seeds, PASSPHRASE)


def write_profile(directory: Path, party: ThrowawayParty) -> Profile:
    """Write the party's profile; its seeds open with :data:`PASSPHRASE`.

    The signing key file is unencrypted, so any passphrase opens it.
    """
    name = party.name
    home = directory / name
    seeds = {
        "receiving": party.receiving_seed,
        "broker": party.unlocked.broker_seed,
        "state": party.unlocked.state_seed,
    }
    make_private_directory(directory)
    install_directory(
        home,
        {
            PROFILE_FILE: render_profile_file(
                name, SigningFile(path=home / SIGNING_KEY_FILE), home=home
            ),
            PARTY_FILE: party.document.raw,
            PARTY_SIGNATURE_FILE: party.document_signature,
            SIGNING_KEY_FILE: plain_key_file(party.signing_key),
            SEEDS_FILE: _sealed_seeds(**seeds),
            f"pins/{name}.toml": party.document.raw,
        },
        empty=("broker",),
    )
    return load_profile(directory, name)
