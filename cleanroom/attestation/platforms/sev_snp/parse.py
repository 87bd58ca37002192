# SPDX-License-Identifier: Apache-2.0
"""The SEV-SNP attestation report: 1184 bytes, little-endian (AMD 56860 table 23).

======  ======  ==================  ======  ======  ==================================
offset  length  field               offset  length  field
======  ======  ==================  ======  ======  ==================================
0x000   4       VERSION 2 to 5      0x140   32      REPORT_ID
0x004   4       GUEST_SVN           0x160   32      REPORT_ID_MA
0x008   8       POLICY              0x180   8       REPORTED_TCB
0x010   16      FAMILY_ID           0x188   3       from 3: CPUID family, model, step
0x020   16      IMAGE_ID            0x18B   21      zero
0x030   4       VMPL                0x1A0   64      CHIP_ID
0x034   4       SIGNATURE_ALGO      0x1E0   8       COMMITTED_TCB
0x038   8       CURRENT_TCB         0x1E8   3, 1    CURRENT build, minor, major; zero
0x040   8       PLATFORM_INFO       0x1EC   3, 1    COMMITTED build, minor, major; zero
0x048   4       KEY_INFO            0x1F0   8       LAUNCH_TCB
0x04C   4       zero                0x1F8   8       from 5: LAUNCH_MIT_VECTOR
0x050   64      REPORT_DATA         0x200   8       from 5: CURRENT_MIT_VECTOR
0x090   48      MEASUREMENT         0x208   152     zero
0x0C0   32      HOST_DATA           0x2A0   72, 72  signature R, S
0x0E0   48      ID_KEY_DIGEST       0x330   368     zero
0x110   48      AUTHOR_KEY_DIGEST
======  ======  ==================  ======  ======  ==================================

The signature covers bytes 0x000 to 0x29F. Before version 3 the CPUID bytes are
zero, and before version 5 the mitigation vectors are.
"""

from __future__ import annotations

import struct
from enum import Enum

from cleanroom.attestation.platforms.sev_snp.product import Product, product_of_cpu
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

REPORT_BYTES = 0x4A0
SIGNED_BYTES = 0x2A0
VERSIONS = range(2, 6)
CPUID_VERSION = 3
MITIGATION_VERSION = 5
ECDSA_P384_SHA384 = 1

_SIGNED = struct.Struct("<IIQ16s16sII8sQI4s64s48s32s48s48s32s32s8s3s21s64s8s3ss3ss8sQQ152s")
_NUMBER_BYTES = 72  # AMD 56860 table 135: little-endian, zero-extended
_P384_BYTES = 48

_POLICY_RESERVED_ONE = 1 << 17
_POLICY_KNOWN_BITS = (1 << 26) - 1
_KEY_AUTHOR, _KEY_MASKED, _KEY_SHIFT, _KEY_SELECT = 1, 2, 2, 7
_KEY_KNOWN_BITS = 0x1F


