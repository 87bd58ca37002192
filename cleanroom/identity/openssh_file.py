# SPDX-License-Identifier: Apache-2.0
"""OpenSSH private key files: what they say before a passphrase is tried, and their key.

The header is read first, so a file of another key type, or one whose key
derivation would run for hours, is refused before any work is done for it.
"""

from __future__ import annotations

import re

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.passphrase import require_strong
from cleanroom.identity.ssh_key import ED25519, SSHPublicKey, ed25519_key
from cleanroom.identity.wire import WireReader
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64

MAX_KEY_FILE_BYTES = 16 * KIB

# 64 rounds take about half a second. Reading stops at sixteen times that: the
# number stands in the file, and a hostile one would keep us busy for years.
WRITTEN_ROUNDS = 64
MAX_ROUNDS = 1024

_ARMOR = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    rb"([A-Za-z0-9+/=\n]+)\n"
    rb"-----END OPENSSH PRIVATE KEY-----\n?"
)
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFileHeader:
    """What a private key file says about itself without a passphrase.

    Attributes:
        public_key: The public half; outside the encryption, so checked on opening.
        encrypted: Whether a passphrase is needed.
    """

    public_key: SSHPublicKey
    encrypted: bool


def read_key_header(data: bytes, *, what: str) -> KeyFileHeader:
    """Read the unencrypted header of an OpenSSH private key file.

    Raises:
        MalformedError: Not such a file, not an Ed25519 key, or more than one key.
        RefusedError: A token's key handle, or a key derivation beyond the limit.
    """
    match = _ARMOR.fullmatch(data) if len(data) <= MAX_KEY_FILE_BYTES else None
    if match is None:
        raise MalformedError(
            f"{what}: not an OpenSSH private key file",
            code="key.format",
            hint="convert it with: ssh-keygen -p -f <file>",
        )
    body = decode_base64(match[1].replace(b"\n", b"").decode(), what=what)
    reader = WireReader(body, what=what)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise MalformedError(f"{what}: not an OpenSSH private key file", code="key.format")
    cipher, kdf, options = reader.string(), reader.string(), reader.string()
    if reader.uint32() != 1:
        raise MalformedError(f"{what}: found more than one key", code="key.format")
    public_key = SSHPublicKey.from_blob(reader.string(), what=what)
    if public_key.algorithm != ED25519:
        raise RefusedError(
            f"{what}: the key stays in a hardware token",
            code="key.token",
            hint="add it to an ssh-agent and let the profile sign through the agent",
        )
    if kdf == b"bcrypt":
        _check_rounds(options, what=what)
    return KeyFileHeader(public_key=public_key, encrypted=cipher != b"none")


def open_key_file(data: bytes, passphrase: bytes, *, what: str) -> Ed25519PrivateKey:
    """Return the private key of an OpenSSH file; an unencrypted one needs no passphrase.

    Raises:
        MalformedError: Not such a file, or not an Ed25519 key.
        RefusedError: A token's key, an unknown cipher, or too costly a derivation.
        IntegrityError: Another passphrase, an altered file, or a public half that
            belongs to another key.
    """
    header = read_key_header(data, what=what)
    try:
        key = load_ssh_private_key(data, passphrase if header.encrypted else None)
    except (ValueError, TypeError, InvalidTag):
        raise _wrong_passphrase(what) from None
    except UnsupportedAlgorithm:
        raise RefusedError(
            f"{what}: encrypted in a way that is not supported",
            code="key.cipher",
            hint="encrypt it again with: ssh-keygen -p -Z aes256-ctr -f <file>",
        ) from None
    # The public half lies outside the encryption. Signing under a public key that
    # somebody exchanged would leak the private one, so both must agree.
    if not isinstance(key, Ed25519PrivateKey) or public_key_of(key) != header.public_key:
        raise IntegrityError(f"{what}: its halves are of two keys", code="key.halves")
    return key


def encrypt_key_file(key: Ed25519PrivateKey, passphrase: bytes) -> bytes:
    """Write a private key as an OpenSSH file under a passphrase.

    Raises:
        RefusedError: The passphrase is too short.
    """
    require_strong(passphrase, what="passphrase of the signing key")
    encryption = (
        PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(WRITTEN_ROUNDS).build(passphrase)
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption)


def public_key_of(key: Ed25519PrivateKey) -> SSHPublicKey:
    """Return the SSH public key of a private key."""
    return ed25519_key(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def _check_rounds(options: bytes, *, what: str) -> None:
    reader = WireReader(options, what=what)
    reader.string()
    if reader.uint32() > MAX_ROUNDS:
        raise RefusedError(
            f"{what}: asks for more than {MAX_ROUNDS} rounds of key derivation",
            code="key.cost",
            hint="rewrite it with: ssh-keygen -p -a 64 -f <file>",
        )


def _wrong_passphrase(what: str) -> IntegrityError:
    return IntegrityError(
        f"{what}: wrong passphrase, or the file was altered",
        code="identity.passphrase",
        hint="type it again, or name the file that holds it: --passphrase-file FILE",
    )
