# SPDX-License-Identifier: Apache-2.0
"""A DCAP quote, versions 3 to 5, little-endian (Intel TDX DCAP quoting library API, A.3).

======  ======  ================================================================
offset  length  header
======  ======  ================================================================
0       2       version: 3 (SGX), 4 or 5
2       2       attestation key type: 2 = ECDSA P-256
4       4       TEE type: 0 SGX, 0x81 TDX
8       4       reserved, or the versions of QE and PCE
12      16      vendor of the quoting enclave
28      20      user data
48      2, 4    version 5 only: body type (1 SGX, 2 TDX 1.0, 3 and 4 TDX 1.5) and size
======  ======  ================================================================

The body follows: 384 bytes of SGX (:func:`parse_enclave`), 584 of TDX 1.0 or 648
or 885 of TDX 1.5 (:func:`parse_domain`). Header and body are what the attestation key
signs. Then the signature data:

======================  =======================================================
length                  field
======================  =======================================================
4                       length of all that follows
64                      signature, r and s, big-endian
64                      attestation key, x and y, big-endian
2, 4                    from version 4: type 6 and the length of the rest
384                     report of the quoting enclave
64                      signature of that report by the PCK key
2, n                    authentication data
2, 4, n                 type 5, length, and PEM of PCK, its issuer and the root; or type
                        1, 2 or 3 and what names the PCK: PPID, plain or encrypted by RSA
                        of 2048 or 3072 bits, CPUSVN, PCESVN and PCE-ID
======================  =======================================================

Every length must fit the one around it exactly. Bytes behind the signature data
are padding of whoever handed the quote over: counted, never read.
"""

from __future__ import annotations

from cleanroom.attestation.platforms.tdx.body import Domain, Enclave, parse_domain, parse_enclave
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

MAX_QUOTE_BYTES = 64 * 1024
SGX_TEE = 0x00
TDX_TEE = 0x81
VENDOR_BYTES = 16
ECDSA_P256 = 2

_HEADER_BYTES = 48
_BODY_HEAD_BYTES = 6
_PAIR_BYTES = 64
_ENCLAVE_BYTES = 384
_QE_REPORT_CERTIFICATION = 6
_PCK_CHAIN_CERTIFICATION = 5
# Types that name the PCK, and how long their PPID is.
_NAMING = {1: 16, 2: 256, 3: 384}
_PLAIN_PPID = 1
_CPUSVN_BYTES = 16
_V3, _V4, _V5 = 3, 4, 5
_BODY_BYTES = {SGX_TEE: _ENCLAVE_BYTES, TDX_TEE: 584}
_BODY_TYPES = {
    1: (SGX_TEE, _ENCLAVE_BYTES),
    2: (TDX_TEE, 584),
    3: (TDX_TEE, 648),
    4: (TDX_TEE, 885),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PckName:
    """Which PCK certificate a quote means that does not bring it.

    Attributes:
        ppid: Identity of the platform; empty if it is encrypted for Intel.
        cpusvn: Versions of the processor's firmware.
        pcesvn: Version of the provisioning certification enclave.
        pceid: That enclave, 2 bytes.
    """

    ppid: bytes
    cpusvn: bytes
    pcesvn: int
    pceid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The quote's fields; unverified.

    Attributes:
        raw: The quote without padding: what a second verifier reads.
        signed: Header and body, exactly as the attestation key signed them.
        version: 3 to 5.
        tee: ``SGX_TEE`` or ``TDX_TEE``.
        vendor: Vendor of the quoting enclave, 16 bytes.
        body: What it is about.
        signature: r and s by the attestation key, 64 bytes.
        attestation_key: x and y, 64 bytes.
        enclave: Report of the quoting enclave.
        enclave_signed: That report's exact bytes.
        enclave_signature: r and s by the PCK key, 64 bytes.
        authentication: Authentication data, which the report digests.
        chain: PEM of PCK certificate, issuer and root, or which ones they are.
        padding: How many bytes followed.
    """

    raw: bytes
    signed: bytes
    version: int
    tee: int
    vendor: bytes
    body: Domain | Enclave
    signature: bytes
    attestation_key: bytes
    enclave: Enclave
    enclave_signed: bytes
    enclave_signature: bytes
    authentication: bytes
    chain: bytes | PckName
    padding: int


class _Reader:
    """Take bytes from the front, and refuse to run past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        end = self._at + size
        if end > len(self._data):
            raise _malformed("an end inside a field, agreed a whole one", "truncated")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """Return the next unsigned number."""
        return int.from_bytes(self.take(size), "little")

    @property
    def taken(self) -> int:
        """How many bytes were taken."""
        return self._at

    def end(self) -> None:
        """Refuse bytes that are left."""
        if self._at != len(self._data):
            raise _malformed("bytes behind the last field, agreed none", "trailing")


def parse_quote(data: bytes) -> Quote:
    """Read a quote.

    Raises:
        MalformedError: Too long, cut short, an unknown version, TEE, key type, body
            or certification, a set reserved byte, or lengths that do not fit.
    """
    if len(data) > MAX_QUOTE_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_QUOTE_BYTES}", "length")
    reader = _Reader(data)
    version, tee, vendor = _header(reader)
    body_bytes = _body_bytes(reader, version, tee)
    body = parse_domain(body_bytes) if tee == TDX_TEE else parse_enclave(body_bytes)
    signed = data[: reader.taken]
    certification = _Reader(reader.take(reader.number(4)))
    raw = data[: reader.taken]
    signature, key = certification.take(_PAIR_BYTES), certification.take(_PAIR_BYTES)
    if version >= _V4:
        certification = _nested(certification)
    enclave_signed = certification.take(_ENCLAVE_BYTES)
    enclave_signature = certification.take(_PAIR_BYTES)
    authentication = certification.take(certification.number(2))
    chain = _certificates(certification)
    return Quote(
        raw=raw,
        signed=signed,
        version=version,
        tee=tee,
        vendor=vendor,
        body=body,
        signature=signature,
        attestation_key=key,
        enclave=parse_enclave(enclave_signed),
        enclave_signed=enclave_signed,
        enclave_signature=enclave_signature,
        authentication=authentication,
        chain=chain,
        padding=len(data) - len(raw),
    )


