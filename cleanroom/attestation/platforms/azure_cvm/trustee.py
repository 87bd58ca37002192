# SPDX-License-Identifier: Apache-2.0
"""Azure evidence in Trustee's spelling, in both of its versions.

The first version writes bytes as lists of numbers, the second as base64url and
hexadecimal. Both put every register in a list by number; the TDX kind has
``td_quote``, the SEV-SNP kind a ``vcek``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.pem import PEM_MARK
from cleanroom.attestation.platforms.azure_cvm.parse import AzureReport
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteParts:
    """A quote that nobody verified.

    Attributes:
        message: ``TPMS_ATTEST``.
        signature: Bare RSASSA signature.
        pcrs: Register values in ascending order.
    """

    message: bytes
    signature: bytes
    pcrs: tuple[bytes, ...]


def trustee_parts(value: Mapping[str, Any]) -> tuple[AzureReport, tuple[bytes, ...]]:
    """Return the parts of an object, and the certificate that it brings.

    Raises:
        MalformedError: Not such an object.
    """
    quote = quote_parts(value.get("tpm_quote", value.get("quote")))
    report = AzureReport(
        hcl=_bytes(value.get("hcl_report", value.get("report"))),
        message=quote.message,
        signature=quote.signature,
        pcrs=quote.pcrs,
        td_quote=_bytes(value["td_quote"]) if "td_quote" in value else b"",
        runtime=NoRuntimeLog(),
    )
    return report, (_certificate(value["vcek"]),) if "vcek" in value else ()


def quote_parts(value: Any) -> QuoteParts:  # noqa: ANN401 - any JSON value
    """Return the parts of a quote with its registers.

    Raises:
        MalformedError: Not such an object.
    """
    if not isinstance(value, dict) or not isinstance(value.get("pcrs"), list):
        raise _malformed("no quote with its registers, agreed one")
    return QuoteParts(
        message=_bytes(value.get("message")),
        signature=_bytes(value.get("signature")),
        pcrs=tuple(_bytes(item) for item in value["pcrs"]),
    )


def _certificate(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    if isinstance(value, str) and value.encode().startswith(PEM_MARK):
        return value.encode()
    return _bytes(value)


def _bytes(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return decoded_text(value.encode())
    if not isinstance(value, list) or not all(
        isinstance(item, int) and item in range(256) for item in value
    ):
        raise _malformed("neither text nor a list of bytes, agreed one of them")
    return bytes(value)


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"azure evidence: found {found}", code="azure.evidence")
