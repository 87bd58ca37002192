# SPDX-License-Identifier: Apache-2.0
"""Ask ``/dev/sev-guest``, where Linux has no configfs-tsm (``linux/sev-guest.h``).

===========================  ============================================================
``SNP_GET_EXT_REPORT``       ``_IOWR('S', 2, 32 bytes)``
argument, 32 bytes           message version 1 and padding, address of the request,
                             address of the response, exit information
request, 112 bytes           64 bytes to sign, VMPL as u32, 28 bytes of zero, address
                             of a buffer for certificates, its length as u32, 4 bytes
response, 4000 bytes         status as u32, size as u32, 24 bytes, the report
exit information             low word: firmware error; high word: the host's: 1 the
                             buffer is too small, 2 busy
===========================  ============================================================

Numbers are of the machine's own byte order, which is little-endian on every EPYC.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from cleanroom.attestation.platforms.sev_snp.parse import REPORT_BYTES
from cleanroom.attestation.platforms.sev_snp.table import MAX_TABLE_BYTES
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

DEVICE = "dev/sev-guest"
GET_EXT_REPORT = 0xC0205302
RESPONSE_BYTES = 4000

_PAGE_BYTES = 4096
_FIRST_PAGES = 4
_TOO_SMALL, _BUSY = 1, 2
# The host lets one request through every two seconds at worst.
_ATTEMPTS = 8
_PAUSE_SECONDS = 0.5
_ARGUMENT = struct.Struct("=B7xQQQ")
_REQUEST = struct.Struct("=64sI28xQI4x")
_RESPONSE_HEAD = struct.Struct("=II24x")

# Calls the device with a request number and a writable argument; raises OSError.
Ioctl = Callable[[int, bytearray], None]
Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAnswer:
    """What the device answered.

    Attributes:
        report: The report.
        certificates: The host's certificate table; may be empty.
    """

    report: bytes
    certificates: bytes


def request_extended(ioctl: Ioctl, *, report_data: bytes, vmpl: int, pause: Pause) -> GuestAnswer:
    """Ask for a report with certificates; wait when the host says that it is busy.

    Args:
        ioctl: Calls the opened device.
        report_data: The 64 bytes to sign.
        vmpl: Privilege level to ask for.
        pause: Waits for some seconds.

    Raises:
        UnavailableError: The device refuses, or is busy all the time.
        MalformedError: It answers nonsense.
    """
    size = _FIRST_PAGES * _PAGE_BYTES
    for _ in range(_ATTEMPTS):
        request = bytearray(_REQUEST.pack(report_data, vmpl, 0, 0))
        response, certificates = bytearray(RESPONSE_BYTES), bytearray(size)
        _REQUEST.pack_into(request, 0, report_data, vmpl, _address(certificates), size)
        argument = bytearray(_ARGUMENT.pack(1, _address(request), _address(response), 0))
        try:
            ioctl(GET_EXT_REPORT, argument)
        except OSError:
            host = _ARGUMENT.unpack(argument)[3] >> 32
            if host == _TOO_SMALL:
                size = _wanted(_REQUEST.unpack(request)[3])
            elif host == _BUSY:
                pause(_PAUSE_SECONDS)
            else:
                raise UnavailableError(
                    f"/{DEVICE}: found host error {host}, agreed a report",
                    code="collect.sev-guest",
                    hint="a guest may only ask for its own privilege level or a lower one",
                ) from None
            continue
        return GuestAnswer(report=_report(response), certificates=_table(certificates))
    raise UnavailableError(
        f"/{DEVICE}: found it busy each time, agreed an answer",
        code="collect.busy",
        hint="try again later",
    )


def _wanted(size: int) -> int:
    if not 0 < size <= MAX_TABLE_BYTES or size % _PAGE_BYTES:
        raise MalformedError(
            f"/{DEVICE}: certificates of {size} bytes", code="collect.certificates"
        )
    return size


def _report(response: bytearray) -> bytes:
    status, size = _RESPONSE_HEAD.unpack_from(response)
    if status or size != REPORT_BYTES:
        raise MalformedError(
            f"/{DEVICE}: answered status {status} and {size} bytes", code="collect.response"
        )
    start = _RESPONSE_HEAD.size
    return bytes(response[start : start + REPORT_BYTES])


def _table(certificates: bytearray) -> bytes:
    # Nothing written, or no entry: the host keeps no certificates.
    return bytes(certificates) if any(certificates) else b""


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