def _header(reader: _Reader) -> tuple[int, int, bytes]:
    version, key_type, tee = reader.number(2), reader.number(2), reader.number(4)
    if version not in {_V3, _V4, _V5}:
        raise _malformed(f"version {version} against 3 to 5", "version")
    _require(key_type, ECDSA_P256, "attestation key type")
    if tee not in _BODY_BYTES or (version == _V3 and tee != SGX_TEE):
        raise _malformed(f"TEE type {tee:#x} in version {version} against SGX or TDX", "tee")
    reader.take(4)
    vendor = reader.take(VENDOR_BYTES)
    reader.take(_HEADER_BYTES - reader.taken)
    return version, tee, vendor


def _body_bytes(reader: _Reader, version: int, tee: int) -> bytes:
    if version < _V5:
        return reader.take(_BODY_BYTES[tee])
    body_type, size = reader.number(2), reader.number(_BODY_HEAD_BYTES - 2)
    if _BODY_TYPES.get(body_type) != (tee, size):
        agreed = " or ".join(
            f"{known} of {length}" for known, (its, length) in _BODY_TYPES.items() if its == tee
        )
        raise _malformed(f"body type {body_type} of {size} bytes against {agreed}", "body")
    return reader.take(size)


def _certificates(reader: _Reader) -> bytes | PckName:
    kind, content = reader.number(2), reader.take(reader.number(4))
    reader.end()
    if kind == _PCK_CHAIN_CERTIFICATION:
        return content
    if kind not in _NAMING:
        raise _malformed(f"certification type {kind} against 1, 2, 3 or 5", "certification-type")
    named = _Reader(content)
    ppid = named.take(_NAMING[kind])
    name = PckName(
        ppid=ppid if kind == _PLAIN_PPID else b"",
        cpusvn=named.take(_CPUSVN_BYTES),
        pcesvn=named.number(2),
        # A number here, and in the certificate two bytes in the same order.
        pceid=named.take(2),
    )
    named.end()
    return name


def _nested(outer: _Reader) -> _Reader:
    _require(outer.number(2), _QE_REPORT_CERTIFICATION, "certification type")
    inner = _Reader(outer.take(outer.number(4)))
    outer.end()
    return inner


def _require(found: int, agreed: int, what: str) -> None:
    if found != agreed:
        raise _malformed(f"{what} {found} against {agreed}", what.replace(" ", "-"))


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"dcap quote: found {found}", code=f"dcap.{cause}")
