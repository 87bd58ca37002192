# SPDX-License-Identifier: Apache-2.0
"""From AMD's pinned root down to the key that signed a report."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.certificates import (
    load_certificate,
    require_issued,
    require_issuer,
    require_valid,
)
from cleanroom.attestation.pem import split_pem
from cleanroom.attestation.platform import CollateralFact
from cleanroom.attestation.platforms.sev_snp.parse import SigningKey
from cleanroom.attestation.platforms.sev_snp.root import Pins
from cleanroom.attestation.platforms.sev_snp.vek import Vek, require_signed_by
from cleanroom.attestation.revocation import load_crl, require_current, require_not_revoked
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

VEK_ITEM = "vek"
CHAIN_ITEM = "chain"
CRL_ITEM = "crl"
# Of Azure's confidential containers: who built what the report measured.
UVM_ITEM = "uvm"
_WORDS = {VEK_ITEM: "certificate of the signing key", CHAIN_ITEM: "chain above that certificate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """The pinned certificates above a signing key.

    Attributes:
        ark: The root.
        middle: ASK or ASVK.
    """

    ark: x509.Certificate
    middle: x509.Certificate


def pinned_issuers(chain: bytes, pins: Pins, kind: SigningKey) -> Issuers:
    """Pick the two pinned certificates out of a supplied chain.

    Args:
        chain: PEM of the issuer and the root, in AMD's order.
        pins: Those of the product.
        kind: Which issuer is needed.

    Raises:
        MalformedError: Not two PEM certificates.
        IntegrityError: A certificate that is not pinned, or a pinned one that the root
            did not sign.
    """
    found = split_pem(chain, what="snp chain")
    if len(found) != 2:  # noqa: PLR2004 - issuer and root
        raise MalformedError(
            f"snp chain: found {len(found)} certificates against issuer and root",
            code="snp.chain-length",
        )
    # Whatever signs itself and is called ARK is still only data.
    pins.ark.require(Digest.of(found[1]), what="snp root")
    middle = pins.ask if kind is SigningKey.VCEK else pins.asvk
    middle.require(Digest.of(found[0]), what="snp issuer")
    return _loaded(found[0], found[1])


# Only pinned bytes get here, so every verification of a process asks about the same few.
@functools.lru_cache(maxsize=8)
def _loaded(middle: bytes, ark: bytes) -> Issuers:
    issuers = Issuers(
        ark=load_certificate(ark, what="snp root"),
        middle=load_certificate(middle, what="snp issuer"),
    )
    require_issuer(issuers.ark, below=1, what="snp root")
    require_issued(issuers.ark, issuers.ark, what="snp root")
    require_issuer(issuers.middle, below=0, what="snp issuer")
    require_issued(issuers.middle, issuers.ark, what="snp issuer")
    return issuers


def require_chain(vek: Vek, issuers: Issuers, *, at: dt.datetime) -> None:
    """Refuse a signing key that does not descend from the root, or is out of its time.

    Raises:
        IntegrityError: A signature of the chain does not match.
        EvidenceRefusedError: A certificate is not valid at that time.
    """
    key = issuers.middle.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise IntegrityError("snp issuer: its key is not RSA", code="snp.issuer")
    require_signed_by(vek, key, issuer=issuers.middle.subject.public_bytes())
    require_valid(issuers.ark, at=at, what="snp root")
    require_valid(issuers.middle, at=at, what="snp issuer")
    require_current(vek.not_before, vek.not_after, at=at, what="snp vek")


def check_revocation(
    collateral: Mapping[str, bytes], issuers: Issuers, *, at: dt.datetime
) -> tuple[CollateralFact, ...]:
    """Consult AMD's revocation list if it came along; whether it must is the contract's say.

    The list names withdrawn ASKs and ASVKs, never single chips (AMD 57230 section 4.3).

    Raises:
        MalformedError: Not a revocation list.
        IntegrityError: Not signed by the root.
        EvidenceRefusedError: Out of its time, or the issuer is on it.
    """
    if CRL_ITEM not in collateral:
        return ()
    data = collateral[CRL_ITEM]
    issued_at, expires_at = require_not_revoked(
        load_crl(data, what="snp crl"),
        {"snp issuer": issuers.middle.serial_number},
        issuer=issuers.ark,
        at=at,
        what="snp crl",
    )
    fact = CollateralFact(
        name="amd-crl", digest=Digest.of(data), issued_at=issued_at, expires_at=expires_at
    )
    return (fact,)


def collateral_of(
    collateral: Mapping[str, bytes], *, also: Sequence[str] = ()
) -> Mapping[str, bytes]:
    """Return the collateral if it holds what is needed and nothing unknown.

    Args:
        collateral: Name to bytes.
        also: Names that another layer reads.

    Raises:
        MalformedError: An item is missing, or one is unknown.
    """
    for name in (VEK_ITEM, CHAIN_ITEM):
        if name not in collateral:
            raise MalformedError(
                f"snp evidence: found no {_WORDS[name]} ({name}), agreed one",
                code="snp.collateral",
                hint="--collateral FILE, or cleanroom attest fetch; AMD and the cloud have it",
            )
    for name in collateral:
        if name not in {VEK_ITEM, CHAIN_ITEM, CRL_ITEM, *also}:
            raise MalformedError(
                "snp evidence: found collateral of another name, agreed "
                + ", ".join((VEK_ITEM, CHAIN_ITEM, CRL_ITEM, *also)),
                code="snp.collateral",
            )
    return collateral
