# SPDX-License-Identifier: Apache-2.0
"""The simulated report: 192 bytes, big-endian, nothing optional.

======  ======  ==========================================
offset  length  field
======  ======  ==========================================
0       16      magic ``CLEANROOM-SIM-v0``
16      4       flags: bit 0 debug, all others zero
20      8       issued at, seconds since 1970 in UTC
28      32      measurement of the runner
60      64      report data: the binding
124     4       reserved, zero
128     64      Ed25519 signature over bytes 0 to 127
======  ======  ==========================================
"""

from __future__ import annotations

import datetime as dt
import struct

from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

MAGIC = b"CLEANROOM-SIM-v0"
SIGNED_BYTES = 128
REPORT_BYTES = 192
DEBUG_FLAG = 1

_SIGNED = struct.Struct(">16sIQ32s64s4s")
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime holds


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedReport:
    """The report's fields; unverified.

    Attributes:
        signed: The exact bytes that the signature covers.
        debug: Whether the pretended debug mode is on.
        issued_at: When the report says it was made.
        measurement: Digest of the runner, as the runner itself gave it.
        report_data: The 64 bytes that the guest chose.
        signature: Ed25519 signature.
    """

    signed: bytes
    debug: bool
    issued_at: dt.datetime
    measurement: Digest
    report_data: bytes
    signature: bytes


def parse_report(report: bytes) -> SimulatedReport:
    """Read a report of exactly the right length.

    Raises:
        MalformedError: Another length, magic or version, an unknown flag, a set
            reserved byte, or a time that no calendar holds.
    """
    if len(report) != REPORT_BYTES:
        raise _malformed(f"{len(report)} bytes against {REPORT_BYTES}", "length")
    signed = report[:SIGNED_BYTES]
    magic, flags, seconds, measurement, report_data, reserved = _SIGNED.unpack(signed)
    if magic != MAGIC:
        raise _malformed(f"another magic against {MAGIC.decode('ascii')}", "magic")
    if flags & ~DEBUG_FLAG or any(reserved):
        raise _malformed("a reserved bit set against zero", "reserved")
    if seconds > _LAST_SECOND:
        raise _malformed("a time after the year 9999", "time")
    return SimulatedReport(
        signed=signed,
        debug=bool(flags & DEBUG_FLAG),
        issued_at=dt.datetime.fromtimestamp(seconds, tz=dt.UTC),
        measurement=Digest(measurement),
        report_data=report_data,
        signature=report[SIGNED_BYTES:],
    )


def encode_signed(
    *, debug: bool, issued_at: dt.datetime, measurement: Digest, report_data: bytes
) -> bytes:
    """Write the part of a report that the signature covers."""
    return _SIGNED.pack(
        MAGIC,
        DEBUG_FLAG if debug else 0,
        int(issued_at.timestamp()),
        measurement.raw,
        report_data,
        bytes(4),
    )


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"simulated report: found {found}", code=f"simulated.{cause}")
