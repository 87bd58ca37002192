# SPDX-License-Identifier: Apache-2.0
"""Azure evidence as separate files: the paravisor's report, and what lies beside it.

``tpm2_nvread`` writes the report, ``tpm2_quote`` a message, a signature and register
values; some tools write these three as one JSON object or as bincode, and TDX adds its
quote. A file is told by its first bytes or its length, and nothing is believed here.

Bincode is signature, message and list of values, each behind its length in eight bytes,
little-endian; newer tools write the length of each value, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.pem import PEM_MARK
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware, parse_hcl
from cleanroom.attestation.platforms.azure_cvm.parse import PCR_COUNT, AzureReport
from cleanroom.attestation.platforms.azure_cvm.trustee import QuoteParts, quote_parts
from cleanroom.attestation.platforms.tdx.intake import recognises_tdx
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.attestation.platforms.tpm.intake import QUOTE_START, read_values
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_json import parse_json

_HCL_START = b"HCLA"
_RSASSA_SHA256 = b"\x00\x14\x00\x0b\x01\x00"  # TPMT_SIGNATURE of an RSA key of 2048 bits
_RSA_BYTES = 256
_VALUE_BYTES = 32
_BINCODE_START = _RSA_BYTES.to_bytes(8, "little")
_MESSAGE, _SIGNATURE, _VALUES, _OBJECT, _TD_QUOTE = (
    "quote",
    "signature",
    "register values",
    "quote object",
    "TDX quote",
)


def hardware_of(data: bytes) -> Hardware | None:
    """Tell on which hardware a paravisor's report was made; None if it is no report."""
    report = decoded_text(data)
    if not report.startswith(_HCL_START):
        return None
    try:
        return parse_hcl(report).hardware
    except MalformedError:
        return None


def join_parts(data: bytes, files: Sequence[bytes]) -> tuple[AzureReport, tuple[bytes, ...]]:
    """Put a report and the files beside it together.

    Returns:
        The parts, and the files that are the processor's collateral.

    Raises:
        MalformedError: Two files of a kind, or one that is missing.
    """
    parts: dict[str, bytes] = {}
    others: list[bytes] = []
    for file in files:
        name, content = _name(file)
        if name in parts:
            raise _malformed(f"two files that look like a {name}")
        if name:
            parts[name] = content
        else:
            others.append(file)
    quote = _quote(parts)
    report = AzureReport(
        hcl=decoded_text(data),
        message=quote.message,
        signature=quote.signature,
        pcrs=quote.pcrs,
        td_quote=parts.get(_TD_QUOTE, b""),
        runtime=NoRuntimeLog(),
    )
    return report, tuple(others)


def _name(file: bytes) -> tuple[str, bytes]:
    text = file.strip()
    if text.startswith(PEM_MARK):
        return "", file
    if text.startswith(b"{"):
        return (_OBJECT if b'"pcrs"' in text else ""), file
    content = decoded_text(file)
    if content.startswith(QUOTE_START):
        return _MESSAGE, content
    if content.startswith(_BINCODE_START):
        return _OBJECT, content
    if recognises_tdx(content):
        return _TD_QUOTE, content
    if len(content) == _RSA_BYTES or content.startswith(_RSASSA_SHA256):
        return _SIGNATURE, content[-_RSA_BYTES:]
    # A certificate begins with a long sequence; what is left fits the registers, or nothing.
    return ("" if content.startswith(b"\x30\x82") else _VALUES), content


def _quote(parts: Mapping[str, bytes]) -> QuoteParts:
    separate = parts.keys() & {_MESSAGE, _SIGNATURE, _VALUES}
    if _OBJECT in parts:
        if separate:
            raise _malformed(f"a {min(separate)} beside a {_OBJECT} that has its own, agreed one")
        if parts[_OBJECT].startswith(_BINCODE_START):
            return _bincode_parts(parts[_OBJECT])
        value = parse_json(parts[_OBJECT], what="azure quote", limit=MAX_EVIDENCE_BYTES)
        return quote_parts(value)
    missing = [name for name in (_MESSAGE, _SIGNATURE, _VALUES) if name not in separate]
    if missing:
        raise _malformed(f"no {', '.join(missing)} beside the paravisor's report, agreed all")
    values = read_values(parts[_MESSAGE], parts[_VALUES])
    return QuoteParts(
        message=parts[_MESSAGE],
        signature=parts[_SIGNATURE],
        pcrs=tuple(value for _, value in sorted(values.items())),
    )


def _bincode_parts(data: bytes) -> QuoteParts:
    # Values of another length do not belong to the selection, which the verifier says.
    reader = Reader(data, what="azure quote", order="little")
    signature, message = (reader.sized(width=8, limit=len(data)) for _ in range(2))
    count = reader.number(8)
    if count > PCR_COUNT:
        raise _malformed(f"{count} register values, agreed at most {PCR_COUNT}")
    # Values alone, or each behind its length; what is left tells which.
    if reader.remaining == count * _VALUE_BYTES:
        values = [reader.take(_VALUE_BYTES) for _ in range(count)]
    else:
        values = [reader.sized(width=8, limit=_VALUE_BYTES) for _ in range(count)]
    reader.end()
    return QuoteParts(message=message, signature=signature, pcrs=tuple(values))


def _malformed(found: str) -> MalformedError:
    return MalformedError(
        f"azure evidence: found {found}",
        code="azure.evidence",
        hint="give quote, signature, register values and certificates with --collateral",
    )
