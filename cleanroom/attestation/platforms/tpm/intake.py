# SPDX-License-Identifier: Apache-2.0
"""Strangers' files: what tpm2-tools, Trustee and the kernel write, put into one report.

Nothing is believed here. A file is told by its first bytes or its length; one that
fits nothing is refused, so that nobody thinks that it was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.fields import base64_field, closed_object
from cleanroom.attestation.platforms.tpm.guest_json import is_guest_json, read_guest
from cleanroom.attestation.platforms.tpm.ima import is_ima_text
from cleanroom.attestation.platforms.tpm.parse import MAGIC, parse_quote
from cleanroom.attestation.platforms.tpm.report import FORMAT, TpmReport, encode_report
from cleanroom.attestation.platforms.tpm.verify import CERTIFICATES, EVENT_LOG, IMA_LOG
from cleanroom.attestation.platforms.tpm.wire import Reader, sized
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES, MAX_STRANGERS_BYTES
from cleanroom.kernel.strict_json import parse_foreign_json, parse_json

_WHAT = "TPM evidence"
_OURS = f'{{"format":"{FORMAT}"'.encode()
QUOTE_START = MAGIC.to_bytes(4, "big")
_STARTS = {
    b"\x00\x14\x00": "signature",
    b"\x00\x16\x00": "signature",
    b"\x00\x18\x00": "signature",
    b"\x00\x01\x00": "key",
    b"\x00\x23\x00": "key",
    b"-----BEGIN PUBLIC KEY-----": "key",
    b"-----BEGIN CERTIFICATE-----": CERTIFICATES,
    b"\x0a\x00\x00\x00": IMA_LOG,
}
_EVENT_LOG_MARK = b"Spec ID Event03"
_RSASSA_SHA256 = b"\x00\x14\x00\x0b"
_RSA_BYTES = 256
_TOOLS_HEAD, _TOOLS_LIST, _TOOLS_DIGEST = 136, 532, 66  # C structures of tpm2-tools


def recognises(data: bytes) -> bool:
    """Tell whether bytes look like our report, a quote, or another's evidence."""
    trustee = data.lstrip()[:1] == b"{" and b'"tpm_quote"' in data and b'"ak_public"' in data
    return data.startswith((_OURS, QUOTE_START)) or trustee or is_guest_json(data)


def intake(report: bytes, files: Sequence[bytes], *, platform: str = "tpm") -> EvidenceItem:
    """Make evidence of a quote in its usual forms, and of the files that belong to it.

    Args:
        report: Our report, Trustee's JSON, a guest's, or a ``TPMS_ATTEST``.
        files: For a ``TPMS_ATTEST`` its signature, key and register values; for all,
            certificates of the key, firmware log and IMA log; in any order.
        platform: Name of the kind.

    Raises:
        MalformedError: A file that fits nothing, two of a kind, or one that is missing.
    """
    parts: dict[str, bytes] = {}
    for data in files:
        name = _name(data)
        if name in parts:
            raise _malformed(f"two files that look like {name}, agreed one")
        parts[name] = data
    collateral = {
        name: parts.pop(name) for name in (CERTIFICATES, EVENT_LOG, IMA_LOG) if name in parts
    }
    if report.startswith(QUOTE_START):
        report = encode_report(_of_tools(report, parts))
    elif is_guest_json(report):
        guest, logs = read_guest(parse_foreign_json(report, what=_WHAT, limit=MAX_STRANGERS_BYTES))
        if logs.keys() & collateral.keys():
            raise _malformed("a log beside a report that has its own")
        report, collateral = encode_report(guest), collateral | logs
    elif not report.startswith(_OURS):
        report = encode_report(_of_trustee(report))
    if parts:
        raise _malformed(f"{', '.join(sorted(parts))} beside a report that has its own")
    return EvidenceItem(platform=platform, report=report, collateral=collateral)


