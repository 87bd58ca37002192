# SPDX-License-Identifier: Apache-2.0
"""What ties evidence to one run: labelled digests of the exact runtime data.

A report carries 64 bytes that the guest chooses. Ours are a labelled SHA-512,
so that a report made for another protocol never counts here, and neither a
prefix of the digest nor the digest of a re-encoded document does.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum

from cleanroom.attestation.fields import encode_base64url
from cleanroom.errors import EvidenceRefusedError, MalformedError

LABEL = b"cleanroom-ra/1"
BINDING_BYTES = 64


class Channel(Enum):
    """A kind of place that carries a digest of its own label.

    ``REPORT`` carries all 64 bytes, the next three 32. ``TOKEN`` carries its 32 as
    URL-safe base64 text, and ``FREE`` is a place that our protocol leaves alone.
    """

    REPORT = b"report"
    TPM = b"tpm"
    GPU = b"gpu"
    TOKEN = b"token"
    FREE = b"free"


_SHORT_CHANNELS = frozenset({Channel.TPM, Channel.GPU, Channel.TOKEN})


def bind64(runtime_data: bytes) -> bytes:
    """Derive the 64 bytes that a report must carry for this runtime data.

    Args:
        runtime_data: The exact bytes as received, never re-encoded.
    """
    inner = hashlib.sha512(runtime_data).digest()
    return hashlib.sha512(LABEL + b"\0report\0" + inner).digest()


def bind32(channel: Channel, binding: bytes) -> bytes:
    """Derive the 32 bytes for a TPM quote, a GPU nonce or a token.

    Each channel has its own label: a GPU's answer to a nonce could otherwise be
    replayed as a TPM quote over the same run.

    Raises:
        MalformedError: ``binding`` is not the 64 bytes of :func:`bind64`, or the
            channel carries no digest of 32 bytes.
    """
    check_binding_length(binding)
    if channel not in _SHORT_CHANNELS:
        raise MalformedError(
            f"binding: a place of the kind {channel.name.lower()} carries no 32 bytes of ours",
            code="attestation.channel",
        )
    return hashlib.sha256(LABEL + b"\0" + channel.value + b"\0" + binding).digest()


def expected_in(channel: Channel, binding: bytes) -> bytes:
    """Derive what a place of this channel must carry, byte for byte.

    Raises:
        MalformedError: ``binding`` is not 64 bytes, or the channel carries nothing of ours.
    """
    check_binding_length(binding)
    if channel is Channel.REPORT:
        return binding
    derived = bind32(channel, binding)
    return encode_base64url(derived).encode("ascii") if channel is Channel.TOKEN else derived


def check_binding_length(binding: bytes) -> None:
    """Refuse an expected binding that is not whole.

    Raises:
        MalformedError: Not 64 bytes; comparing a shorter one would compare a prefix.
    """
    if len(binding) != BINDING_BYTES:
        raise MalformedError(
            f"binding: found {len(binding)} bytes against {BINDING_BYTES}",
            code="attestation.binding-length",
        )


def require_binding(binding: bytes, found: bytes, *, channel: Channel, place: str) -> None:
    """Refuse evidence that speaks of another run; compares all bytes in constant time.

    Args:
        binding: All 64 bytes of :func:`bind64`.
        found: Everything that the place carries.
        channel: Which label belongs there.
        place: Its name, for the message.

    Raises:
        MalformedError: ``binding`` is not 64 bytes.
        EvidenceRefusedError: The place carries other bytes.
    """
    if not hmac.compare_digest(expected_in(channel, binding), found):
        raise EvidenceRefusedError(
            f"binding: {place} was made for other runtime data, found {_shown(found)},"
            f" agreed {expected_in(channel, binding).hex()}",
            code="attestation.binding",
            hint="evidence serves one run only; let the runner attest again",
        )


def _shown(found: bytes) -> str:
    # A guest may have filled in a kilobyte; what is agreed is 64 bytes at most.
    more = "…" if len(found) > BINDING_BYTES else ""
    return (found[:BINDING_BYTES].hex() + more) or "nothing"
