# SPDX-License-Identifier: Apache-2.0
"""Is this document of a genuine Nitro hypervisor?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import MAX_CHAIN, load_certificate, verify_chain
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, NitroFacts
from cleanroom.attestation.foreign_facts import NitroTpmFacts
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.nitro.claims import (
    NONCE,
    USER_DATA,
    claims_of,
    instance_claims,
)
from cleanroom.attestation.platforms.nitro.parse import (
    Measured,
    NitroDocument,
    parse_document,
)
from cleanroom.attestation.platforms.nitro.root import INSTANCE_PLATFORM, PLATFORM
from cleanroom.attestation.progress import held
from cleanroom.attestation.signers import elliptic_key, require_ecdsa, require_signer
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

_WHAT = "nitro document"
# Certificates live three hours; a document dated outside of the leaf's time was not
# made by the hypervisor that holds its key.
MAX_CLOCK_SKEW = dt.timedelta(minutes=5)
_OF: Mapping[Measured, str] = {
    Measured.ENCLAVE: "of an enclave",
    Measured.INSTANCE: "of a machine with NitroTPM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroVerifier:
    """Verify documents of Nitro enclaves against one pinned root.

    Attributes:
        root: SHA-256 of the only root certificate that counts.
    """

    root: Digest

    platform: ClassVar[str] = PLATFORM
    # Enclave memory is kept from the instance that hosts it.
    confidential: ClassVar[bool] = True
    # ``user_data`` carries the whole binding.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({USER_DATA: Channel.REPORT})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (NitroFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine enclave's document says; see :func:`verify_document`.

        Raises:
            MalformedError: Not such a document.
            IntegrityError: The root, the chain or the signature does not hold.
            EvidenceRefusedError: A virtual machine's document, or one out of its time.
        """
        return claims_of(verify_document(item, Measured.ENCLAVE, root=self.root, at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroTpmVerifier:
    """Verify documents of virtual machines for strangers; no contract names this kind.

    Attributes:
        root: SHA-256 of the only root certificate that counts.
    """

    root: Digest

    platform: ClassVar[str] = INSTANCE_PLATFORM
    # A machine's memory is open to whoever its image lets in.
    confidential: ClassVar[bool] = False
    # ``user_data`` would carry the whole binding.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({USER_DATA: Channel.REPORT})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (NitroTpmFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine machine's document says; see :func:`verify_document`.

        Raises:
            MalformedError: Not such a document.
            IntegrityError: The root, the chain or the signature does not hold.
            EvidenceRefusedError: An enclave's document, or one out of its time.
        """
        return instance_claims(verify_document(item, Measured.INSTANCE, root=self.root, at=at))


def verify_document(
    item: EvidenceItem, measured: Measured, *, root: Digest, at: dt.datetime
) -> NitroDocument:
    """Return a document that the pinned root vouches for.

    Args:
        item: The document, and nothing beside it.
        measured: What its registers must be of.
        root: Pin of the root.
        at: The time to judge by.

    Raises:
        MalformedError: 1. Not a document of this form, or collateral beside it.
        IntegrityError: 3. Another root, or a chain that does not hold.
            4. The signature does not match.
        EvidenceRefusedError: 2. Registers of another kind. 3. A certificate out of its
            time. 5. Made at another time than it is judged by.
    """
    # 1. Everything is in the document; what comes beside it, nobody signed.
    document = parse_document(item.report)
    if item.collateral:
        raise MalformedError("nitro collateral: found some, agreed none", code="nitro.collateral")
    if len(document.chain) > MAX_CHAIN:
        raise MalformedError(
            f"{_WHAT}: found {len(document.chain)} certificates, agreed at most {MAX_CHAIN}",
            code="attestation.certificate-count",
        )
    chain = tuple(load_certificate(der, what=_WHAT) for der in document.chain)
    held("form of the document")
    # 2. One root signs both: a machine that its owner logs into must not pass for an
    # enclave that its owner cannot look into.
    _require_measured(document, measured)
    held("what the registers are of")
    # 3. cabundle[0] is a root that the enclave's host may have made; only the pin counts.
    verify_chain(chain, pin=root, at=at, what=_WHAT)
    require_signer(chain, what=_WHAT)
    held("certificate chain to the pinned root, and its time")
    # 4. Over the payload as received; COSE's own header is inside.
    require_ecdsa(
        elliptic_key(chain[0], curve=ec.SECP384R1, what=_WHAT),
        signature=document.signature,
        signed=document.signed,
        algorithm=hashes.SHA384(),
        what=_WHAT,
    )
    held("signature of the document")
    # 5. Within the certificate's three hours an old document would still look valid
    # from before it was made.
    if document.timestamp > at + MAX_CLOCK_SKEW:
        raise EvidenceRefusedError(
            f"{_WHAT}: judged at {format_time(at)}, made at {format_time(document.timestamp)}",
            code="nitro.time",
            hint="check the clock of this machine",
        )
    return document


def _require_measured(document: NitroDocument, measured: Measured) -> None:
    if document.measured is not measured:
        raise EvidenceRefusedError(
            f"{_WHAT}: found {document.measured.value}, registers {_OF[document.measured]},"
            f" agreed {measured.value}, those {_OF[measured]}",
            code="nitro.registers",
            hint=f"--kind {PLATFORM} is for enclaves, --kind {INSTANCE_PLATFORM} for machines",
        )