def _name(data: bytes) -> str:
    if _EVENT_LOG_MARK in data[:64]:
        return EVENT_LOG
    if is_ima_text(data):
        return IMA_LOG
    inner = _without_length(data)
    for start, name in _STARTS.items():
        if inner.startswith(start):
            return name
    return "signature" if len(data) == _RSA_BYTES else "values"


def _without_length(data: bytes) -> bytes:
    # A TPM2B_PUBLIC is a public area behind its length.
    return data[2:] if int.from_bytes(data[:2], "big") == len(data) - 2 else data


def _of_tools(message: bytes, parts: dict[str, bytes]) -> TpmReport:
    wanted = ("signature", "key", "values")
    missing = [name for name in wanted if name not in parts]
    if missing:
        raise _malformed(f"no {', '.join(missing)} beside the quote")
    signature, key, values = (parts.pop(name) for name in wanted)
    return TpmReport(
        quote=message,
        signature=_signature(signature),
        key=_key(key),
        values=read_values(message, values),
        runtime=NoRuntimeLog(),
    )


def _of_trustee(report: bytes) -> TpmReport:
    document = parse_json(report, what=_WHAT, limit=MAX_EVIDENCE_BYTES)
    members = closed_object(document, members=("ak_public", "tpm_quote"), what=_WHAT)
    quote = closed_object(
        members["tpm_quote"], members=("message", "pcrs", "signature"), what="TPM evidence quote"
    )
    values = quote["pcrs"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _malformed("registers that are not a list of text")
    message = base64_field(quote["message"], what="TPM evidence quote")
    return TpmReport(
        quote=message,
        signature=_signature(base64_field(quote["signature"], what="TPM evidence signature")),
        key=base64_field(members["ak_public"], what="TPM evidence key"),
        values=read_values(message, _hexadecimal("".join(values))),
        runtime=NoRuntimeLog(),
    )


def _signature(data: bytes) -> bytes:
    return _RSASSA_SHA256 + sized(data) if len(data) == _RSA_BYTES else data


def _key(data: bytes) -> bytes:
    if not data.startswith(b"-----"):
        return _without_length(data)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _malformed("a PEM file that is no public key") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_values(message: bytes, data: bytes) -> dict[int, bytes]:
    """Read the values of exactly the registers that a quote selects.

    Args:
        message: ``TPMS_ATTEST``; unverified.
        data: The values one behind another, or as tpm2-tools saves them.

    Raises:
        MalformedError: Not a quote, one over several banks, or not so many values.
    """
    selections = parse_quote(message).selections
    # Values carry no name of their bank, so with two banks nobody could tell whose they are.
    if len(selections) != 1:
        raise _malformed(f"a quote over {len(selections)} banks, agreed one")
    quoted, size = sorted(selections[0].pcrs), selections[0].bank.size
    joined = data
    if len(data) > _TOOLS_HEAD and (len(data) - _TOOLS_HEAD) % _TOOLS_LIST == 0:
        joined = b"".join(_tools_digests(data))
    if len(joined) != len(quoted) * size:
        raise _malformed(
            f"a file that fits nothing, or values of another length, agreed {len(quoted)} of"
            f" {size} bytes"
        )
    return {index: joined[at * size : (at + 1) * size] for at, index in enumerate(quoted)}


def _tools_digests(data: bytes) -> list[bytes]:
    found = []
    for at in range(_TOOLS_HEAD, len(data), _TOOLS_LIST):
        reader = Reader(data[at : at + _TOOLS_LIST], what="TPM values", order="little")
        count = reader.number(4)
        buffers = [reader.take(_TOOLS_DIGEST) for _ in range(min(count, 8))]
        found += [item[2 : 2 + int.from_bytes(item[:2], "little")] for item in buffers]
    return found


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _malformed("registers that are not hexadecimal") from None


def _malformed(found: str) -> MalformedError:
    return MalformedError(
        f"TPM evidence: {found}",
        code="tpm.intake",
        hint="give the quote, its signature, its key and the register values as separate files",
    )
