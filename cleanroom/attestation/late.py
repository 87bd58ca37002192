# SPDX-License-Identifier: Apache-2.0
"""Verifiers that are imported when their first evidence comes.

A contract names one platform or two. Importing the code of all of them takes a
quarter of a second that every broker, runner and auditor would wait for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.attestation.platform import Claims, Kind, PlatformVerifier, TokenVerifier
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.kernel.record import dataclass

_PACKAGE = "cleanroom.attestation.platforms"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateVerifier:
    """The verifier of one kind, by name until it is needed.

    Attributes:
        platform: Name of the kind.
        confidential: Whether the platform protects memory from its host.
        module: Module of the platforms' package that has the kind in its ``KINDS``.
        key_sets: Key sets that it believes besides its pinned roots; of token kinds alone.
    """

    platform: str
    confidential: bool
    module: str
    key_sets: tuple[TrustedKeySet, ...] = ()

    @property
    def carriers(self) -> Mapping[str, Channel]:
        """Places that must carry this run's binding."""
        return self.loaded().carriers

    @property
    def nonce_place(self) -> str:
        """The place that a foreign verifier's nonce goes into."""
        return self.loaded().nonce_place

    @property
    def facts(self) -> tuple[type[Facts], ...]:
        """The shapes that every claim of this kind has."""
        return self.loaded().facts

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what genuine evidence claims, or raise as the kind's own verifier does."""
        return self.loaded().verify(item, at=at)

    def trusting(self, *key_sets: TrustedKeySet) -> LateVerifier:
        """Return a verifier that believes these key sets too."""
        return replace(self, key_sets=(*self.key_sets, *key_sets))

    def loaded(self) -> PlatformVerifier:
        """Import the kind's own verifier."""
        kinds: tuple[Kind, ...] = import_module(f"{_PACKAGE}.{self.module}").KINDS
        verifier = next(kind.verifier for kind in kinds if kind.name == self.platform)
        if self.key_sets and isinstance(verifier, TokenVerifier):
            return verifier.trusting(*self.key_sets)
        return verifier


def _late(platform: str, module: str, *, confidential: bool = True) -> LateVerifier:
    return LateVerifier(platform=platform, confidential=confidential, module=module)


# The registry has the same kinds in the same lists; a test compares.
PLATFORMS: tuple[LateVerifier, ...] = (
    _late("snp", "sev_snp"),
    _late("tdx", "tdx"),
    _late("snp-azure-vtpm", "azure_cvm"),
    _late("tdx-azure-vtpm", "azure_cvm"),
    _late("gcp-cs-jwt", "confidential_space"),
    _late("nitro", "nitro"),
    _late("maa-jwt", "maa"),
)
DEVICES: tuple[LateVerifier, ...] = (
    _late("nvidia-gpu", "nvidia_gpu"),
    _late("nvidia-switch", "nvidia_gpu"),
)
STAND_ALONE: tuple[LateVerifier, ...] = (
    _late("tpm", "tpm.kind", confidential=False),
    _late("vtpm-software", "vtpm_software.kind", confidential=False),
)
