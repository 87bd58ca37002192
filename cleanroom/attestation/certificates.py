# SPDX-License-Identifier: Apache-2.0
"""X.509 chains against pinned roots at a given time; no clock, no system trust store.

The root that arrives with evidence is data: it counts only if its SHA-256 is
pinned. Path rules are the few that vendors' device chains have in common (RFC
5280 sections 4.1.2.5, 4.2.1.9 and 6.1); what a vendor adds is checked in its package.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
import warnings
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.der import require_signed_envelope
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CERTIFICATE_BYTES = 16 * 1024
MAX_CHAIN = 8

# What the library raises for bytes that it cannot read; a name out of form is a TypeError.
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"
_PEM = re.compile(_PEM_BEGIN + rb"[\r\n]+[A-Za-z0-9+/=\r\n]+" + _PEM_END)

# Certificates that were read, and pairs whose signature held, most recent first. A
# machine's GPUs, and everything that a vendor signs, share what is above their leaves.
_REMEMBERED = 256


@contextmanager
def quiet_reading() -> Iterator[None]:
    """Keep the library's warnings about vendors' and forgers' habits out of sight.

    AMD writes serial number 0 into every VCEK, against RFC 5280 section 4.1.2.2; a
    forger may write a country of fifteen letters. Neither is for a terminal.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def load_certificate(der: bytes, *, what: str) -> x509.Certificate:
    """Read one certificate from DER.

    Raises:
        MalformedError: Too long, not a certificate, or one with trailing bytes.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError(
            f"{what}: found {len(der)} bytes, agreed at most {MAX_CERTIFICATE_BYTES}",
            code="format.oversize",
        )
    try:
        certificate = _read_der(der)
    except _UNREADABLE as error:
        raise _not_a_certificate(what) from error
    require_signed_envelope(der, what=what)
    return certificate


# What bytes say never changes either, and nobody can change what was read from them.
@functools.lru_cache(maxsize=_REMEMBERED)
def _read_der(der: bytes) -> x509.Certificate:
    with quiet_reading():
        certificate = x509.load_der_x509_certificate(der)
        # Reading lazily would let a broken extension or name surface later, as
        # an error outside the tree.
        certificate.extensions  # noqa: B018
        certificate.subject  # noqa: B018
        certificate.issuer  # noqa: B018
    return certificate


def load_pem_certificates(pem: bytes, *, what: str) -> tuple[x509.Certificate, ...]:
    """Read every certificate of a PEM file, in its order.

    Raises:
        MalformedError: None, more than ``MAX_CHAIN``, or one that is none.
    """
    blocks = _PEM.findall(pem)
    if not 1 <= len(blocks) <= MAX_CHAIN:
        raise MalformedError(
            f"{what}: found {len(blocks)} certificates, agreed 1 to {MAX_CHAIN}",
            code="attestation.certificate-count",
        )
    return tuple(load_certificate(pem_to_der(block, what=what), what=what) for block in blocks)


def pem_to_der(block: bytes, *, what: str) -> bytes:
    """Decode one PEM certificate block; what is inside is not read.

    Raises:
        MalformedError: Not the base64 of anything, in its one spelling.
    """
    body = block.strip().removeprefix(_PEM_BEGIN).removesuffix(_PEM_END)
    return decode_base64(b"".join(body.split()).decode("ascii", "replace"), what=what)


def is_one_of(data: bytes, pins: frozenset[Digest]) -> bool:
    """Tell whether a file is nothing but one of some pinned certificates, as PEM or DER.

    People put a vendor's root beside evidence; what is pinned adds nothing and may stand there.
    """
    blocks = _PEM.findall(data)
    if len(blocks) > 1:
        return False
    try:
        encoded = pem_to_der(blocks[0], what="certificate") if blocks else data
    except MalformedError:
        return False
    return Digest.of(encoded) in pins


@functools.lru_cache(maxsize=_REMEMBERED)
def fingerprint(certificate: x509.Certificate) -> Digest:
    """Digest the exact DER bytes of a certificate."""
    return Digest.of(certificate.public_bytes(Encoding.DER))


def key_digest(certificate: x509.Certificate) -> Digest:
    """Digest a certificate's public key (SubjectPublicKeyInfo).

    Raises:
        MalformedError: A key of a kind that is not known.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(
            "certificate: a public key of an unknown kind", code="attestation.certificate-key"
        ) from error
    return Digest.of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def verify_chain(
    chain: Sequence[x509.Certificate],
    *,
    pin: Digest,
    at: dt.datetime,
    what: str,
    issued: AbstractSet[tuple[Digest, Digest]] = frozenset(),
) -> None:
    """Refuse a chain, leaf first, that does not lead to the pinned root at that time.

    Args:
        chain: Leaf, intermediates in order, root.
        pin: SHA-256 of the root's DER bytes, from code.
        at: The time to judge by.
        what: Name of the chain, for messages.
        issued: Certificates and their issuers, from code, whose signature was found to hold.

    Raises:
        MalformedError: Empty, or longer than ``MAX_CHAIN``.
        IntegrityError: 1. Another root, or 3. a signature that does not match.
        EvidenceRefusedError: 2. A certificate out of its time, or 3. one that may not sign others.
    """
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise MalformedError(
            f"{what}: found {len(chain)} certificates, agreed 1 to {MAX_CHAIN}",
            code="attestation.certificate-count",
        )
    # 1. Everything else about a chain is as its maker likes it.
    pin.require(fingerprint(chain[-1]), what=f"{what} root")
    # 2. A certificate that ran out may have a key that leaked since.
    for certificate in chain:
        require_valid(certificate, at=at, what=what)
    # 3. Without the CA bit any leaf could issue the next one.
    for depth, (child, issuer) in enumerate(itertools.pairwise(chain)):
        require_issuer(issuer, below=depth, what=what)
        # The same bytes under the same key: nothing about that signature is open.
        if not issued or (fingerprint(child), fingerprint(issuer)) not in issued:
            require_issued(child, issuer, what=what)


