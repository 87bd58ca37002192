# SPDX-License-Identifier: Apache-2.0
"""Azure evidence of strangers: our own object, Trustee's, or separate files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware
from cleanroom.attestation.platforms.azure_cvm.parse import (
    FORMAT,
    AzureReport,
    encode_report,
    parse_report,
)
from cleanroom.attestation.platforms.azure_cvm.separate import hardware_of, join_parts
from cleanroom.attestation.platforms.azure_cvm.trustee import trustee_parts
from cleanroom.attestation.platforms.sev_snp.intake import sort_collateral
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import Pins
from cleanroom.attestation.platforms.tdx.intake import sort_collateral as intel_collateral
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_json import parse_json

_WHAT = "azure evidence"


def is_azure(data: bytes, *, tdx: bool) -> bool:
    """Tell whether bytes look like Azure evidence of one hardware."""
    hardware = hardware_of(data)
    if hardware is not None:
        return (hardware is Hardware.TDX) is tdx
    text = data.lstrip()
    if not text.startswith(b"{"):
        return False
    if FORMAT.encode() in text:
        return (b'"td_quote":""' not in text) is tdx
    # Others put reports of bare machines into objects with a "vcek" as well; those have no quote.
    quoted = b'"hcl_report"' in text or (b'"report"' in text and b'"quote"' in text)
    return quoted and (b'"td_quote"' if tdx else b'"vcek"') in text


def snp_item(
    platform: str, report: bytes, files: Sequence[bytes], *, pins: Mapping[Product, Pins]
) -> EvidenceItem:
    """Make evidence of a SEV-SNP machine.

    Raises:
        MalformedError: Not Azure evidence, or a file that is no certificate or list.
    """
    azure, beside = _report(report, files)
    return EvidenceItem(
        platform=platform,
        report=encode_report(azure),
        collateral=sort_collateral(beside, pins=pins),
    )


def tdx_item(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a TDX machine.

    Raises:
        MalformedError: Not Azure evidence, or more than one file.
    """
    azure, beside = _report(report, files)
    return EvidenceItem(
        platform=platform,
        report=encode_report(azure),
        collateral=intel_collateral(azure.td_quote, beside),
    )


def _report(data: bytes, files: Sequence[bytes]) -> tuple[AzureReport, tuple[bytes, ...]]:
    if hardware_of(data) is not None:
        return join_parts(data, files)
    value = parse_json(data, what=_WHAT, limit=MAX_EVIDENCE_BYTES)
    if not isinstance(value, dict):
        raise MalformedError(
            f"{_WHAT}: found no object, agreed one or the paravisor's report", code="azure.evidence"
        )
    if value.get("format") == FORMAT:
        return parse_report(data), tuple(files)
    report, certificates = trustee_parts(value)
    return report, (*certificates, *files)
