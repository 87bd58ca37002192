# SPDX-License-Identifier: Apache-2.0
"""Is this token of Google's attestation service?"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import verify_chain
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, WorkloadFacts
from cleanroom.attestation.platform import Claims, CollateralFact
from cleanroom.attestation.platforms.confidential_space.claims import NONCE, claims_of
from cleanroom.attestation.platforms.confidential_space.parse import WHAT, read_claims
from cleanroom.attestation.platforms.confidential_space.root import ISSUER, PLATFORM
from cleanroom.attestation.progress import held
from cleanroom.attestation.signers import require_signer, rsa_key
from cleanroom.attestation.tokens.claims import require_issuer, require_times
from cleanroom.attestation.tokens.jws import (
    TokenKey,
    UnverifiedToken,
    parse_token,
    verified_claims,
)
from cleanroom.attestation.tokens.keys import (
    certificates,
    only_key_set,
    signing_key,
)
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentialSpaceVerifier:
    """Verify tokens of both kinds: signed below a pinned root, or by a key set.

    Attributes:
        root: SHA-256 of the only root certificate that counts, for tokens of type PKI.
        key_sets: Key sets that a relying party vouches for, for tokens of type OIDC.
    """

    root: Digest
    key_sets: tuple[TrustedKeySet, ...] = ()

    platform: ClassVar[str] = PLATFORM
    # The workload runs in a confidential VM.
    confidential: ClassVar[bool] = True
    # The nonce that the workload asked for.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({NONCE: Channel.TOKEN})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (WorkloadFacts,)

    def trusting(self, *key_sets: TrustedKeySet) -> ConfidentialSpaceVerifier:
        """Return a verifier that believes these key sets too."""
        return dataclasses.replace(self, key_sets=(*self.key_sets, *key_sets))

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine token says.

        Raises:
            MalformedError: 1. Not a token, or collateral of another kind.
            IntegrityError: 2. Another root, a key set that nobody vouches for, or an
                unknown key. 3. Another algorithm, or a signature that does not match.
            EvidenceRefusedError: 2. A certificate or a key set out of its time.
                4. Another issuer. 5. Out of its time. 6. Other software.
        """
        # 1. Three parts and nothing else.
        token = parse_token(item.report, what=WHAT)
        held("form of the token")
        # 2. Certificates in a header are data, compared with the pin; key sets are vouched for.
        key, signer, collateral = self._signer(token, item.collateral, at=at)
        # 3. The algorithm is the key's.
        held("a signer who is believed")
        claims = verified_claims(token, key=key, what=WHAT)
        held("signature of the token")
        # 4. Google signs for others with other keys; the name says whose word it is.
        require_issuer(claims, issuer=ISSUER, what=WHAT)
        held("issuer")
        # 5. A token of yesterday tells of yesterday's machine.
        issued_at = require_times(claims, at=at, what=WHAT)
        held("times of the token")
        # 6. A plain confidential VM gets tokens too, and measures no container.
        return claims_of(
            read_claims(claims, issuer=ISSUER),
            issued_at=issued_at,
            signer=signer,
            collateral=collateral,
        )

    def _signer(
        self, token: UnverifiedToken, collateral: Mapping[str, bytes], *, at: dt.datetime
    ) -> tuple[TokenKey, str, tuple[CollateralFact, ...]]:
        if "x5c" in token.header:
            if collateral:
                raise MalformedError(
                    f"{WHAT} collateral: found {', '.join(sorted(collateral))}, agreed none beside"
                    " certificates in the header",
                    code="token.collateral",
                )
            chain = certificates(token.header["x5c"], what=WHAT)
            verify_chain(chain, pin=self.root, at=at, what=WHAT)
            require_signer(chain, what=WHAT)
            return rsa_key(chain[0], what=WHAT), "below the pinned root", ()
        document = only_key_set(collateral, what=WHAT)
        found = signing_key(token, document=document, trusted=self.key_sets, at=at, what=WHAT)
        # A key set vouched for as somebody else's signs somebody else's tokens.
        if found.issuer != ISSUER:
            raise EvidenceRefusedError(
                f"{WHAT} key set: found one of {found.issuer[:100]}, agreed {ISSUER}",
                code="token.issuer",
            )
        return found.key, "by a key vouched for", (found.collateral,)
