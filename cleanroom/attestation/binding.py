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

from cleanroom.errors import EvidenceRefusedError, MalformedError

LABEL = b"cleanroom-ra/1"
BINDING_BYTES = 64


class Channel(Enum):
    """A place beside the main report that carries 32 bytes of its own."""

    TPM = b"tpm"
    GPU = b"gpu"
    TOKEN = b"token"


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
        MalformedError: ``binding`` is not the 64 bytes of :func:`bind64`.
    """
    check_binding_length(binding)
    return hashlib.sha256(LABEL + b"\0" + channel.value + b"\0" + binding).digest()


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


def require_binding(expected: bytes, found: bytes) -> None:
    """Refuse evidence that speaks of another run; compares all bytes in constant time.

    Raises:
        MalformedError: ``expected`` is not 64 bytes.
        EvidenceRefusedError: The evidence carries other bytes.
    """
    check_binding_length(expected)
    if not hmac.compare_digest(expected, found):
        raise EvidenceRefusedError(
            "binding: the evidence was made for other runtime data",
            code="attestation.binding",
            hint="evidence serves one run only; let the runner attest again",
        )
