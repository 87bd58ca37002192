# SPDX-License-Identifier: Apache-2.0
"""The interface that every platform fills in: collect, verify, and what they say.

A platform turns its own evidence into :class:`Claims`. Whether those claims are
good enough is decided elsewhere (:mod:`cleanroom.attestation.appraisal`), from
the contract, so that no platform can be lenient by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cleanroom.attestation.evidence import Evidence
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.kernel.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What genuine evidence says; nothing here has been compared with a contract.

    Attributes:
        platform: Which platform vouches.
        confidential: Whether that platform protects memory from its host at all.
        measurement: Digest of the runner that the platform reports.
        binding: The 64 bytes that the guest chose.
        debug: Whether its owner could look inside.
        issued_at: When the evidence was made.
        gpus: GPUs that the evidence proves to belong to the machine.
        details: Further facts for people, by name.
    """

    platform: str
    confidential: bool
    measurement: Digest
    binding: bytes
    debug: bool
    issued_at: dt.datetime
    gpus: tuple[GpuIdentity, ...]
    details: Mapping[str, str]


class PlatformVerifier(Protocol):
    """Tell whether evidence of one platform is genuine; pure.

    Roots are fields of the implementation, pinned in code. Collateral travels in
    the evidence and is data, never trust.
    """

    @property
    def platform(self) -> str:
        """Name of the platform, as a contract writes it."""

    @property
    def confidential(self) -> bool:
        """Whether the platform protects memory from its host."""

    def verify(self, evidence: Evidence, *, binding: bytes, at: dt.datetime) -> Claims:
        """Return what the evidence claims, or raise."""


class Collect(Protocol):
    """Ask the machine one runs on for evidence; everything else was bound before."""

    def __call__(self, *, binding: bytes) -> Evidence:
        """Return evidence over the 64 bytes."""
