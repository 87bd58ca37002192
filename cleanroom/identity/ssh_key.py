# SPDX-License-Identifier: Apache-2.0
"""SSH public keys: which keys may sign documents, and what counts as their signature.

Two kinds are accepted: plain Ed25519, and Ed25519 on a hardware token. Every
other algorithm is refused by name, so nobody can be talked down to a weaker one.
This module does not know whose key it is; see :mod:`cleanroom.identity.party`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.ed25519_point import validate_ed25519
from cleanroom.identity.wire import WireReader, wire_string
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64

ED25519 = "ssh-ed25519"
TOKEN_ED25519 = "sk-ssh-ed25519@openssh.com"  # noqa: S105 - an algorithm's name

MAX_KEY_LINE = 1024
_LINE = re.compile(r"(\S+) (\S+)(?: [^\x00-\x1f\x7f]*)?")
_APPLICATION = re.compile(rb"ssh:[!-~]{0,64}")
_SIGNATURE_BYTES = 64
_USER_PRESENT = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class SSHPublicKey:
    """A public key that may sign documents.

    Attributes:
        algorithm: Either ``ssh-ed25519`` or ``sk-ssh-ed25519@openssh.com``.
        blob: The key in SSH wire form, checked when the object is made.
    """

    algorithm: str
    blob: bytes

    def __post_init__(self) -> None:
        """Refuse a blob that is not a key of the named algorithm."""
        _read_blob(self.blob, algorithm=self.algorithm, what="key")

    @classmethod
    def parse(cls, line: str, *, what: str = "key") -> SSHPublicKey:
        """Read one line of the form ``ssh-ed25519 AAAA... [comment]``.

        Raises:
            MalformedError: Another form, another algorithm, or not a usable key.
        """
        match = _LINE.fullmatch(line) if len(line) <= MAX_KEY_LINE else None
        if match is None:
            raise MalformedError(f"{what}: not one line of an SSH public key", code="key.format")
        key = cls.from_blob(decode_base64(match[2], what=what), what=what)
        if match[1] != key.algorithm:
            raise MalformedError(f"{what}: named unlike the key it holds", code="key.format")
        return key

    @classmethod
    def from_blob(cls, blob: bytes, *, what: str = "key") -> SSHPublicKey:
        """Read a key in SSH wire form.

        Raises:
            MalformedError: Another algorithm, or not a usable key.
        """
        algorithm = WireReader(blob, what=what).string()
        for accepted in (ED25519, TOKEN_ED25519):
            if algorithm == accepted.encode():
                _read_blob(blob, algorithm=accepted, what=what)
                return cls(algorithm=accepted, blob=blob)
        raise MalformedError(
            f"{what}: found a key that is not Ed25519",
            code="key.algorithm",
            hint="make one with: ssh-keygen -t ed25519 (or -t ed25519-sk for a token)",
        )

    def line(self) -> str:
        """Write the key as one line, without a comment."""
        return f"{self.algorithm} {encode_base64(self.blob)}"

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the Ed25519 key."""
        return _read_blob(self.blob, algorithm=self.algorithm, what="key")[0]

    def verify(self, signature_blob: bytes, data: bytes, *, what: str) -> None:
        """Raise unless the SSH signature blob is this key's signature over the data.

        Raises:
            MalformedError: Not an SSH signature blob.
            IntegrityError: Made by another key, over other data, or by another algorithm.
            RefusedError: A hardware token signed without anybody touching it.
        """
        reader = WireReader(signature_blob, what=what)
        # The algorithm first: a signature must not choose how it is checked.
        if reader.string() != self.algorithm.encode():
            raise IntegrityError(
                f"{what}: the signature is of another algorithm than the key",
                code="signature.algorithm",
            )
        signature = reader.string()
        raw, application = _read_blob(self.blob, algorithm=self.algorithm, what=what)
        counted = reader.take(5) if self.algorithm == TOKEN_ED25519 else b""
        reader.end()
        if counted:
            data = _token_message(application, counted, data)
        _verify_ed25519(raw, signature, data, what=what)
        if counted and not counted[0] & _USER_PRESENT:
            raise RefusedError(
                f"{what}: the token signed without being touched",
                code="signature.presence",
                hint="use a token key made without -O no-touch-required",
            )


class Signer(Protocol):
    """Whoever can sign bytes with one SSH key."""

    @property
    def public_key(self) -> SSHPublicKey:
        """Return the key that verifies what this signer signs."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over the data."""
        ...


def _read_blob(blob: bytes, *, algorithm: str, what: str) -> tuple[bytes, bytes]:
    reader = WireReader(blob, what=what)
    named, raw = reader.string(), reader.string()
    application = reader.string() if algorithm == TOKEN_ED25519 else b""
    reader.end()
    if algorithm not in (ED25519, TOKEN_ED25519) or named != algorithm.encode():
        raise MalformedError(f"{what}: named unlike the key it holds", code="key.format")
    # A token key made for a web site must not double as a party's key: the
    # browser would sign what the site asks for.
    if algorithm == TOKEN_ED25519 and not _APPLICATION.fullmatch(application):
        raise MalformedError(f"{what}: not a token key made for SSH", code="key.application")
    validate_ed25519(raw, what=what)
    return raw, application


def _token_message(application: bytes, counted: bytes, data: bytes) -> bytes:
    # PROTOCOL.u2f of OpenSSH: the token signs its application, its flags and its
    # counter together with the digest of the data.
    return hashlib.sha256(application).digest() + counted + hashlib.sha256(data).digest()


def _verify_ed25519(raw: bytes, signature: bytes, data: bytes, *, what: str) -> None:
    if len(signature) != _SIGNATURE_BYTES:
        raise MalformedError(f"{what}: not a 64-byte signature", code="signature.length")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, data)
    except InvalidSignature:
        raise IntegrityError(
            f"{what}: the signature does not match the bytes",
            code="signature.mismatch",
            hint="the document changed after it was signed, or the key is not the signer's",
        ) from None


def ed25519_key(raw: bytes) -> SSHPublicKey:
    """Return the SSH form of a raw Ed25519 public key."""
    return SSHPublicKey(algorithm=ED25519, blob=wire_string(ED25519.encode()) + wire_string(raw))