def require_valid(certificate: x509.Certificate, *, at: dt.datetime, what: str) -> None:
    """Refuse a certificate outside its time.

    Raises:
        EvidenceRefusedError: Not yet valid, or not any more.
    """
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= at <= last:
        raise EvidenceRefusedError(
            f"{what}: judged at {format_time(at)}, valid from {format_time(first)}"
            f" until {format_time(last)}",
            code="attestation.certificate-time",
            hint="check the clock, or fetch the certificate anew",
        )


def require_issued(child: x509.Certificate, issuer: x509.Certificate, *, what: str) -> None:
    """Refuse a certificate that the issuer did not sign.

    Raises:
        IntegrityError: Names or signature do not match.
    """
    try:
        _verify_issued(child, issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IntegrityError(
            f"{what}: a certificate that its issuer did not sign",
            code="attestation.certificate-signature",
        ) from error


# Two certificates are equal if every byte is, and whether one signed the other never
# changes. Only what held is remembered; time, pins and permissions are judged each time.
@functools.lru_cache(maxsize=_REMEMBERED)
def _verify_issued(child: x509.Certificate, issuer: x509.Certificate) -> None:
    child.verify_directly_issued_by(issuer)


def forget_issued() -> None:
    """Forget what was read and which signatures held, so that a benchmark pays for all of it."""
    for remembering in (_read_der, _verify_issued, fingerprint):
        remembering.cache_clear()


def require_issuer(certificate: x509.Certificate, *, below: int, what: str) -> None:
    """Refuse a certificate that may not sign others, or not that many below itself.

    Args:
        certificate: The issuer.
        below: How many intermediate certificates stand between it and the leaf.
        what: Name of the chain, for messages.

    Raises:
        EvidenceRefusedError: Not a CA, a path too long, or a key that must not sign certificates.
    """
    extensions = certificate.extensions
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        basic = x509.BasicConstraints(ca=False, path_length=None)
    too_long = basic.path_length is not None and basic.path_length < below
    if not basic.ca or too_long or not _may_sign(extensions):
        raise EvidenceRefusedError(
            f"{what}: found an issuer that may not sign this certificate, agreed one that may",
            code="attestation.certificate-authority",
        )


def _may_sign(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _not_a_certificate(what: str) -> MalformedError:
    return MalformedError(f"{what}: not an X.509 certificate", code="attestation.certificate")
