# SPDX-License-Identifier: Apache-2.0
"""The sealed part of a key release: data keys and state shares for one runner.

It is sealed to the key inside the attested ``runtime_data`` and bound to every
other field of the release, so it opens for that runner and as part of that
statement only: a relayed, cut or re-addressed release is an integrity error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace

from cleanroom.contract.statement_shapes import KeyRelease
from cleanroom.contract.statement_wire import KEY_RELEASE_FORMAT, key_release_to_json
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.receiving import ReceivingKey, seal_to
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKeys:
    """What one broker hands to one runner.

    Attributes:
        keys: Lineage to its 32-byte data key.
        shares: Owner set (``state_chain.owner_set_id``) to this broker's 32-byte share.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    shares: Mapping[str, bytes] = field(repr=False)


class _ReleasedKeysWire(WireModel):
    keys: dict[str, str]
    shares: dict[str, str]


def seal_keys(keys: ReleasedKeys, *, release: KeyRelease, hpke_key: bytes) -> KeyRelease:
    """Return the release with the keys sealed to the runner under all its other fields.

    Raises:
        MalformedError: The runner's key is no X-Wing key.
    """
    plaintext = canonical_json({"keys": _encoded(keys.keys), "shares": _encoded(keys.shares)})
    return replace(release, sealed=seal_to(hpke_key, plaintext, info=_info(release)))


def open_keys(release: KeyRelease, *, receiving: ReceivingKey) -> ReleasedKeys:
    """Open a verified release inside the runner that it names.

    Raises:
        IntegrityError: Sealed to another runner or under other fields, or it holds
            other keys than the release says.
        MalformedError: What is inside is not of this version.
    """
    plaintext = receiving.open(release.sealed, info=_info(release))
    value = parse_json(plaintext, what="released keys", limit=MAX_ENVELOPE_BYTES)
    wire = validate_shape(_ReleasedKeysWire, value, what="released keys")
    opened = ReleasedKeys(keys=_decoded(wire.keys), shares=_decoded(wire.shares))
    if set(opened.keys) != {dataset.lineage for dataset in release.datasets}:
        raise IntegrityError(
            "released keys: not one key for each dataset of the release", code="keys.datasets"
        )
    return opened


def _info(release: KeyRelease) -> bytes:
    predicate = key_release_to_json(release)
    del predicate["sealed"]
    label = KEY_RELEASE_FORMAT.encode("ascii") + b"\0"
    return label + hashlib.sha256(canonical_json(predicate)).digest()


def _encoded(secrets: Mapping[str, bytes]) -> dict[str, str]:
    return {name: encode_base64(secret) for name, secret in secrets.items()}


def _decoded(secrets: Mapping[str, str]) -> dict[str, bytes]:
    opened = {name: decode_base64(text, what="released keys") for name, text in secrets.items()}
    if any(len(secret) != SECRET_BYTES for secret in opened.values()):
        raise MalformedError("released keys: a secret is not 32 bytes", code="keys.length")
    return opened
