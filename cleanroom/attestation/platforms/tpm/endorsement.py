# SPDX-License-Identifier: Apache-2.0
"""Who says that a key lives in a real TPM? Certificates, up to roots that are pinned.

Clouds certify attestation keys; makers certify endorsement keys, which cannot sign.
A certificate that the attester sends is data: it counts when its chain ends at a
pinned root and its key is the key that was used. With an endorsement key it counts
when the TPM also opened a credential that names the attestation key.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.certificates import (
    fingerprint,
    key_digest,
    load_pem_certificates,
    verify_chain,
)
from cleanroom.attestation.platforms.tpm.client import Credential
from cleanroom.attestation.platforms.tpm.credential import make_credential
from cleanroom.attestation.platforms.tpm.public import (
    PublicKey,
    parse_public,
    require_quote_key,
)
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest


def require_certified(
    chain: bytes, key: PublicKey, *, roots: Sequence[Digest], at: dt.datetime, what: str
) -> x509.Certificate:
    """Return the certificate of a key, after following its chain to a pinned root.

    Args:
        chain: PEM certificates, the key's own first, a pinned root last.
        key: The key that was used.
        roots: SHA-256 of the DER of every root that counts.
        at: The time to judge by.
        what: Begins every message.

    Raises:
        MalformedError: 1. Not PEM certificates.
        EvidenceRefusedError: 1. One certificate alone; 3. one out of its time, or one that
            may not sign others.
        IntegrityError: 2. Ends at no pinned root; 3. is broken; 4. is of another key.
    """
    # 1. A root does not certify itself alone.
    certificates = load_pem_certificates(chain, what=what)
    if len(certificates) == 1:
        raise EvidenceRefusedError(
            f"{what}: found one certificate, agreed a chain up to a root", code="tpm.chain"
        )
    # 2. The root is the last one. What the attester sends is data; the pin is the trust.
    root = fingerprint(certificates[-1])
    if root not in roots:
        raise IntegrityError(
            f"{what} root: found {root}, agreed {', '.join(map(str, roots)) or 'none'}",
            code="tpm.root",
            hint="only roots that are pinned in code, or that a contract names, are believed",
        )
    # 3. Every link, and every one of them at that time.
    verify_chain(certificates, pin=root, at=at, what=what)
    # 4. A genuine certificate of another key is the cheapest thing to find.
    if not hmac.compare_digest(key_digest(certificates[0]).raw, spki_digest(key).raw):
        raise IntegrityError(
            f"{what}: certifies another key than the one that was used", code="tpm.certificate"
        )
    return certificates[0]


def enrol(
    *,
    attestation: bytes,
    endorsement: bytes,
    chain: bytes,
    roots: Sequence[Digest],
    at: dt.datetime,
    activate: Callable[[Credential], bytes],
    random: Callable[[int], bytes],
) -> Digest:
    """Return the digest of an attestation key that lives in a certified TPM.

    A contract then names that digest. Done once a machine, by whoever signs; the answer
    convinces the asker alone, so it is no part of any evidence.

    Args:
        attestation: ``TPMT_PUBLIC`` of the attestation key.
        endorsement: ``TPMT_PUBLIC`` of the endorsement key.
        chain: PEM certificates of the endorsement key up to a pinned root.
        roots: SHA-256 of the DER of every maker's root that counts.
        at: The time to judge by.
        activate: Has the TPM open a credential.
        random: Fresh random bytes.

    Raises:
        MalformedError: A public area or certificate is not of its format.
        EvidenceRefusedError: The key may sign foreign data, or is no endorsement key.
        IntegrityError: The chain does not hold, or the TPM opened something else.
        UnavailableError: The TPM refuses: both keys are not in it.
    """
    # 1. Only a restricted key proves anything by signing.
    public = parse_public(attestation)
    require_quote_key(public)
    # 2. A maker says that the endorsement key is in one of its chips.
    maker = parse_public(endorsement)
    require_certified(chain, maker.key, roots=roots, at=at, what="TPM endorsement certificate")
    # 3. That chip says that the attestation key is in it too: nobody else learns the
    # secret, and the credential names the key with its attributes.
    secret = random(32)
    credential = make_credential(secret, endorsement=maker, name=public.name, seed=random(32))
    if not hmac.compare_digest(activate(credential), secret):
        raise IntegrityError(
            "TPM: the credential was not opened, the answer is another secret",
            code="tpm.activation",
        )
    return spki_digest(public.key)


def spki_digest(key: PublicKey) -> Digest:
    """Digest a key as contracts name it: SHA-256 of its SubjectPublicKeyInfo."""
    return Digest.of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
