# SPDX-License-Identifier: Apache-2.0
"""The file that keeps a broker's seeds under a KEK: opened without anybody at a terminal.

The KEK wraps one key, that key seals the seeds, and everything else in the file is
associated data of the seal. What comes out must be the keys of the party's own document.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.private_files import read_private_file
from cleanroom.identity.profile import UnlockedSeeds, broker_public_key
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape
from cleanroom.keybroker.kek.file import NONCE_BYTES
from cleanroom.keybroker.kek.source import KEY_BYTES, Kek, Trouble

FORMAT = "cleanroom.wrapped-seeds.v0"
WRAPPED_FILE = "keys/wrapped-seeds.json"  # below a profile's directory
MAX_WRAPPED_BYTES = 16 * KIB
_WHAT = "wrapped seeds"


class _Wire(WireModel):
    format: Literal["cleanroom.wrapped-seeds.v0"]
    party: str
    kek: str
    wrapped: str
    nonce: str
    sealed: str


class _Seeds(WireModel):
    receiving: str
    broker: str
    state: str


def wrap_seeds(
    seeds: Mapping[str, bytes],
    *,
    party: str,
    kek: Kek,
    entropy: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """Write the seeds under a fresh key that the KEK wraps.

    Args:
        seeds: ``receiving``, ``broker`` and ``state``, 32 bytes each.
        party: Whose they are.
        kek: The KEK; asked once.
        entropy: Where the key and the nonce come from.

    Raises:
        CleanroomError: The KEK cannot be used; see :class:`Trouble`.
    """
    key, nonce = entropy(KEY_BYTES), entropy(NONCE_BYTES)
    header: dict[str, JSONValue] = {
        "format": FORMAT,
        "party": party,
        "kek": kek.place,
        "wrapped": encode_base64(kek.wrap(key, context=_context(party))),
        "nonce": encode_base64(nonce),
    }
    told = canonical_json({name: encode_base64(seed) for name, seed in seeds.items()})
    sealed = AESGCM(key).encrypt(nonce, told, canonical_json(header))
    return canonical_json(header | {"sealed": encode_base64(sealed)}) + b"\n"


def open_wrapped(data: bytes, *, party: PartyDocument, kek: Kek) -> dict[str, bytes]:
    """Open seeds that a KEK wrapped.

    Raises:
        MalformedError: Not such a file.
        IntegrityError: Another party's file, another KEK's, altered, or seeds that are
            not those of the party document.
        CleanroomError: The KEK cannot be used; see :class:`Trouble`.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_WRAPPED_BYTES)
    file = validate_shape(_Wire, value, what=_WHAT)
    _require_same("party", found=file.party, agreed=party.name)
    # Before it is asked: whoever exchanged the file could name a key service of his own.
    _require_same("kek", found=file.kek, agreed=kek.place)
    wrapped = decode_base64(file.wrapped, what=_WHAT)
    key = kek.unwrap(wrapped, context=_context(party.name))
    header = {name: part for name, part in value.items() if name != "sealed"}
    nonce, sealed = (decode_base64(text, what=_WHAT) for text in (file.nonce, file.sealed))
    try:
        told = AESGCM(key).decrypt(nonce, sealed, canonical_json(header))
    except (InvalidTag, ValueError):
        raise Trouble.WRONG.of(kek.place) from None
    texts = validate_shape(_Seeds, parse_json(told, what=_WHAT, limit=KIB), what=_WHAT)
    seeds = {name: decode_base64(text, what=_WHAT) for name, text in texts.model_dump().items()}
    _require_own(seeds, party)
    return seeds


def unlocked(seeds: Mapping[str, bytes]) -> UnlockedSeeds:
    """Return opened seeds as what a broker needs."""
    return UnlockedSeeds(
        receiving=ReceivingKey.from_seed(seeds["receiving"]),
        broker_seed=seeds["broker"],
        state_seed=seeds["state"],
    )


def write_wrapped(directory: Path, data: bytes, *, replacing: bool) -> None:
    """Put the file in its place: the old one or the new one is there, whatever happens.

    Raises:
        RefusedError: There is one already, and it is not to be replaced.
        UnavailableError: The disk refuses.
    """
    path = directory / WRAPPED_FILE
    if path.exists() and not replacing:
        raise RefusedError(
            f"{_WHAT}: there are some already",
            code="kek.exists",
            hint="change their KEK with: cleanroom broker rewrap",
        )
    write_atomic(path, data, mode=PRIVATE_FILE)


def read_wrapped(directory: Path) -> bytes:
    """Return the file of a profile's directory.

    Raises:
        UnavailableError: There is none.
        RefusedError: Others can read it.
    """
    return read_private_file(directory / WRAPPED_FILE, limit=MAX_WRAPPED_BYTES)


def rewrap(directory: Path, *, party: PartyDocument, old: Kek, new: Kek) -> None:
    """Put the seeds under another KEK, or another version of it, in one step.

    What is about to be written is opened first: a new KEK that wraps and does not
    unwrap would lock the broker out.

    Raises:
        CleanroomError: Either KEK cannot be used; the old file is as it was.
    """
    seeds = open_wrapped(read_wrapped(directory), party=party, kek=old)
    data = wrap_seeds(seeds, party=party.name, kek=new)
    open_wrapped(data, party=party, kek=new)
    write_wrapped(directory, data, replacing=True)


def _context(party: str) -> str:
    return f"{FORMAT}/{party}"


def _require_same(clause: str, *, found: str, agreed: str) -> None:
    if found != agreed:
        raise IntegrityError(
            f"{_WHAT}: {clause}: found {found}, agreed {agreed}",
            code=f"kek.{clause}",
            hint="give the --kek that wrapped them, or wrap them anew: cleanroom broker init",
        )


def _require_own(seeds: Mapping[str, bytes], party: PartyDocument) -> None:
    # Whoever may use the KEK could wrap seeds of his own and wait for the owner to serve.
    own = (
        ReceivingKey.from_seed(seeds["receiving"]).public_bytes == party.receiving_key
        and broker_public_key(seeds["broker"]) == party.broker_key
    )
    if not own:
        raise IntegrityError(
            f"{_WHAT}: not the keys in the party document of {party.name}", code="kek.foreign-seeds"
        )
