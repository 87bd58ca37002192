# SPDX-License-Identifier: Apache-2.0
"""Is this document of a genuine Nitro hypervisor?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import MAX_CHAIN, load_certificate, verify_chain
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, NitroFacts
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.nitro.claims import NONCE, USER_DATA, claims_of
from cleanroom.attestation.platforms.nitro.parse import parse_document
from cleanroom.attestation.platforms.nitro.root import PLATFORM
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroVerifier:
    """Verify Nitro documents against one pinned root.

    Attributes:
        root: SHA-256 of the only root certificate that counts.
    """

    root: Digest

    @property
    def platform(self) -> str:
        """Name of the platform, as a contract writes it."""
        return PLATFORM

    @property
    def confidential(self) -> bool:
        """Enclave memory is kept from the instance that hosts it."""
        return True

    @property
    def carriers(self) -> Mapping[str, Channel]:
        """``user_data`` carries the whole binding."""
        return {USER_DATA: Channel.REPORT}

    @property
    def nonce_place(self) -> str:
        """Where a foreign nonce goes."""
        return NONCE

    @property
    def facts(self) -> tuple[type[Facts], ...]:
        """One document."""
        return (NitroFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine document says.

        Raises:
            MalformedError: 1. Not a document of this form, or collateral beside it.
            IntegrityError: 2. Another root, or a chain that does not hold.
                3. The signature does not match.
            EvidenceRefusedError: 2. A certificate out of its time. 4. Made at another time
                than it is judged by.
        """
        # 1. Everything is in the document; what comes beside it, nobody signed.
        document = parse_document(item.report)
        if item.collateral:
            raise MalformedError(
                "nitro collateral: found some, agreed none", code="nitro.collateral"
            )
        if len(document.chain) > MAX_CHAIN:
            raise MalformedError(
                f"{_WHAT}: found {len(document.chain)} certificates, agreed at most {MAX_CHAIN}",
                code="attestation.certificate-count",
            )
        chain = tuple(load_certificate(der, what=_WHAT) for der in document.chain)
        held("form of the document")
        # 2. cabundle[0] is a root that the enclave's host may have made; only the pin counts.
        verify_chain(chain, pin=self.root, at=at, what=_WHAT)
        require_signer(chain, what=_WHAT)
        held("certificate chain to the pinned root, and its time")
        # 3. Over the payload as received; COSE's own header is inside.
        key = elliptic_key(chain[0], curve=ec.SECP384R1, what=_WHAT)
        require_ecdsa(
            key,
            signature=document.signature,
            signed=document.signed,
            algorithm=hashes.SHA384(),
            what=_WHAT,
        )
        held("signature of the document")
        # 4. Within the certificate's three hours an old document would still look valid
        # from before it was made.
        if document.timestamp > at + MAX_CLOCK_SKEW:
            raise EvidenceRefusedError(
                f"{_WHAT}: judged at {format_time(at)}, made at {format_time(document.timestamp)}",
                code="nitro.time",
                hint="check the clock of this machine",
            )
        return claims_of(document)
