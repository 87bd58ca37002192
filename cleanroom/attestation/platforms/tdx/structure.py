# SPDX-License-Identifier: Apache-2.0
"""Our own verifier of a quote: from Intel's pinned root down to the signed body.

It knows nothing of firmware levels; those are the second verifier's, in
:mod:`cleanroom.attestation.platforms.tdx.second`. Both must accept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import load_certificate, verify_chain
from cleanroom.attestation.pem import pem_of, split_pem
from cleanroom.attestation.platforms.tdx.parse import SGX_TEE, PckName, Quote, parse_quote
from cleanroom.attestation.platforms.tdx.pck import Platform, platform_of
from cleanroom.attestation.platforms.tdx.root import IntelPins
from cleanroom.attestation.progress import held
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

_HALF = 32
_UNCOMPRESSED = b"\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class PckChain:
    """Certificates of a quote whose signatures hold.

    Attributes:
        leaf: The PCK certificate.
        middle: Its issuer.
        root: The pinned root.
    """

    leaf: x509.Certificate
    middle: x509.Certificate
    root: x509.Certificate

    def pem(self) -> bytes:
        """Write the three, leaf first."""
        chain = (self.leaf, self.middle, self.root)
        return b"".join(pem_of(item.public_bytes(Encoding.DER)) for item in chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundQuote:
    """A quote whose signatures hold up to the pinned root; made by ``verify_structure`` alone.

    Attributes:
        quote: Its fields.
        chain: Its certificates.
        platform: Which platform the PCK certificate names.
    """

    quote: Quote
    chain: PckChain
    platform: Platform


def verify_structure(
    data: bytes, *, tee: int, pins: IntelPins, at: dt.datetime, beside: Callable[[], str] = str
) -> SoundQuote:
    """Return a quote that a key of Intel's hierarchy vouches for.

    Args:
        data: The quote, perhaps with padding behind it.
        tee: Which kind is expected.
        pins: Root and quoting enclaves that count.
        at: The time to judge certificates by.
        beside: Returns the PEM of PCK certificate, issuer and root that came along, or
            nothing; asked only for a quote that brings none.

    Raises:
        MalformedError: 1. Not a quote, or one of the other kind. 2. No certificates.
        IntegrityError: 2. Another vendor or root. 3. The chain does not hold, or the
            certificate is of another platform or firmware than the quote names. 4. The
            quoting enclave's report, 5. its identity or 6. the key it vouches for
            does not match. 7. The quote's signature does not match.
        EvidenceRefusedError: 3. A certificate is out of its time.
    """
    # 1. Lengths that contradict each other let two readers see two quotes.
    quote = parse_quote(data)
    _require_tee(quote, tee)
    held("form of the quote")
    # 2. Another vendor's enclave, or a root that calls itself Intel's.
    if not hmac.compare_digest(quote.vendor, pins.vendor):
        raise IntegrityError(
            f"dcap quote: another vendor of the quoting enclave, found {quote.vendor.hex()},"
            f" agreed {pins.vendor.hex()}",
            code="dcap.vendor",
        )
    chain = _pinned_chain(quote, pins, beside)
    held("vendor, pinned root")
    # 3. Certificates that nobody above them signed, or that have lapsed.
    verify_chain((chain.leaf, chain.middle, chain.root), pin=pins.root, at=at, what="pck chain")
    _require_named(quote, chain.leaf)
    held("certificate chain and its time")
    # 4. A report that no genuine platform made.
    _require_signature(
        _key_of(chain.leaf), quote.enclave_signature, quote.enclave_signed, what="dcap qe report"
    )
    held("report of the quoting enclave")
    # 5. A genuine platform also reports on enclaves that anybody wrote; only Intel's
    # quoting enclave keeps its key to itself (CVE-2026-22696).
    _require_quoting_enclave(quote, pins)
    held("identity of the quoting enclave")
    # 6. Without it the quote could be signed by any key at all.
    _require_attestation_key(quote)
    held("attestation key")
    # 7. Over the received bytes.
    key = _point(quote.attestation_key)
    _require_signature(key, quote.signature, quote.signed, what="dcap quote")
    held("signature of the quote")
    return SoundQuote(quote=quote, chain=chain, platform=platform_of(chain.leaf))


def _require_tee(quote: Quote, tee: int) -> None:
    if quote.tee != tee:
        names = (
            ("an SGX quote", "a TDX quote")
            if quote.tee == SGX_TEE
            else ("a TDX quote", "an SGX quote")
        )
        raise MalformedError(f"dcap quote: found {names[0]} against {names[1]}", code="dcap.kind")


def chain_text(quote: Quote, beside: Callable[[], str]) -> bytes:
    """Return the PEM of a quote's certificates, its own or what came along for one without.

    Raises:
        MalformedError: It has none, and none came along.
    """
    if not isinstance(quote.chain, PckName):
        return quote.chain
    text = beside().encode()
    if not text:
        raise MalformedError(
            "dcap quote: found the name of a PCK certificate, agreed the certificate, its issuer"
            " and the root beside it",
            code="dcap.no-chain",
            hint="give the three as one PEM file with --collateral, leaf first",
        )
    return text


def _require_named(quote: Quote, leaf: x509.Certificate) -> None:
    # The key's own signature below binds it too; this says by name what does not belong.
    if not isinstance(quote.chain, PckName):
        return
    name, platform = quote.chain, platform_of(leaf)
    pairs = {
        "PCE-ID": (platform.pceid.hex(), name.pceid.hex()),
        "CPUSVN": (platform.cpusvn.hex(), name.cpusvn.hex()),
        "PCESVN": (str(platform.pcesvn), str(name.pcesvn)),
        "PPID": (platform.ppid.hex(), name.ppid.hex() or platform.ppid.hex()),
    }
    for what, (found, agreed) in pairs.items():
        if found != agreed:
            raise IntegrityError(
                f"pck certificate: found {what} {found}, agreed the quote's {agreed}",
                code="dcap.pck-name",
            )


def _pinned_chain(quote: Quote, pins: IntelPins, beside: Callable[[], str]) -> PckChain:
    found = split_pem(chain_text(quote, beside), what="pck chain")
    if len(found) != 3:  # noqa: PLR2004 - PCK, issuer, root
        raise MalformedError(
            f"pck chain: found {len(found)} certificates against 3", code="dcap.chain-length"
        )
    pins.root.require(Digest.of(found[2]), what="intel root")
    return PckChain(
        leaf=load_certificate(found[0], what="pck certificate"),
        middle=load_certificate(found[1], what="pck issuer"),
        root=load_certificate(found[2], what="intel root"),
    )


def _require_quoting_enclave(quote: Quote, pins: IntelPins) -> None:
    signer = pins.sgx_signer if quote.tee == SGX_TEE else pins.tdx_signer
    if not hmac.compare_digest(quote.enclave.mrsigner, signer):
        raise IntegrityError(
            f"dcap qe: found signer {quote.enclave.mrsigner.hex()}, agreed {signer.hex()}",
            code="dcap.qe-signer",
        )
    if quote.enclave.debug:
        raise IntegrityError("dcap qe: found debug on, agreed off", code="dcap.qe-debug")


def _require_attestation_key(quote: Quote) -> None:
    digest = hashlib.sha256(quote.attestation_key + quote.authentication).digest()
    if not hmac.compare_digest(quote.enclave.report_data, digest + bytes(_HALF)):
        raise IntegrityError(
            "dcap qe report: made for another attestation key, agreed the quote's",
            code="dcap.attestation-key",
        )


def _key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IntegrityError("pck certificate: its key is not P-256", code="dcap.pck-key")
    return key


def _point(encoded: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _UNCOMPRESSED + encoded)
    except ValueError:
        raise IntegrityError(
            "dcap quote: an attestation key that is no point", code="dcap.attestation-key"
        ) from None


def require_p256_signature(
    certificate: x509.Certificate, signature: bytes, signed: bytes, *, what: str
) -> None:
    """Refuse bytes that the certificate's key did not sign; ECDSA P-256 with SHA-256.

    Args:
        certificate: Whose key it is.
        signature: r and s, 64 bytes, big-endian.
        signed: The exact bytes.
        what: Their name, for the message.

    Raises:
        IntegrityError: Another kind of key, or a signature that does not match.
    """
    _require_signature(_key_of(certificate), signature, signed, what=what)


def _require_signature(
    key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes, *, what: str
) -> None:
    # A signature of another length gives numbers out of range, which match nothing.
    r, s = signature[:_HALF], signature[_HALF:]
    encoded = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    try:
        key.verify(encoded, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise IntegrityError(
            f"{what}: the signature does not match", code="attestation.signature"
        ) from None
