# SPDX-License-Identifier: Apache-2.0
"""What a guest wrote about itself in one JSON object: quote, key, registers, logs.

==========================  =====================================================
member                      value
==========================  =====================================================
quote, sig, akpub           ``TPMS_ATTEST``, ``TPMT_SIGNATURE``, ``TPMT_PUBLIC``; hexadecimal
pcrs                        register to its value, hexadecimal
bios_log, ima_log           the kernel's binary logs, base64; may be absent
==========================  =====================================================

Whatever else such an object holds is not read, because nothing in it is signed: times,
a nonce by its own account, or an endorsement certificate that nothing ties to the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.fields import base64_field, text_field
from cleanroom.attestation.platforms.tpm.report import TpmReport
from cleanroom.attestation.platforms.tpm.verify import EVENT_LOG, IMA_LOG
from cleanroom.errors import MalformedError

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_REGISTER = re.compile(r"[0-9]|1[0-9]|2[0-3]")
_LOGS = {"bios_log": EVENT_LOG, "ima_log": IMA_LOG}


def is_guest_json(data: bytes) -> bool:
    """Tell whether bytes look like such an object."""
    return data.lstrip()[:1] == b"{" and b'"akpub"' in data and b'"quote"' in data


def read_guest(value: object) -> tuple[TpmReport, dict[str, bytes]]:
    """Return the report of a guest, and its logs by their collateral names.

    Raises:
        MalformedError: A part is missing or not of its form.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("pcrs"), Mapping):
        raise MalformedError("TPM evidence: no object with registers", code="tpm.intake")
    report = TpmReport(
        quote=_octets(value.get("quote"), what="quote"),
        signature=_octets(value.get("sig"), what="signature"),
        key=_octets(value.get("akpub"), what="key"),
        values={_index(name): _octets(item, what="value") for name, item in value["pcrs"].items()},
        runtime=NoRuntimeLog(),
    )
    logs = {
        name: base64_field(value[member], what=f"TPM evidence {member}")
        for member, name in _LOGS.items()
        if member in value
    }
    return report, logs


def _index(name: str) -> int:
    return int(text_field(name, pattern=_REGISTER, what="TPM evidence register"))


def _octets(value: Any, *, what: str) -> bytes:  # noqa: ANN401 - any JSON value
    return bytes.fromhex(text_field(value, pattern=_HEX, what=f"TPM evidence {what}"))
