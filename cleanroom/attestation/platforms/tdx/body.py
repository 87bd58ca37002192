# SPDX-License-Identifier: Apache-2.0
"""What a quote is about: a trust domain or an enclave, as the processor reported it."""

from __future__ import annotations

import struct

from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

# TDATTRIBUTES (Intel TDX module ABI, table 3.22). Bit 0 opens the domain's memory, bits 4 to 6
# let the host profile it, and the rest of the group is reserved for more of the kind.
TD_UNDER_DEBUG = 0xFFFF
TD_MIGRATABLE = 1 << 29
# SEPT_VE_DISABLE: the host cannot take a page away and have the guest handle the fault.
TD_CLOSED_PAGES = 1 << 28
# SERVTD_EXT: the service domains that were bound at creation may be exchanged for others.
TD_REBINDABLE = 1 << 17
# Bits that no revision gives a meaning, those reserved for weaknesses (23 to 26) among them.
TD_UNKNOWN = 0x3FFF_FFFF_0780_0000
SGX_DEBUG = 2  # ATTRIBUTES.FLAGS bit 1 (Intel SDM volume 3D, table 35-3)

_DOMAIN_10 = struct.Struct("<16s48s48sQQQ48s48s48s48s48s48s48s48s64s")
_DOMAIN_15_TAIL = struct.Struct("<16s48s")
_DOMAIN_EXTENDED_TAIL = struct.Struct("<B32s48s48sQ16s16s12s48sQ")
_DOMAIN_15_BYTES = _DOMAIN_10.size + _DOMAIN_15_TAIL.size
_DOMAIN_EXTENDED_BYTES = _DOMAIN_15_BYTES + _DOMAIN_EXTENDED_TAIL.size
_ENCLAVE = struct.Struct("<16sI12s16sQQ32s32s32s32s64sHHH42s16s64s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What the longest body tells besides: 237 bytes behind those of TDX 1.5 (``sgx_quote_5.h``).

    ======  ======  =================  ======  ======  ====================
    offset  length  field              offset  length  field
    ======  ======  =================  ======  ======  ====================
    648     1       VMID               785     16      INIT_CPUSVN
    649     32      TD_ID              801     16      INIT_TEE_TCB_SVN
    681     48      DEVINFO            817     12      INIT_TEE_FMSPC
    729     48      INIT_SERVTD_HASH   829     48      CURR_SERVTD_HASH
    777     8       INIT_SERVTD_ATTR   877     8       CURR_SERVTD_ATTR
    ======  ======  =================  ======  ======  ====================

    Attributes:
        partition: Which machine inside the domain asked; 0 for the domain itself.
        domain_id: Drawn when the domain was made, kept when it moves, 32 bytes.
        devices: Digest of what the domain was told of its devices, 48 bytes.
        first_service: Digest of the service domains bound at creation, 48 bytes.
        first_service_attributes: Which of their measurements that digest leaves out.
        first_cpusvn: Versions of the processor's firmware at creation, 16 bytes.
        first_tee_tcb_svn: Versions of the TDX module at creation, 16 bytes.
        first_model: Model of the processor at creation, 12 bytes.
        service: Digest of the service domains that are bound now, 48 bytes.
        service_attributes: Which of their measurements that digest leaves out.
    """

    partition: int
    domain_id: bytes
    devices: bytes
    first_service: bytes
    first_service_attributes: int
    first_cpusvn: bytes
    first_tee_tcb_svn: bytes
    first_model: bytes
    service: bytes
    service_attributes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A trust domain: 584 bytes, 648 of TDX 1.5, or 885 with an extension; little-endian.

    ======  ======  =================  ======  ======  ====================
    offset  length  field              offset  length  field
    ======  ======  =================  ======  ======  ====================
    0       16      TEE_TCB_SVN        232     48      MROWNER
    16      48      MRSEAM             280     48      MROWNERCONFIG
    64      48      MRSIGNERSEAM       328     48 x 4  RTMR0 to RTMR3
    112     8       SEAMATTRIBUTES     520     64      REPORTDATA
    120     8       TDATTRIBUTES       584     16      1.5: TEE_TCB_SVN2
    128     8       XFAM               600     48      1.5: MRSERVICETD
    136     48      MRTD               184     48      MRCONFIGID
    ======  ======  =================  ======  ======  ====================

    Attributes:
        tee_tcb_svn: Versions of the TDX module and others, 16 bytes.
        mrseam: Measurement of the TDX module, 48 bytes.
        mrsignerseam: Its signer, 48 bytes; zero for Intel's own.
        seam_attributes: 64-bit word.
        attributes: TDATTRIBUTES, 64-bit word.
        xfam: XFAM, 64-bit word.
        mrtd: Build-time measurement, 48 bytes.
        mrconfigid: 48 bytes that the host set at creation.
        mrowner: 48 bytes that the host set at creation.
        mrownerconfig: 48 bytes that the host set at creation.
        rtmrs: Run-time registers, 48 bytes each.
        report_data: The 64 bytes that the guest chose.
        tee_tcb_svn2: 16 bytes; zero in a 1.0 body.
        mrservicetd: 48 bytes; zero in a 1.0 body.
        extension: Of the longest body; zeros in the others, which speak of a whole domain.
    """

    tee_tcb_svn: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: int
    attributes: int
    xfam: int
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    tee_tcb_svn2: bytes
    mrservicetd: bytes
    extension: Extension

    @property
    def debug(self) -> bool:
        """Whether the host may look inside, or profile what runs there."""
        return bool(self.attributes & TD_UNDER_DEBUG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """An SGX enclave: 384 bytes, little-endian (Intel SDM volume 3D, table 35-21).

    ======  ======  =================  ======  ======  ====================
    offset  length  field              offset  length  field
    ======  ======  =================  ======  ======  ====================
    0       16      CPUSVN             160     32      reserved, zero
    16      4       MISCSELECT         192     64      CONFIGID
    20      12      reserved, zero     256     2       ISVPRODID
    32      16      ISVEXTPRODID       258     2       ISVSVN
    48      8, 8    ATTRIBUTES, XFRM   260     2       CONFIGSVN
    64      32      MRENCLAVE          262     42      reserved, zero
    96      32      reserved, zero     304     16      ISVFAMILYID
    128     32      MRSIGNER           320     64      REPORTDATA
    ======  ======  =================  ======  ======  ====================

    Attributes:
        cpusvn: Versions of the processor's firmware, 16 bytes.
        miscselect: 32-bit word.
        flags: ATTRIBUTES.FLAGS, 64-bit word.
        xfrm: ATTRIBUTES.XFRM, 64-bit word.
        mrenclave: Measurement, 32 bytes.
        mrsigner: Signer, 32 bytes.
        product_id: ISVPRODID.
        svn: ISVSVN.
        report_data: The 64 bytes that the enclave chose.
    """

    cpusvn: bytes
    miscselect: int
    flags: int
    xfrm: int
    mrenclave: bytes
    mrsigner: bytes
    product_id: int
    svn: int
    report_data: bytes

    @property
    def debug(self) -> bool:
        """Whether the host may look inside."""
        return bool(self.flags & SGX_DEBUG)


def parse_domain(body: bytes) -> Domain:
    """Read a trust domain's body.

    Raises:
        MalformedError: Neither 584 nor 648 nor 885 bytes.
    """
    if len(body) not in {_DOMAIN_10.size, _DOMAIN_15_BYTES, _DOMAIN_EXTENDED_BYTES}:
        raise _malformed(f"a domain of {len(body)} bytes against 584, 648 or 885", "domain-length")
    # What a shorter body leaves out reads as zeros.
    whole = body.ljust(_DOMAIN_EXTENDED_BYTES, b"\0")
    fields = _DOMAIN_10.unpack_from(whole)
    tee_tcb_svn2, mrservicetd = _DOMAIN_15_TAIL.unpack_from(whole, _DOMAIN_10.size)
    return Domain(
        tee_tcb_svn=fields[0],
        mrseam=fields[1],
        mrsignerseam=fields[2],
        seam_attributes=fields[3],
        attributes=fields[4],
        xfam=fields[5],
        mrtd=fields[6],
        mrconfigid=fields[7],
        mrowner=fields[8],
        mrownerconfig=fields[9],
        rtmrs=(fields[10], fields[11], fields[12], fields[13]),
        report_data=fields[14],
        tee_tcb_svn2=tee_tcb_svn2,
        mrservicetd=mrservicetd,
        extension=_extension(whole),
    )


def _extension(whole: bytes) -> Extension:
    fields = _DOMAIN_EXTENDED_TAIL.unpack_from(whole, _DOMAIN_15_BYTES)
    return Extension(
        partition=fields[0],
        domain_id=fields[1],
        devices=fields[2],
        first_service=fields[3],
        first_service_attributes=fields[4],
        first_cpusvn=fields[5],
        first_tee_tcb_svn=fields[6],
        first_model=fields[7],
        service=fields[8],
        service_attributes=fields[9],
    )


def parse_enclave(body: bytes) -> Enclave:
    """Read an enclave's body.

    Raises:
        MalformedError: Not 384 bytes, or a set reserved byte.
    """
    if len(body) != _ENCLAVE.size:
        raise _malformed(f"an enclave of {len(body)} bytes against 384", "enclave-length")
    fields = _ENCLAVE.unpack(body)
    if any(fields[2] + fields[7] + fields[9] + fields[14]):
        raise _malformed("a reserved byte set against zero", "reserved")
    return Enclave(
        cpusvn=fields[0],
        miscselect=fields[1],
        flags=fields[4],
        xfrm=fields[5],
        mrenclave=fields[6],
        mrsigner=fields[8],
        product_id=fields[11],
        svn=fields[12],
        report_data=fields[16],
    )


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"dcap quote: found {found}", code=f"dcap.{cause}")
