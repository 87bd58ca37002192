# SPDX-License-Identifier: Apache-2.0
"""The firmware's log of a trust domain (CCEL): what the registers of a quote are made of.

``/sys/firmware/acpi/tables/data/CCEL`` has the form of a TPM's event log with SHA-384
digests; its register 1 is RTMR0, 2 is RTMR1 and so on (Intel TDX Virtual Firmware Design
Guide, section 12). RTMR0 to RTMR2 are the firmware's and the boot loader's, so the log must explain
them completely. RTMR3 is the guest's own: what it adds after the boot is in no such log.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from cleanroom.attestation.platform import Check
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.event_log import (
    parse_event_log,
    replay,
    require_replayed,
)
from cleanroom.errors import MalformedError

LOG_ITEM = "ccel"
LOG_PATH = "sys/firmware/acpi/tables/data/CCEL"

_SIGNATURE = b"Spec ID Event03\0"
_SIGNATURE_AT = 32  # register, kind, SHA-1 digest of zeros and size of the header
_BOOT = frozenset({1, 2, 3})
_GUEST = 4


def is_boot_log(data: bytes) -> bool:
    """Tell whether bytes begin like a log; decides nothing."""
    return data[_SIGNATURE_AT : _SIGNATURE_AT + len(_SIGNATURE)] == _SIGNATURE


def without_padding(data: bytes) -> bytes:
    """Return a log without the 0xFF or zeros that firmware fills its table with.

    An entry may itself end like that, so only whoever reads them all knows where they end.
    What cannot be read stays as it is: a verifier says what is wrong with it.
    """
    try:
        return data[: parse_event_log(data).size]
    except MalformedError:
        return data


def require_boot_log(data: bytes, rtmrs: Sequence[bytes]) -> Check:
    """Refuse a log that does not replay to the registers of a genuine quote.

    Args:
        data: The log.
        rtmrs: RTMR0 to RTMR3 of the quote.

    Raises:
        MalformedError: Not a log, without SHA-384, or with another register.
        IntegrityError: An entry was left out, added, changed or moved.
    """
    log = parse_event_log(data)
    values = dict(enumerate(rtmrs, start=1))
    other = replay(log, bank=Hash.SHA384).keys() - values.keys()
    if other:
        raise MalformedError(
            f"event log: found register {min(other)}, agreed 1 to {len(rtmrs)}", code="dcap.ccel"
        )
    require_replayed(log, values=values, bank=Hash.SHA384, registers=_BOOT)
    guest = replay(log, bank=Hash.SHA384).get(_GUEST, bytes(Hash.SHA384.size))
    more = "" if hmac.compare_digest(guest, values[_GUEST]) else "; the guest extended RTMR3 since"
    return Check(
        name="boot log",
        found=f"{len(log.events)} entries replay to RTMR0, RTMR1 and RTMR2{more}",
    )
