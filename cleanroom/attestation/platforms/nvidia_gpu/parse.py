# SPDX-License-Identifier: Apache-2.0
"""The report: an SPDM 1.1 measurement request and its response, little-endian.

Source: DMTF DSP0274 1.1 tables 41 to 45; NVIDIA's opaque data as its verifier reads it.

=======  ======  =====================================================
offset   length  request
=======  ======  =====================================================
0        1       SPDM version, 0x11
1        1       code, 0xE0 (GET_MEASUREMENTS)
2        1       attributes, 0x01 (signature requested)
3        1       operation, 0xFF (all measurements)
4        32      nonce, ours
36       1       slot
=======  ======  =====================================================

=======  ======  =====================================================
offset   length  response, from byte 37
=======  ======  =====================================================
0        1       SPDM version, 0x11
1        1       code, 0x60 (MEASUREMENTS)
2        1       zero
3        1       slot, low four bits
4        1       number of blocks
5        3       length of the record
8        n       record: blocks of index u8, 0x01 (DMTF), size u16,
                 then type u8, length u16, value
8 + n    32      nonce of the device
40 + n   2       length of the opaque data
42 + n   m       opaque data: fields of type u16, length u16, value
...      96      ECDSA P-384 signature, r and s, big-endian, over all before it
=======  ======  =====================================================

Some drivers pad a report by one byte. It is outside what is signed, and ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

REQUEST_BYTES = 37
SIGNATURE_BYTES = 96
MAX_REPORT_BYTES = 16 * 1024
MAX_PADDING_BYTES = 1

# Opaque data types.
DRIVER_VERSION = 3
VBIOS_VERSION = 6
NVDEC_STATUS = 11
CHIP_SKU = 15
PROJECT = 17
PROJECT_SKU = 18
FIRMWARE_ID = 20
PROTECTED_PCIE = 21
CHIP_INFO = 35
FEATURE_FLAG = 36

_REQUEST = struct.Struct("<BBBB32sB")
_RESPONSE = struct.Struct("<BBBBB")
_BLOCK = struct.Struct("<BBHBH")
_FIELD = struct.Struct("<HH")
_SPDM_1_1, _GET_MEASUREMENTS, _MEASUREMENTS = 0x11, 0xE0, 0x60
_SIGNED, _ALL, _DMTF = 0x01, 0xFF, 0x01
_SLOT = 0x0F
_MEASUREMENT_HEADER = 3
_MAX_MEASUREMENT = 64
_NONCE = 32
_ON, _OFF = b"\xaa", b"\x55"
# A number of which chips write one byte, two, four or eight.
_FEATURE_BYTES = (1, 2, 4, 8)
_MODES = ("single", "multi", "protected-pcie")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReport:
    """A report's fields; unverified.

    Attributes:
        signed: The exact bytes that the signature covers, request included.
        nonce: The 32 bytes that the requester chose.
        measurements: Index from 1 to raw value.
        opaque: Type to raw value.
        signature: r and s, 48 bytes each, big-endian.
    """

    signed: bytes
    nonce: bytes
    measurements: Mapping[int, bytes]
    opaque: Mapping[int, bytes]
    signature: bytes


def parse_report(data: bytes) -> GpuReport:
    """Read request and response, every byte accounted for.

    Raises:
        MalformedError: Oversize, truncated, trailing bytes, another version or code,
            lengths that contradict each other, or one index or type twice.
    """
    if len(data) > MAX_REPORT_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_REPORT_BYTES}", "oversize")
    nonce, slot = _request(data)
    count, record, at = _response(data, slot=slot)
    at += _NONCE
    opaque_size = int.from_bytes(_slice(data, at, 2), "little")
    opaque = _slice(data, at + 2, opaque_size)
    end = at + 2 + opaque_size
    signature = _slice(data, end, SIGNATURE_BYTES)
    if len(data) - end - SIGNATURE_BYTES > MAX_PADDING_BYTES:
        raise _malformed(f"bytes behind the signature against {MAX_PADDING_BYTES}", "trailing")
    return GpuReport(
        signed=data[:end],
        nonce=nonce,
        measurements=_measurements(record, count=count),
        opaque=_opaque(opaque),
        signature=signature,
    )


def text_of(report: GpuReport, kind: int, *, what: str) -> str:
    """Return an opaque field that is NUL-padded ASCII text, in lower case.

    Raises:
        MalformedError: Absent, empty, or not printable ASCII.
    """
    value = report.opaque.get(kind, b"").rstrip(b"\0")
    if not value or not all(0x21 <= byte < 0x7F for byte in value):  # noqa: PLR2004 - printable
        raise _malformed(f"no {what} in plain text", "text")
    return value.decode("ascii").lower()


def vbios_version(report: GpuReport) -> str:
    """Return the VBIOS version in lower case, for example ``96.00.9f.00.01``.

    GPUs write 8 bytes: the first four backwards, then the fifth, then zeros; a switch
    writes text.

    Raises:
        MalformedError: Absent, or of neither form.
    """
    value = report.opaque.get(VBIOS_VERSION, b"")
    if len(value) != 8:  # noqa: PLR2004 - the binary form
        return text_of(report, VBIOS_VERSION, what="VBIOS version")
    return ".".join(f"{byte:02x}" for byte in (*value[3::-1], value[4]))


def driver_version(report: GpuReport) -> str:
    """Return the driver version in lower case, for example ``550.90.07``.

    Raises:
        MalformedError: Absent, or not text.
    """
    return text_of(report, DRIVER_VERSION, what="driver version")


def named_chip(report: GpuReport, certified: str) -> str:
    """Return the name under which a chip's manifests are published.

    A Blackwell's certificate names a family, and its report the member of it.

    Raises:
        MalformedError: The report names it in another form than text.
    """
    if CHIP_INFO not in report.opaque:
        return certified
    return text_of(report, CHIP_INFO, what="chip").upper()


def mode_of(report: GpuReport) -> str:
    """Return how the device is used: ``single``, ``multi`` or ``protected-pcie``.

    Raises:
        MalformedError: A mode that nobody knows, or two that contradict each other.
    """
    protected = report.opaque.get(PROTECTED_PCIE)
    flag = report.opaque.get(FEATURE_FLAG, b"\2" if protected == _ON else b"\0")
    number = int.from_bytes(flag, "little")
    known = len(flag) in _FEATURE_BYTES and number < len(_MODES)
    if protected not in {_ON, _OFF, None} or not known:
        raise _malformed("a mode of use that is not known, agreed one of three", "mode")
    mode = _MODES[number]
    # Either of the two fields may be left out, by older and by newer chips.
    if protected is not None and (mode == _MODES[2]) != (protected == _ON):
        raise _malformed("two modes of use that contradict each other, agreed one", "mode")
    return mode


def video_decoder_off(report: GpuReport) -> bool:
    """Tell whether the report says that the video decoder is off; silence is no such word."""
    return report.opaque.get(NVDEC_STATUS) == _OFF


def _request(data: bytes) -> tuple[bytes, int]:
    version, code, attributes, operation, nonce, slot = _REQUEST.unpack(
        _slice(data, 0, REQUEST_BYTES)
    )
    if version != _SPDM_1_1:
        raise _malformed(f"SPDM version {version:#04x} against {_SPDM_1_1:#04x}", "version")
    # An unsigned answer, or one about a single measurement, would prove less.
    if (code, attributes, operation) != (_GET_MEASUREMENTS, _SIGNED, _ALL):
        raise _malformed("another request, agreed one for all measurements, signed", "request")
    return nonce, slot


def _response(data: bytes, *, slot: int) -> tuple[int, bytes, int]:
    version, code, reserved, answered, count = _RESPONSE.unpack(
        _slice(data, REQUEST_BYTES, _RESPONSE.size)
    )
    if version != _SPDM_1_1:
        raise _malformed(f"SPDM version {version:#04x} against {_SPDM_1_1:#04x}", "version")
    if code != _MEASUREMENTS or reserved or answered & _SLOT != slot:
        raise _malformed("another response than measurements of the slot asked for", "response")
    at = REQUEST_BYTES + _RESPONSE.size
    size = int.from_bytes(_slice(data, at, 3), "little")
    return count, _slice(data, at + 3, size), at + 3 + size


def _measurements(record: bytes, *, count: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(count):
        index, spec, size, _, length = _BLOCK.unpack(_slice(record, at, _BLOCK.size))
        # Two values under one index: one would be compared, the other would be true.
        if spec != _DMTF or not index or index in found:
            raise _malformed(
                f"measurement {index} twice, or not a DMTF one, agreed once", "measurement"
            )
        if size != length + _MEASUREMENT_HEADER or not 0 < length <= _MAX_MEASUREMENT:
            raise _malformed(f"measurement {index} with lengths that differ", "measurement")
        found[index] = _slice(record, at + _BLOCK.size, length)
        at += _BLOCK.size + length
    if at != len(record):
        raise _malformed("a record longer than its measurements", "record")
    return found


def _opaque(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind, size = _FIELD.unpack(_slice(data, at, _FIELD.size))
        if kind in found:
            raise _malformed(f"opaque field {kind} twice", "opaque")
        found[kind] = _slice(data, at + _FIELD.size, size)
        at += _FIELD.size + size
    return found


def _slice(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise _malformed("an end inside a field, agreed a whole one", "truncated")
    return data[at : at + size]


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"nvidia report: found {found}", code=f"nvidia.{cause}")
