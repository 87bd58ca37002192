# SPDX-License-Identifier: Apache-2.0
"""The paravisor's report, NV index 0x01400001 of the virtual TPM; little-endian.

Source: openvmm, ``openhcl_attestation_protocol::igvm_attest``.

======  ======  ==============================================================
offset  length  field
======  ======  ==============================================================
0       4       ``HCLA``
4       4       version: 1 or 2
8       4, 4, 4 report size, request type, status; **measured by nobody**
20      12      reserved
32      1184    hardware report: SEV-SNP, or a TDREPORT of 1024 and zeros
1216    4       size of the runtime data, this field included
1220    4       version of the runtime data: 1 or 2
1224    4       type of the hardware report: 2 SEV-SNP, 4 TDX
1228    4       hash: 1 SHA-256, 2 SHA-384, 3 SHA-512
1232    4       length n of the runtime claims
1236    4       only in version 2: capabilities
1236    n       runtime claims, JSON; 1240 in version 2
======  ======  ==============================================================

Zeros fill the rest. Only the hash of the runtime claims is in the hardware
report, so nothing else of the header is believed: a wrong length or hash type
gives a digest that does not match.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from enum import Enum

from cleanroom.attestation.platforms.sev_snp.parse import REPORT_BYTES
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

MAX_HCL_BYTES = 32 * 1024
MAGIC = b"HCLA"
VERSIONS = {1, 2}

_HEADER_BYTES = 32
_RUNTIME = struct.Struct("<IIIII")
_RUNTIME_AT = _HEADER_BYTES + REPORT_BYTES
_CLAIMS_AT = _RUNTIME_AT + _RUNTIME.size
_CAPABILITIES_BYTES = 4
_WITH_CAPABILITIES = 2
_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}


class Hardware(Enum):
    """Which processor's report is inside."""

    SEV_SNP = 2
    TDX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HclReport:
    """The report's fields; unverified.

    Attributes:
        hardware: Which processor.
        hardware_report: The 1184 bytes.
        hash_name: Hash of the claims, as hashlib names it.
        claims: The exact bytes of the runtime claims.
    """

    hardware: Hardware
    hardware_report: bytes
    hash_name: str
    claims: bytes


def parse_hcl(data: bytes) -> HclReport:
    """Read a report.

    Raises:
        MalformedError: Too short or long, another magic or version, an unknown
            hardware or hash, lengths that do not fit, or set bytes behind the end.
    """
    if not _CLAIMS_AT <= len(data) <= MAX_HCL_BYTES:
        raise _malformed(f"{len(data)} bytes against {_CLAIMS_AT} to {MAX_HCL_BYTES}", "length")
    if data[:4] != MAGIC:
        raise _malformed("another magic against HCLA", "magic")
    version = int.from_bytes(data[4:8], "little")
    size, data_version, kind, hash_type, length = _RUNTIME.unpack_from(data, _RUNTIME_AT)
    if version not in VERSIONS or data_version not in VERSIONS:
        raise _malformed(f"versions {version} and {data_version} against 1 or 2", "version")
    if kind not in {item.value for item in Hardware}:
        raise _malformed(f"hardware type {kind} against SEV-SNP or TDX", "hardware")
    if hash_type not in _HASHES:
        raise _malformed(f"hash type {hash_type} against 1 to 3", "hash")
    start = _CLAIMS_AT + (_CAPABILITIES_BYTES if data_version == _WITH_CAPABILITIES else 0)
    claims, rest = data[start : start + length], data[start + length :]
    if len(claims) != length or size != start - _RUNTIME_AT + length or any(rest):
        raise _malformed("lengths that do not fit the report, agreed exact ones", "runtime-length")
    return HclReport(
        hardware=Hardware(kind),
        hardware_report=data[_HEADER_BYTES:_RUNTIME_AT],
        hash_name=_HASHES[hash_type],
        claims=claims,
    )


def require_claims(report: HclReport, report_data: bytes) -> None:
    """Refuse runtime claims that the hardware did not sign.

    Args:
        report: The paravisor's report.
        report_data: The 64 bytes of a genuine hardware report.

    Raises:
        IntegrityError: Their digest, padded with zeros, is not these bytes.
    """
    digest = hashlib.new(report.hash_name, report.claims).digest()
    if not hmac.compare_digest(digest.ljust(len(report_data), b"\0"), report_data):
        raise IntegrityError(
            f"azure runtime claims: not those that the hardware report digests,"
            f" found {digest.hex()}, agreed {report_data.hex()}",
            code="azure.claims-digest",
            hint="the attestation key in them is believed for that digest alone",
        )


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"hcl report: found {found}", code=f"azure.hcl-{cause}")
