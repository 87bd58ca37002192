# SPDX-License-Identifier: Apache-2.0
"""Azure evidence of strangers: our own object, or Trustee's, in both of its versions.

Trustee's first version writes bytes as lists of numbers, its second as base64url
and hexadecimal. Both put every register in a list by number; the TDX kind has
``td_quote``, the SEV-SNP kind a ``vcek``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.pem import PEM_MARK
from cleanroom.attestation.platforms.azure_cvm.parse import (
    FORMAT,
    AzureReport,
    encode_report,
    parse_report,
)
from cleanroom.attestation.platforms.sev_snp.intake import sort_collateral
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import Pins
from cleanroom.attestation.platforms.tdx.intake import sort_collateral as intel_collateral
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_json import parse_json

_WHAT = "azure evidence"


def is_azure(data: bytes, *, tdx: bool) -> bool:
    """Tell whether bytes look like Azure evidence of one hardware."""
    text = data.lstrip()
    if not text.startswith(b"{"):
        return False
    if FORMAT.encode() in text:
        return (b'"td_quote":""' not in text) is tdx
    return b'"hcl_report"' in text and b'"td_quote"' in text if tdx else b'"vcek"' in text


def snp_item(
    platform: str, report: bytes, files: Sequence[bytes], *, pins: Mapping[Product, Pins]
) -> EvidenceItem:
    """Make evidence of a SEV-SNP machine.

    Raises:
        MalformedError: Not Azure evidence, or a file that is no certificate or list.
    """
    azure, vcek = _report(report)
    return EvidenceItem(
        platform=platform,
        report=encode_report(azure),
        collateral=sort_collateral((*vcek, *files), pins=pins),
    )


def tdx_item(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a TDX machine.

    Raises:
        MalformedError: Not Azure evidence, or more than one file.
    """
    azure, vcek = _report(report)
    return EvidenceItem(
        platform=platform,
        report=encode_report(azure),
        collateral=intel_collateral((*vcek, *files)),
    )


def _report(data: bytes) -> tuple[AzureReport, tuple[bytes, ...]]:
    value = parse_json(data, what=_WHAT, limit=MAX_EVIDENCE_BYTES)
    if not isinstance(value, dict):
        raise _malformed("no object")
    if value.get("format") == FORMAT:
        return parse_report(data), ()
    quote = value.get("tpm_quote", value.get("quote"))
    if not isinstance(quote, dict) or not isinstance(quote.get("pcrs"), list):
        raise _malformed("no quote with its registers")
    report = AzureReport(
        hcl=_bytes(value.get("hcl_report", value.get("report"))),
        message=_bytes(quote.get("message")),
        signature=_bytes(quote.get("signature")),
        pcrs=tuple(_bytes(item) for item in quote["pcrs"]),
        td_quote=_bytes(value["td_quote"]) if "td_quote" in value else b"",
        runtime=NoRuntimeLog(),
    )
    return report, (_certificate(value["vcek"]),) if "vcek" in value else ()


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
        raise _malformed("neither text nor a list of bytes")
    return bytes(value)


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="azure.evidence")
