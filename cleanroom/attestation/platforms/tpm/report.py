# SPDX-License-Identifier: Apache-2.0
"""The report of a machine with a TPM, as it travels: quote, key, values, runtime log.

Every part is data until :mod:`verify` has seen it. Canonical JSON (RFC 8785),
because one set of facts must have one spelling; what the TPM signed is inside as
the exact bytes that it wrote.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.attestation.facts import NoRuntimeLog, RuntimeLog
from cleanroom.attestation.fields import base64_field, closed_object, constant_field
from cleanroom.attestation.runtime_log import encode_runtime_log, parse_runtime_log
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import MAX_RUNTIME_DATA_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json

FORMAT = "cleanroom.tpm.v0"

_MEMBERS = ("format", "quote", "signature", "key", "values", "runtime")
_INDICES = {str(index): index for index in range(24)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmReport:
    """One quote and what explains it; unverified.

    Attributes:
        quote: ``TPMS_ATTEST``, exact bytes.
        signature: ``TPMT_SIGNATURE``, exact bytes.
        key: ``TPMT_PUBLIC`` of the attestation key, exact bytes.
        values: Register to its value.
        runtime: What the runner extended; a stranger's report has none.
    """

    quote: bytes
    signature: bytes
    key: bytes
    values: Mapping[int, bytes]
    runtime: RuntimeLog | NoRuntimeLog


def encode_report(report: TpmReport) -> bytes:
    """Write a report."""
    values: dict[str, JSONValue] = {
        str(index): encode_base64(value) for index, value in report.values.items()
    }
    return canonical_json(
        {
            "format": FORMAT,
            "quote": encode_base64(report.quote),
            "signature": encode_base64(report.signature),
            "key": encode_base64(report.key),
            "values": values,
            "runtime": encode_runtime_log(report.runtime)
            if isinstance(report.runtime, RuntimeLog)
            else None,
        }
    )


def parse_report(data: bytes) -> TpmReport:
    """Read a report from its exact bytes.

    Raises:
        MalformedError: Not canonical, not closed, over a limit, or a register that
            no PC has.
    """
    value = parse_json(data, what="TPM report", limit=MAX_RUNTIME_DATA_BYTES)
    members = closed_object(value, members=_MEMBERS, what="TPM report")
    constant_field(members["format"], expected=FORMAT, what="TPM report format")
    report = TpmReport(
        quote=base64_field(members["quote"], what="TPM report quote"),
        signature=base64_field(members["signature"], what="TPM report signature"),
        key=base64_field(members["key"], what="TPM report key"),
        values=_values(members["values"]),
        runtime=NoRuntimeLog()
        if members["runtime"] is None
        else parse_runtime_log(members["runtime"]),
    )
    if encode_report(report) != data:
        raise MalformedError("TPM report: not in canonical form (RFC 8785)", code="tpm.canonical")
    return report


def _values(value: object) -> dict[int, bytes]:
    if not isinstance(value, Mapping) or not value.keys() <= _INDICES.keys():
        raise MalformedError("TPM report values: not registers 0 to 23", code="tpm.values")
    return {
        _INDICES[name]: base64_field(item, what="TPM report value") for name, item in value.items()
    }
