# SPDX-License-Identifier: Apache-2.0
"""Pins: the party documents whose fingerprints somebody compared.

Keys in a document prove nothing; a pin does, because a person confirmed its
fingerprint over another channel. Only exact bytes are pinned: a party that
changes one key publishes another document and is compared again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.private_files import (
    WRITABLE_BY_OTHERS,
    make_private_directory,
    read_private_file,
    require_private_directory,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.limits import MAX_PARTY_BYTES
from cleanroom.kernel.record import dataclass

_SUFFIX = ".toml"


class Replace(Enum):
    """Whether a pin may take the place of another document of the same party."""

    NO = "no"
    YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Pinned party documents by party name; empty trusts nobody."""

    documents: Mapping[str, PartyDocument]


def load_pins(directory: Path) -> Pins:
    """Read all pinned party documents of a directory.

    Raises:
        UnavailableError: There is no such directory.
        RefusedError: Somebody else can write there, or two parties share a key.
        MalformedError: A pinned file is not a party document.
        IntegrityError: A file is named unlike the party it pins.
    """
    require_private_directory(directory, forbidden=WRITABLE_BY_OTHERS)
    documents: dict[str, PartyDocument] = {}
    for path in sorted(directory.glob(f"[!.]*{_SUFFIX}")):
        document = _read_pin(path)
        _require_own_keys(document, documents.values())
        documents[document.name] = document
    return Pins(documents=MappingProxyType(documents))


def state_pins(documents: Iterable[PartyDocument]) -> Pins:
    """Trust documents whose fingerprints a person stated, for the length of one command.

    Raises:
        RefusedError: Two parties share a key.
    """
    stated: dict[str, PartyDocument] = {}
    for document in documents:
        _require_own_keys(document, stated.values())
        stated[document.name] = document
    return Pins(documents=MappingProxyType(stated))


def pin(
    directory: Path,
    document: PartyDocument,
    *,
    confirmed: Digest,
    replace: Replace = Replace.NO,
) -> None:
    """Pin a document whose fingerprint a person confirmed.

    Raises:
        IntegrityError: The confirmed fingerprint is another document's.
        RefusedError: Another document of this party is pinned and ``replace`` does
            not say to exchange it, or the document uses a key of another pinned party.
        UnavailableError: The disk refuses.
    """
    # The fingerprint first, and of the bytes: everything else in the document is
    # only what its sender claims.
    found = Digest.of(document.raw)
    if confirmed != found:
        raise IntegrityError(
            f"party {document.name}: fingerprint found {found}, confirmed {confirmed}",
            code="pins.fingerprint",
            hint="ask the party for its fingerprint again, over a channel you trust",
        )
    document = parse_party(document.raw)
    make_private_directory(directory)
    pinned = dict(load_pins(directory).documents)
    previous = pinned.pop(document.name, document)
    if previous.digest != document.digest and replace is Replace.NO:
        raise RefusedError(
            f"party {document.name}: another document is pinned, {previous.digest}",
            code="pins.exists",
            hint="if the party really changed its keys, confirm the new fingerprint and replace",
        )
    _require_own_keys(document, pinned.values())
    write_atomic(directory / f"{document.name}{_SUFFIX}", document.raw, mode=PRIVATE_FILE)


def _read_pin(path: Path) -> PartyDocument:
    data = read_private_file(path, limit=MAX_PARTY_BYTES, forbidden=WRITABLE_BY_OTHERS)
    document = parse_party(data, what=f"pinned {path.name}")
    if path.name != f"{document.name}{_SUFFIX}":
        raise IntegrityError(
            f"pinned {path.name}: found a document of party {document.name}", code="pins.name"
        )
    return document


def _require_own_keys(document: PartyDocument, others: Iterable[PartyDocument]) -> None:
    # One organisation under two names would count twice where two must agree.
    keys = _keys_of(document)
    for other in others:
        if keys & _keys_of(other):
            raise RefusedError(
                f"party {document.name}: uses a key of party {other.name}",
                code="pins.shared-key",
                hint="every party makes its own keys; ask both who holds this one",
            )


def _keys_of(document: PartyDocument) -> set[bytes]:
    signing = {key.raw for key in document.signing_keys}
    return signing | {document.receiving_key, document.broker_key}
