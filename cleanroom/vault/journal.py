# SPDX-License-Identifier: Apache-2.0
"""What an interrupted sealing had finished, so that it can go on where it was killed.

The journal lies beside the parts, where others can write. It is authenticated
under the data key, and bound to the exact source and options: parts of another
source never end up in one version.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited, write_atomic
from cleanroom.kernel.limits import MAX_DATASET_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.seal-journal.v0"
_RESTART = "seal from the start under a new key: cleanroom data seal --restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """One sealed part, as the dataset document lists it.

    Attributes:
        file: Name relative to the dataset's directory, ``parts/<version>-00000.part``.
        digest: SHA-256 over the sealed bytes.
        size: Length of the sealed bytes.
        file_id: The attempt at sealing that these bytes come from.
    """

    file: str
    digest: Digest
    size: int
    file_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The finished parts of one sealing.

    Attributes:
        path: Where it is kept.
        binding: Digest of source, options and key name.
        parts: Part number to finished part.
    """

    path: Path
    binding: Digest
    parts: Mapping[int, SealedPart]

    def with_part(self, number: int, part: SealedPart) -> Journal:
        """Give the journal with one more finished part."""
        return replace(self, parts={**self.parts, number: part})


class _PartWire(WireModel):
    number: int
    file: str
    digest: str
    size: int
    file_id: str


class _JournalWire(WireModel):
    format: str
    binding: str
    parts: list[_PartWire]
    tag: str


def store_journal(journal: Journal, *, key: bytes) -> None:
    """Write the journal, whole or not at all.

    Raises:
        UnavailableError: The disk is full or refuses.
    """
    parts: list[JSONValue] = [
        {
            "number": number,
            "file": part.file,
            "digest": str(part.digest),
            "size": part.size,
            "file_id": part.file_id.hex(),
        }
        for number, part in sorted(journal.parts.items())
    ]
    body: dict[str, JSONValue] = {"format": FORMAT, "binding": str(journal.binding), "parts": parts}
    tag = _tag(canonical_json(body), key=key)
    write_atomic(journal.path, canonical_json({**body, "tag": tag}))


def load_journal(path: Path, *, binding: Digest, key: bytes) -> Journal:
    """Read a journal back, or start an empty one where there is none.

    Raises:
        MalformedError: It is no journal.
        IntegrityError: It was written under another key, or changed.
        RefusedError: It belongs to another source, or to other options.
    """
    if not path.exists():
        return Journal(path=path, binding=binding, parts={})
    value = parse_json(
        read_limited(path, what="sealing journal", limit=MAX_DATASET_BYTES),
        what="sealing journal",
        limit=MAX_DATASET_BYTES,
    )
    wire = validate_shape(_JournalWire, value, what="sealing journal")
    body = {name: item for name, item in value.items() if name != "tag"}
    if not hmac.compare_digest(_tag(canonical_json(body), key=key), wire.tag):
        raise IntegrityError(
            "sealing journal: not written under this data key", code="vault.journal", hint=_RESTART
        )
    if wire.format != FORMAT or wire.binding != str(binding):
        raise RefusedError(
            "sealing journal: found another source or other options, agreed the same as before",
            code="vault.other-source",
            hint=f"give the same source and options, or {_RESTART}",
        )
    return Journal(path=path, binding=binding, parts={p.number: _part(p) for p in wire.parts})


def _part(wire: _PartWire) -> SealedPart:
    return SealedPart(
        file=wire.file,
        digest=Digest.parse(wire.digest),
        size=wire.size,
        file_id=bytes.fromhex(wire.file_id),
    )


def _tag(body: bytes, *, key: bytes) -> str:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=FORMAT.encode() + b"\0")
    return hmac.new(derived.derive(key), body, hashlib.sha256).hexdigest()
