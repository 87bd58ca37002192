# SPDX-License-Identifier: Apache-2.0
"""Whose evidence is believed at all: one verifier, with its pinned roots, a kind.

The default store holds no platform that leaves memory open to its host. The
only way to get one is a contract whose every party signed that it, and nothing
else, is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.attestation import late
from cleanroom.attestation.platform import PlatformVerifier, TokenVerifier
from cleanroom.attestation.platforms.simulated.root import ROOT_PIN
from cleanroom.attestation.platforms.simulated.verify import SimulatedVerifier
from cleanroom.contract.contract import STAND_ALONE, AttestationProfile
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The verifiers that count; an empty store believes nobody.

    Attributes:
        verifiers: One for each platform that may hold keys.
        devices: One for each kind of device beside it, which never holds any.
    """

    verifiers: tuple[PlatformVerifier, ...]
    devices: tuple[PlatformVerifier, ...]

    @property
    def platforms(self) -> frozenset[str]:
        """Names of the platforms."""
        return frozenset(verifier.platform for verifier in self.verifiers)

    def verifier_for(self, platform: str) -> PlatformVerifier:
        """Return the verifier of one platform.

        Raises:
            EvidenceRefusedError: This store does not know the platform.
        """
        return _find(self.verifiers, platform, what="platform")

    def device_verifier_for(self, kind: str) -> PlatformVerifier:
        """Return the verifier of one kind of device.

        Raises:
            EvidenceRefusedError: This store does not know the kind.
        """
        return _find(self.devices, kind, what="device")


DEFAULT_TRUST = TrustStore(verifiers=late.PLATFORMS, devices=late.DEVICES)
_STAND_ALONE: tuple[PlatformVerifier, ...] = (
    SimulatedVerifier(root=ROOT_PIN),
    *late.STAND_ALONE,
)


def trust_for(profile: AttestationProfile, *, store: TrustStore = DEFAULT_TRUST) -> TrustStore:
    """Narrow a store to what a contract accepts.

    Args:
        profile: The contract's attestation clause.
        store: Verifiers that this machine has, those without confidentiality excepted.

    Raises:
        EvidenceRefusedError: The profile mixes a platform without confidentiality with
            anything else; a real platform's name must never lend weight to it.
    """
    open_platforms = sorted(profile.platforms & STAND_ALONE)
    if not open_platforms:
        return TrustStore(
            verifiers=tuple(
                _vouched(verifier, profile)
                for verifier in store.verifiers
                if verifier.platform in profile.platforms
            ),
            devices=store.devices,
        )
    if len(profile.platforms) > 1:
        raise EvidenceRefusedError(
            f"platform: found {open_platforms[0]} beside others, agreed alone or not at all",
            code="attestation.simulated-mixed",
            hint="a contract accepts either simulation or real platforms",
        )
    # A device would lend its genuine signature to a machine that protects nothing.
    return TrustStore(
        verifiers=tuple(
            verifier for verifier in _STAND_ALONE if verifier.platform in profile.platforms
        ),
        devices=(),
    )


def _vouched(verifier: PlatformVerifier, profile: AttestationProfile) -> PlatformVerifier:
    # Keys without a root are believed where every party signed their digest, and only there.
    if profile.key_sets and isinstance(verifier, TokenVerifier):
        return verifier.trusting(*profile.key_sets)
    return verifier


def _find(verifiers: Iterable[PlatformVerifier], name: str, *, what: str) -> PlatformVerifier:
    known = {verifier.platform: verifier for verifier in verifiers}
    if name not in known:
        raise EvidenceRefusedError(
            f"{what}: found {name}, agreed {', '.join(sorted(known)) or 'none'}",
            code=f"attestation.{what}",
            hint="the contract's attestation clause names the platforms that count",
        )
    return known[name]
