# SPDX-License-Identifier: Apache-2.0
"""Whose evidence is believed at all: one verifier, with its pinned roots, a platform.

The default store holds no simulated platform. The only way to get one is a
contract whose every party signed that simulation, and nothing else, is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from cleanroom.attestation.platform import PlatformVerifier
from cleanroom.attestation.platforms.simulated.root import PLATFORM as SIMULATED
from cleanroom.attestation.platforms.simulated.root import ROOT_PIN
from cleanroom.attestation.platforms.simulated.verify import SimulatedVerifier
from cleanroom.contract.contract import AttestationProfile
from cleanroom.errors import EvidenceRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The verifiers that count; an empty store believes nobody.

    Attributes:
        verifiers: One for each platform.
    """

    verifiers: tuple[PlatformVerifier, ...]

    @property
    def platforms(self) -> frozenset[str]:
        """Names of the platforms."""
        return frozenset(verifier.platform for verifier in self.verifiers)

    def verifier_for(self, platform: str) -> PlatformVerifier:
        """Return the verifier of one platform.

        Raises:
            EvidenceRefusedError: This store does not know the platform.
        """
        for verifier in self.verifiers:
            if verifier.platform == platform:
                return verifier
        known = ", ".join(sorted(self.platforms)) or "none"
        raise EvidenceRefusedError(
            f"platform: found {platform}, agreed {known}",
            code="attestation.platform",
            hint="the contract's attestation clause names the platforms that count",
        )


# Real platforms join here. One that simulates never does: it is added by
# trust_for alone, and only when it is all that a contract accepts.
DEFAULT_TRUST = TrustStore(verifiers=())


def trust_for(profile: AttestationProfile, *, store: TrustStore = DEFAULT_TRUST) -> TrustStore:
    """Narrow a store to what a contract accepts.

    Args:
        profile: The contract's attestation clause.
        store: Verifiers that this machine has, simulated ones excepted.

    Raises:
        EvidenceRefusedError: The profile mixes simulation with anything else; a
            real platform's name must never lend weight to a simulated one.
    """
    if SIMULATED not in profile.platforms:
        return TrustStore(
            verifiers=tuple(
                verifier for verifier in store.verifiers if verifier.platform in profile.platforms
            )
        )
    if len(profile.platforms) > 1:
        raise EvidenceRefusedError(
            f"platform: found {SIMULATED} beside others, agreed alone or not at all",
            code="attestation.simulated-mixed",
            hint="a contract accepts either simulation or real platforms",
        )
    return TrustStore(verifiers=(SimulatedVerifier(root=ROOT_PIN),))
