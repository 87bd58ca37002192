# SPDX-License-Identifier: Apache-2.0
"""C2SP signed notes: text, a blank line, and one line for each signature.

Signatures by keys that nobody asked about are ignored, so that witnesses can
add theirs. A signature that names a known key must hold, or the whole note is
refused.
"""

from __future__ import annotations

import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import decode_text

ED25519 = b"\x01"
KEY_BYTES = 32

_SIGNATURE_LINE = re.compile(r"— ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})")
_KEY_NAME = re.compile(r"[^\s+]{1,255}")
_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A key that may sign notes: the name people see, and 32 Ed25519 bytes.

    Attributes:
        name: Key name; a log uses its origin.
        public: Raw public key.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a name that the format cannot carry.

        Raises:
            MalformedError: White space or a plus sign in the name, or not 32 bytes.
        """
        if not _KEY_NAME.fullmatch(self.name) or not self.name.isprintable():
            raise MalformedError("note key: a name with white space or '+'", code="ledger.key-name")
        if len(self.public) != KEY_BYTES:
            raise MalformedError(f"note key: not {KEY_BYTES} bytes", code="ledger.key-length")

    @property
    def identifier(self) -> bytes:
        """Return the four bytes that, with the name, point at this key."""
        material = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(material).digest()[:_KEY_ID_BYTES]

    @property
    def verifier_key(self) -> str:
        """Write the key as other C2SP tools take it (``name+id+base64``)."""
        encoded = encode_base64(ED25519 + self.public)
        return f"{self.name}+{self.identifier.hex()}+{encoded}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line.

    Attributes:
        name: Key name as written.
        identifier: Four bytes that narrow the key down.
        value: The signature itself.
    """

    name: str
    identifier: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedNote:
    """A note that is well-formed; nobody has vouched for its text yet."""

    text: str
    signatures: tuple[NoteSignature, ...]


def sign_note(text: str, *, name: str, key: Ed25519PrivateKey) -> bytes:
    """Sign a text that ends in a newline."""
    note_key = NoteKey(name=name, public=key.public_key().public_bytes_raw())
    signature = encode_base64(note_key.identifier + key.sign(text.encode()))
    note = f"{text}\n— {name} {signature}\n".encode()
    parse_note(note)
    return note


def verify_note(data: bytes, *, key: NoteKey) -> str:
    """Return the note's text once the key's signature on it holds.

    Raises:
        MalformedError: Not a signed note, or two signatures by this key.
        IntegrityError: The key did not sign it, or its signature does not match.
    """
    note = parse_note(data)
    found = [
        signature
        for signature in note.signatures
        if signature.name == key.name and signature.identifier == key.identifier
    ]
    if not found:
        raise IntegrityError(
            f"checkpoint: not signed by the key of {key.name}", code="ledger.unsigned"
        )
    if len(found) > 1:
        raise MalformedError("checkpoint: signed twice by one key", code="ledger.signature-twice")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(found[0].value, note.text.encode())
    except InvalidSignature:
        raise IntegrityError(
            f"checkpoint: the signature of {key.name} does not match", code="ledger.signature"
        ) from None
    return note.text


def parse_note(data: bytes) -> UnverifiedNote:
    """Split a note at its last empty line.

    Raises:
        MalformedError: Not UTF-8, a control character, no blank line, no signature,
            more signatures than the limit, or a line of another form.
    """
    text = decode_text(data, what="checkpoint", limit=MAX_NOTE_BYTES)
    if any(char < " " and char != "\n" for char in text):
        raise MalformedError("checkpoint: a control character", code="ledger.control")
    body, separator, lines = text.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise MalformedError("checkpoint: no signature after a blank line", code="ledger.note")
    signed = lines[:-1].split("\n")
    if len(signed) > MAX_NOTE_SIGNATURES:
        raise MalformedError("checkpoint: too many signatures", code="format.oversize")
    return UnverifiedNote(text=body + "\n", signatures=tuple(_signature(line) for line in signed))


def _signature(line: str) -> NoteSignature:
    matched = _SIGNATURE_LINE.fullmatch(line)
    if not matched:
        raise MalformedError("checkpoint: a line that is no signature", code="ledger.note")
    data = decode_base64(matched[2], what="checkpoint signature")
    if len(data) <= _KEY_ID_BYTES:
        raise MalformedError("checkpoint: a signature without a value", code="ledger.note")
    return NoteSignature(
        name=matched[1], identifier=data[:_KEY_ID_BYTES], value=data[_KEY_ID_BYTES:]
    )