class SigningKey(Enum):
    """Who derived the key that signed: the chip, or the cloud provider's service."""

    VCEK = 0
    VLEK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the guest's owner allows the host to do (AMD 56860 table 9).

    Attributes:
        raw: All 64 bits.
        abi_major: Least firmware interface, major.
        abi_minor: Least firmware interface, minor.
        smt: Sibling threads may run.
        migration_agent: A migration agent may be associated.
        debug: The host may decrypt guest memory.
        single_socket: The guest must stay on one socket.
    """

    raw: int
    abi_major: int
    abi_minor: int
    smt: bool
    migration_agent: bool
    debug: bool
    single_socket: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpReport:
    """The report's fields; unverified.

    Attributes:
        signed: The exact bytes that the signature covers.
        version: 2 to 5.
        guest_svn: The guest's own security version, from its ID block.
        policy: What the host may do.
        family_id: 16 bytes from the ID block.
        image_id: 16 bytes from the ID block.
        vmpl: Privilege level of whoever asked, 0 the highest.
        current_tcb: Firmware that runs, 8 bytes.
        platform_info: Bits that describe the platform; unknown ones are kept.
        author_key: Whether AUTHOR_KEY_DIGEST is of a key that signed the ID key.
        masked_chip_key: Whether the host hid the chip behind its key.
        signing_key: Which key signed.
        report_data: The 64 bytes that the guest chose.
        measurement: Launch digest, 48 bytes.
        host_data: 32 bytes that the **host** chose at launch.
        id_key_digest: Digest of the key that signed the ID block, 48 bytes.
        author_key_digest: Digest of the key that signed the ID key, 48 bytes.
        report_id: 32 bytes that name this guest on this machine.
        report_id_ma: 32 bytes that name its migration agent.
        reported_tcb: Firmware versions that the signing key was derived from, 8 bytes.
        product: From the CPUID bytes; ``None`` before version 3, which has none.
        chip_id: 64 bytes, zero if the host masked them.
        committed_tcb: Firmware that cannot be rolled back, 8 bytes.
        current_build: Firmware build, minor, major.
        committed_build: Firmware build, minor, major, that cannot be rolled back.
        launch_tcb: Firmware when the guest was launched, 8 bytes.
        launch_mitigations: Mitigation bits at launch; zero before version 5.
        current_mitigations: Mitigation bits now; zero before version 5.
        signature_r: Number R.
        signature_s: Number S.
    """

    signed: bytes
    version: int
    guest_svn: int
    policy: Policy
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: bytes
    platform_info: int
    author_key: bool
    masked_chip_key: bool
    signing_key: SigningKey
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    product: Product | None
    chip_id: bytes
    committed_tcb: bytes
    current_build: bytes
    committed_build: bytes
    launch_tcb: bytes
    launch_mitigations: int
    current_mitigations: int
    signature_r: int
    signature_s: int


def parse_report(report: bytes) -> SnpReport:
    """Read a report of exactly the right length.

    Raises:
        MalformedError: Another length or version, an unknown signature algorithm,
            key or policy bit, a set reserved byte, or an unknown processor.
    """
    if len(report) != REPORT_BYTES:
        raise _malformed(f"{len(report)} bytes against {REPORT_BYTES}", "length")
    signed = report[:SIGNED_BYTES]
    fields = _SIGNED.unpack(signed)
    (version, guest_svn, policy, family_id, image_id, vmpl, algorithm) = fields[:7]
    (current_tcb, platform_info, key_info, zero_1, report_data, measurement) = fields[7:13]
    (host_data, id_key, author_key, report_id, report_id_ma, reported_tcb) = fields[13:19]
    (cpuid, zero_2, chip_id, committed_tcb, current, zero_3, committed) = fields[19:26]
    (zero_4, launch_tcb, launch_mitigations, current_mitigations, zero_5) = fields[26:]
    if version not in VERSIONS:
        raise _malformed(f"version {version} against 2 to 5", "version")
    if algorithm != ECDSA_P384_SHA384:
        raise _malformed(
            f"signature algorithm {algorithm} against {ECDSA_P384_SHA384}", "algorithm"
        )
    if any(zero_1 + zero_2 + zero_3 + zero_4 + zero_5):
        raise _malformed("a reserved byte set against zero", "reserved")
    _require_nothing_new(version, cpuid, launch_mitigations | current_mitigations)
    r, s = _signature(report[SIGNED_BYTES:])
    return SnpReport(
        signed=signed,
        version=version,
        guest_svn=guest_svn,
        policy=_policy(policy),
        family_id=family_id,
        image_id=image_id,
        vmpl=vmpl,
        current_tcb=current_tcb,
        platform_info=platform_info,
        author_key=bool(key_info & _KEY_AUTHOR),
        masked_chip_key=bool(key_info & _KEY_MASKED),
        signing_key=_signing_key(key_info),
        report_data=report_data,
        measurement=measurement,
        host_data=host_data,
        id_key_digest=id_key,
        author_key_digest=author_key,
        report_id=report_id,
        report_id_ma=report_id_ma,
        reported_tcb=reported_tcb,
        product=product_of_cpu(cpuid[0], cpuid[1]) if version >= CPUID_VERSION else None,
        chip_id=chip_id,
        committed_tcb=committed_tcb,
        current_build=current,
        committed_build=committed,
        launch_tcb=launch_tcb,
        launch_mitigations=launch_mitigations,
        current_mitigations=current_mitigations,
        signature_r=r,
        signature_s=s,
    )


def _require_nothing_new(version: int, cpuid: bytes, mitigations: int) -> None:
    # A field that its version does not have would be read by some and not by others.
    if (version < CPUID_VERSION and any(cpuid)) or (version < MITIGATION_VERSION and mitigations):
        raise _malformed(f"a field that version {version} does not have, agreed zero", "reserved")


def _policy(raw: int) -> Policy:
    if not raw & _POLICY_RESERVED_ONE or raw & ~_POLICY_KNOWN_BITS:
        raise _malformed("an unknown policy bit, agreed known ones", "policy")
    return Policy(
        raw=raw,
        abi_minor=raw & 0xFF,
        abi_major=raw >> 8 & 0xFF,
        smt=bool(raw >> 16 & 1),
        migration_agent=bool(raw >> 18 & 1),
        debug=bool(raw >> 19 & 1),
        single_socket=bool(raw >> 20 & 1),
    )


def _signing_key(key_info: int) -> SigningKey:
    number = key_info >> _KEY_SHIFT & _KEY_SELECT
    if key_info & ~_KEY_KNOWN_BITS or number not in {key.value for key in SigningKey}:
        raise _malformed("a signing key other than VCEK or VLEK, agreed one", "signing-key")
    return SigningKey(number)


def _signature(tail: bytes) -> tuple[int, int]:
    r, s, rest = tail[:_NUMBER_BYTES], tail[_NUMBER_BYTES : 2 * _NUMBER_BYTES], tail[144:]
    # Bytes that nothing signs are a place to hide things, and give one report many digests.
    if any(r[_P384_BYTES:] + s[_P384_BYTES:] + rest):
        raise _malformed("a byte set behind the signature against zero", "reserved")
    return int.from_bytes(r, "little"), int.from_bytes(s, "little")


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"snp report: found {found}", code=f"snp.{cause}")
