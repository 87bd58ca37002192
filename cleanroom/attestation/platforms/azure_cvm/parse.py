# SPDX-License-Identifier: Apache-2.0
"""Azure evidence as it travels: one closed JSON object, ``cleanroom.azure-vtpm.v0``.

============  ================================================================
member        value
============  ================================================================
format        ``cleanroom.azure-vtpm.v0``
hcl_report    base64: the paravisor's report
message       base64: ``TPMS_ATTEST`` as the virtual TPM signed it
signature     base64: bare RSASSA signature over SHA-256, 256 bytes
pcrs          base64 of every quoted register, in ascending order
td_quote      base64: the quote of a TDX machine; empty on SEV-SNP
runtime       log of the runtime register, or null in a stranger's evidence
============  ================================================================
"""

from __future__ import annotations

from cleanroom.attestation.facts import NoRuntimeLog, RuntimeLog
from cleanroom.attestation.fields import base64_field, closed_object, constant_field
from cleanroom.attestation.platforms.azure_cvm.hcl import HclReport, parse_hcl
from cleanroom.attestation.runtime_log import encode_runtime_log, parse_runtime_log
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json

FORMAT = "cleanroom.azure-vtpm.v0"
PCR_COUNT = 24

_MEMBERS = ("format", "hcl_report", "message", "signature", "pcrs", "td_quote", "runtime")
_WHAT = "azure evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureReport:
    """The parts; unverified.

    Attributes:
        hcl: The paravisor's report, exact bytes.
        message: The quote, exact bytes.
        signature: Bare RSASSA signature.
        pcrs: Values of the quoted registers, in ascending order.
        td_quote: Quote of a TDX machine; empty on SEV-SNP.
        runtime: What the runner says that it extended; a stranger's evidence has none.
    """

    hcl: bytes
    message: bytes
    signature: bytes
    pcrs: tuple[bytes, ...]
    td_quote: bytes
    runtime: RuntimeLog | NoRuntimeLog

    def parsed_hcl(self) -> HclReport:
        """Read the paravisor's report.

        Raises:
            MalformedError: Not such a report.
        """
        return parse_hcl(self.hcl)


def encode_report(report: AzureReport) -> bytes:
    """Write the canonical JSON bytes."""
    document: dict[str, JSONValue] = {
        "format": FORMAT,
        "hcl_report": encode_base64(report.hcl),
        "message": encode_base64(report.message),
        "signature": encode_base64(report.signature),
        "pcrs": [encode_base64(value) for value in report.pcrs],
        "td_quote": encode_base64(report.td_quote),
        "runtime": encode_runtime_log(report.runtime)
        if isinstance(report.runtime, RuntimeLog)
        else None,
    }
    return canonical_json(document)


def parse_report(data: bytes) -> AzureReport:
    """Read the object from its canonical bytes.

    Raises:
        MalformedError: Not closed JSON of this version, or not canonical.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_EVIDENCE_BYTES)
    members = closed_object(value, members=_MEMBERS, what=_WHAT)
    constant_field(members["format"], expected=FORMAT, what=f"{_WHAT} format")
    pcrs = members["pcrs"]
    if not isinstance(pcrs, list) or len(pcrs) > PCR_COUNT:
        raise MalformedError(
            f"{_WHAT}: no list of at most {PCR_COUNT} registers", code="azure.pcrs"
        )
    report = AzureReport(
        hcl=base64_field(members["hcl_report"], what=f"{_WHAT} hcl_report"),
        message=base64_field(members["message"], what=f"{_WHAT} message"),
        signature=base64_field(members["signature"], what=f"{_WHAT} signature"),
        pcrs=tuple(base64_field(item, what=f"{_WHAT} register") for item in pcrs),
        td_quote=base64_field(members["td_quote"], what=f"{_WHAT} td_quote"),
        runtime=NoRuntimeLog()
        if members["runtime"] is None
        else parse_runtime_log(members["runtime"]),
    )
    # Evidence is named by its digest: one set of parts has one spelling.
    if encode_report(report) != data:
        raise MalformedError(f"{_WHAT}: not in canonical form", code="attestation.not-canonical")
    return report
