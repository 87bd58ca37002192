# SPDX-License-Identifier: Apache-2.0
"""A result on its way to its receivers: nobody else can open it, nor learn its size.

One content key seals the padded result; the key is sealed to every receiver's
receiving key. Both seals are bound to the run, so that a result cannot be handed
out as the answer to another one. Format: ``docs/protocol/sealed-result.md``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.identity.receiving import ReceivingKey, seal_to
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_SEALED_RESULT_BYTES
from cleanroom.kernel.padding import pad, unpad
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.sealed-result.v0"
_KEY_BYTES = 32
_NONCE = bytes(12)  # every content key seals exactly one result
_WHAT = "result.sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContext:
    """The run that a result answers; both seals are bound to it."""

    run: str
    contract: Digest
    query: Digest
    run_request: Digest

    def info(self) -> bytes:
        """Return the bytes that both seals are bound to."""
        bound = {
            "run": self.run,
            "contract": str(self.contract),
            "query": str(self.query),
            "run_request": str(self.run_request),
        }
        return FORMAT.encode() + b"\0" + canonical_json(bound)


class _SealedResultWire(WireModel):
    format: str
    recipients: dict[str, str]
    ciphertext: str


def seal_result(
    result: bytes,
    *,
    context: ResultContext,
    receivers: Mapping[str, bytes],
    entropy: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """Seal a result to its receivers.

    Args:
        result: The released result, before padding.
        context: The run.
        receivers: Party name to X-Wing public key (1,216 bytes).
        entropy: Source of random bytes.
    """
    key, info = entropy(_KEY_BYTES), context.info()
    ciphertext = AESGCM(key).encrypt(_NONCE, pad(result), info)
    recipients = {
        party: encode_base64(seal_to(public, key, info=info + b"\0" + party.encode()))
        for party, public in receivers.items()
    }
    return canonical_json(
        {"format": FORMAT, "recipients": recipients, "ciphertext": encode_base64(ciphertext)}
    )


def open_result(
    data: bytes, *, context: ResultContext, party: str, receiving: ReceivingKey
) -> bytes:
    """Open a sealed result as one of its receivers.

    Raises:
        MalformedError: Not a sealed result.
        RefusedError: Not sealed to this party.
        IntegrityError: Sealed for another run, or altered.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_SEALED_RESULT_BYTES)
    wire = validate_shape(_SealedResultWire, value, what=_WHAT)
    if wire.format != FORMAT:
        raise IntegrityError(f"{_WHAT}: not of the format {FORMAT}", code="result.format")
    if party not in wire.recipients:
        raise RefusedError(
            f"{_WHAT}: not sealed to {party}",
            code="result.receiver",
            hint="only the receivers that the run request names can open a result",
        )
    info = context.info()
    sealed_key = decode_base64(wire.recipients[party], what=_WHAT)
    key = receiving.open(sealed_key, info=info + b"\0" + party.encode())
    return unpad(_decrypt(key, decode_base64(wire.ciphertext, what=_WHAT), info), what=_WHAT)


def _decrypt(key: bytes, ciphertext: bytes, info: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(_NONCE, ciphertext, info)
    except (InvalidTag, ValueError):
        raise IntegrityError(
            f"{_WHAT}: does not open as this run's result",
            code="result.integrity",
            hint="fetch it again; if it fails again, the room was tampered with",
        ) from None
