# SPDX-License-Identifier: Apache-2.0
"""Party documents: which keys an organisation says are its own.

A party document proves nothing by itself. Its fingerprint, the digest of its
exact bytes, is what people compare out of band and then pin; see
:mod:`cleanroom.identity.pins`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from cleanroom.errors import MalformedError
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.identity.ed25519_point import validate_ed25519
from cleanroom.identity.homes import PARTY_NAME
from cleanroom.identity.receiving import validate_public
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_PARTY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_toml import parse_toml
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.party.v0"
MAX_SIGNING_KEYS = 16
MAX_TITLE = 128


class _Wire(WireModel):
    format: Literal["cleanroom.party.v0"]
    name: str
    title: str
    signing_keys: list[str]
    receiving_key: str
    broker_address: str
    broker_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyDocument:
    """What one organisation publishes about itself.

    Attributes:
        raw: The exact bytes.
        digest: Their SHA-256: the fingerprint that people compare.
        name: Short name, used in file names and in every other document.
        title: What people call the organisation.
        signing_keys: Any one of them signs for the party.
        receiving_key: What is sealed for the party is sealed to this.
        broker_address: Where its key broker listens.
        broker_key: Raw Ed25519 key of its broker's statements.
    """

    raw: bytes
    digest: Digest
    name: str
    title: str
    signing_keys: tuple[SSHPublicKey, ...]
    receiving_key: bytes
    broker_address: str
    broker_key: bytes


def validate_party_name(name: str, *, what: str = "party name") -> None:
    """Refuse a name that is no short lower-case word.

    Raises:
        MalformedError: Another form; a name becomes a file name, so nothing else passes.
    """
    if not PARTY_NAME.fullmatch(name):
        raise MalformedError(
            f"{what}: not a short lower-case name",
            code="party.name",
            hint="use up to 32 letters, digits and hyphens, starting with a letter",
        )


@remembered(256)
def parse_party(data: bytes, *, what: str = "party document") -> PartyDocument:
    """Read a party document from its exact bytes.

    Raises:
        MalformedError: Not such a document, or one of its keys is unusable.
    """
    wire = validate_shape(_Wire, parse_toml(data, what=what, limit=MAX_PARTY_BYTES), what=what)
    validate_party_name(wire.name, what=what)
    _check_title(wire.title, what=what)
    validate_broker_address(wire.broker_address, what=what)
    document = PartyDocument(
        raw=data,
        digest=Digest.of(data),
        name=wire.name,
        title=wire.title,
        signing_keys=_read_signing_keys(wire.signing_keys, what=what),
        receiving_key=_read_key(wire.receiving_key, "x-wing", what=f"{what}: receiving key"),
        broker_address=wire.broker_address,
        broker_key=_read_key(wire.broker_key, "ed25519", what=f"{what}: broker key"),
    )
    _check_keys(document, what=what)
    return document


def render_party(
    *,
    name: str,
    title: str,
    signing_keys: Sequence[SSHPublicKey],
    receiving_key: bytes,
    broker_address: str,
    broker_key: bytes,
) -> bytes:
    """Write a party document.

    Raises:
        MalformedError: What was given does not make a valid document.
    """
    keys = "".join(f"  {_quote(key.line())},\n" for key in signing_keys)
    data = (
        "# Which keys act for this party. Anybody could have written this file:\n"
        "# compare its fingerprint with the party itself before you trust it.\n"
        f"format = {_quote(FORMAT)}\n"
        f"name = {_quote(name)}\n"
        f"title = {_quote(title)}\n"
        f"signing_keys = [\n{keys}]\n"
        f"receiving_key = {_quote('x-wing:' + encode_base64(receiving_key))}\n"
        f"broker_address = {_quote(broker_address)}\n"
        f"broker_key = {_quote('ed25519:' + encode_base64(broker_key))}\n"
    ).encode("utf-8", "backslashreplace")
    return parse_party(data).raw


def _quote(text: str) -> str:
    # The escapes of JSON are a subset of those of a basic TOML string.
    return json.dumps(text, ensure_ascii=False)


def _check_title(title: str, *, what: str) -> None:
    # A title is printed on terminals and in reports: no control characters, no
    # marks that reorder text, so that one party cannot pass for another there.
    if not 0 < len(title) <= MAX_TITLE or not title.isprintable() or title != title.strip():
        raise MalformedError(f"{what}: its title is not a printable line", code="party.title")


def _read_signing_keys(lines: list[str], *, what: str) -> tuple[SSHPublicKey, ...]:
    if not 0 < len(lines) <= MAX_SIGNING_KEYS:
        raise MalformedError(
            f"{what}: not between 1 and {MAX_SIGNING_KEYS} signing keys", code="party.keys"
        )
    return tuple(SSHPublicKey.parse(line, what=f"{what}: signing key") for line in lines)


def _read_key(text: str, kind: str, *, what: str) -> bytes:
    prefix, _, encoded = text.partition(":")
    if prefix != kind:
        raise MalformedError(f"{what}: not written as {kind}:<base64>", code="key.format")
    return decode_base64(encoded, what=what)


def _check_keys(document: PartyDocument, *, what: str) -> None:
    validate_public(document.receiving_key, f"{what}: receiving key")
    validate_ed25519(document.broker_key, what=f"{what}: broker key")
    # A broker runs unattended. If its key also signed contracts, whoever takes the
    # broker could agree to anything in the party's name.
    keys = [key.raw for key in document.signing_keys] + [document.broker_key]
    if len(set(keys)) != len(keys):
        raise MalformedError(f"{what}: found one key twice", code="party.duplicate-key")
