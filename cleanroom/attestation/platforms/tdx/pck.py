# SPDX-License-Identifier: Apache-2.0
"""The certificate of a platform's PCK key, and which platform it names.

Intel's extension ``1.2.840.113741.1.13.1`` (Intel SGX PCK certificate profile,
section 1.3.5) is a sequence of pairs of identifier and value:

======  =====================================================
x       value
======  =====================================================
1       PPID, 16 bytes: the platform's identity
2       TCB: the sixteen component versions, PCESVN and CPUSVN
3       PCE-ID, 2 bytes
4       FMSPC, 6 bytes: family, model, stepping and more
======  =====================================================
"""

from __future__ import annotations

from cryptography import x509

from cleanroom.attestation import der
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

_BASE = "1.2.840.113741.1.13.1"
_TCB, _COMPONENTS = f"{_BASE}.2", 16
_SIZES = {"ppid": (f"{_BASE}.1", 16), "pceid": (f"{_BASE}.3", 2), "fmspc": (f"{_BASE}.4", 6)}
# Names are compared as bytes, which is what a certificate holds.
_ENCODED = {
    name: der.encoded_identifier(name)
    for name in (
        _TCB,
        *(name for name, _ in _SIZES.values()),
        *(f"{_TCB}.{number}" for number in range(1, _COMPONENTS + 3)),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Which platform a PCK certificate was issued for.

    Attributes:
        ppid: Platform identity, 16 bytes.
        pceid: Provisioning certification enclave, 2 bytes.
        fmspc: Family, model, stepping, platform and custom SKU, 6 bytes.
        components: Sixteen versions of the processor's firmware.
        pcesvn: Version of that enclave.
        cpusvn: The sixteen versions as the processor writes them.
    """

    ppid: bytes
    pceid: bytes
    fmspc: bytes
    components: tuple[int, ...]
    pcesvn: int
    cpusvn: bytes


def platform_of(certificate: x509.Certificate) -> Platform:
    """Read Intel's extension of a certificate whose signature holds.

    Raises:
        MalformedError: No such extension, or one of another form.
    """
    what = "pck certificate"
    try:
        extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(_BASE))
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        raise MalformedError(
            f"{what}: without Intel's extension", code="dcap.pck-extension"
        ) from None
    listed = der.read_only(extension.value.public_bytes(), tag=der.SEQUENCE, what=what)
    found = _pairs(listed.content, what=what)
    versions = _pairs(found.get(_ENCODED[_TCB], b""), what=what)
    return Platform(
        ppid=_sized(found, *_SIZES["ppid"]),
        pceid=_sized(found, *_SIZES["pceid"]),
        fmspc=_sized(found, *_SIZES["fmspc"]),
        components=tuple(
            _version(versions, f"{_TCB}.{number}") for number in range(1, _COMPONENTS + 1)
        ),
        pcesvn=_version(versions, f"{_TCB}.{_COMPONENTS + 1}"),
        cpusvn=_sized(versions, f"{_TCB}.{_COMPONENTS + 2}", _COMPONENTS),
    )


def _pairs(content: bytes, *, what: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for entry in der.read_all(content, what=what):
        name, value = _pair(entry, what=what)
        if name in found:
            raise MalformedError(f"{what}: the same value twice", code="dcap.pck-extension")
        found[name] = value
    return found


def _version(found: dict[bytes, bytes], name: str) -> int:
    content = found.get(_ENCODED[name], b"")
    # Two bytes of DER at most, and a third for the sign.
    if not 0 < len(content) <= 3:  # noqa: PLR2004 - see above
        raise MalformedError(f"pck certificate: no version {name}", code="dcap.pck-extension")
    return int.from_bytes(content, "big")


def _pair(entry: der.Value, *, what: str) -> tuple[bytes, bytes]:
    parts = der.read_all(entry.content, what=what)
    if len(parts) != 2 or parts[0].tag != der.OBJECT_IDENTIFIER:  # noqa: PLR2004 - name and value
        raise MalformedError(f"{what}: not a list of pairs", code="dcap.pck-extension")
    return parts[0].content, parts[1].content


def _sized(found: dict[bytes, bytes], name: str, size: int) -> bytes:
    value = found.get(_ENCODED[name], b"")
    if len(value) != size:
        raise MalformedError(
            f"pck certificate: no value {name} of {size} bytes", code="dcap.pck-extension"
        )
    return value
