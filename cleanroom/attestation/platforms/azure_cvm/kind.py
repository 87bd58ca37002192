# SPDX-License-Identifier: Apache-2.0
"""The two Azure kinds for the command line: a stranger's files, and plain words."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.azure_cvm.claims import SNP_PLATFORM, TDX_PLATFORM
from cleanroom.attestation.platforms.azure_cvm.intake import is_azure, snp_item, tdx_item
from cleanroom.attestation.platforms.azure_cvm.parse import parse_report
from cleanroom.attestation.platforms.azure_cvm.verify import SNP_VERIFIER, TDX_VERIFIER
from cleanroom.attestation.platforms.sev_snp.intake import collateral_requests as amd_requests
from cleanroom.attestation.platforms.sev_snp.parse import parse_report as parse_snp
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS
from cleanroom.attestation.platforms.tdx.intake import collateral_requests as intel_requests

_PROVES = (
    "A genuine processor runs Microsoft's paravisor below a machine whose memory is encrypted.",
    "The registers of that machine's virtual TPM: what was measured while it booted.",
    "That the quote is fresh, and that the guest put these 64 bytes into the hardware report.",
)
_DOES_NOT_PROVE = (
    "That the launch measurement names your code: it covers only Microsoft's paravisor.",
    "That a register says what its number suggests: the contract names the exact selection.",
    "That the paravisor is not Microsoft's to change: it is inside the trusted base.",
)


def collateral_for_snp(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List what AMD hands out for the report inside.

    Raises:
        MalformedError: Not Azure evidence.
    """
    report = parse_report(item.report).parsed_hcl().hardware_report
    return amd_requests(parse_snp(report), have=item.collateral)


def collateral_for_tdx(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List what Intel hands out for the quote inside.

    Raises:
        MalformedError: Not Azure evidence.
    """
    quote = parse_report(item.report).td_quote
    return intel_requests(quote, have=item.collateral)


def intake_snp(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a SEV-SNP machine; see :func:`snp_item`."""
    return snp_item(SNP_PLATFORM, report, files, pins=AMD_PINS)


def intake_tdx(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a TDX machine; see :func:`tdx_item`."""
    return tdx_item(TDX_PLATFORM, report, files)


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=SNP_VERIFIER,
        about=About(
            title="Azure confidential VM on AMD SEV-SNP: paravisor report and virtual TPM quote",
            proves=_PROVES,
            does_not_prove=_DOES_NOT_PROVE,
            example="tpm2_nvread -C o 0x01400001 > hcl_report.bin",
        ),
        recognises=functools.partial(is_azure, tdx=False),
        intake=intake_snp,
        collateral_requests=collateral_for_snp,
    ),
    Kind(
        verifier=TDX_VERIFIER,
        about=About(
            title="Azure confidential VM on Intel TDX: paravisor report, virtual TPM and TD quote",
            proves=_PROVES,
            does_not_prove=_DOES_NOT_PROVE,
            example="tpm2_nvread -C o 0x01400001 > hcl_report.bin",
        ),
        recognises=functools.partial(is_azure, tdx=True),
        intake=intake_tdx,
        collateral_requests=collateral_for_tdx,
    ),
)
