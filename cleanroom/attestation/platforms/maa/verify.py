# SPDX-License-Identifier: Apache-2.0
"""Is this token of an attestation service that we vouched for?"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, MaaFacts
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.maa.claims import NONCE, claims_of
from cleanroom.attestation.platforms.maa.parse import WHAT, read_claims
from cleanroom.attestation.platforms.maa.root import PLATFORM
from cleanroom.attestation.progress import held
from cleanroom.attestation.tokens.claims import require_issuer, require_times
from cleanroom.attestation.tokens.jws import parse_token, verified_claims
from cleanroom.attestation.tokens.keys import only_key_set, signing_key
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaVerifier:
    """Verify tokens of the services whose key sets a relying party vouches for.

    Attributes:
        key_sets: Empty believes nobody.
    """

    key_sets: tuple[TrustedKeySet, ...] = ()

    platform: ClassVar[str] = PLATFORM
    # The machines that the service tells of keep their memory from their host.
    confidential: ClassVar[bool] = True
    # The nonce of the client's payload.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({NONCE: Channel.TOKEN})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (MaaFacts,)

    def trusting(self, *key_sets: TrustedKeySet) -> MaaVerifier:
        """Return a verifier that believes these key sets too."""
        return dataclasses.replace(self, key_sets=(*self.key_sets, *key_sets))

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine token says.

        Raises:
            MalformedError: 1. Not a token, or collateral other than a key set.
            IntegrityError: 2. A key set that nobody vouches for, or an unknown key.
                3. Another algorithm, or a signature that does not match.
            EvidenceRefusedError: 2. A key set too old. 4. Another issuer than the key's.
                5. Out of its time. 6. About another kind of machine.
        """
        # 1. Three parts and nothing else; the header's addresses are not even read.
        token = parse_token(item.report, what=WHAT)
        held("form of the token")
        document = only_key_set(item.collateral, what=WHAT)
        # 2. ``jku`` and ``x5c`` would let the sender choose who is believed.
        signer = signing_key(token, document=document, trusted=self.key_sets, at=at, what=WHAT)
        # 3. The algorithm is the key's.
        held("a signer who is believed")
        claims = verified_claims(token, key=signer.key, what=WHAT)
        held("signature of the token")
        # 4. One service's key must not speak for another's tenants.
        require_issuer(claims, issuer=signer.issuer, what=WHAT)
        held("issuer")
        # 5. A token of yesterday tells of yesterday's machine.
        issued_at = require_times(claims, at=at, what=WHAT)
        held("times of the token")
        # 6. A genuine token about an enclave or a plain VM is no token about this.
        return claims_of(
            read_claims(claims, issuer=signer.issuer),
            issued_at=issued_at,
            key_set=signer.collateral,
        )
