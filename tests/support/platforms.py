# SPDX-License-Identifier: Apache-2.0
"""Platforms that stand in for real ones, some with the mistakes that real ones made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.attestation.platform import Carried, Claims
from cleanroom.attestation.verifier import GenuineEvidence
from tests.support.attested_runs import NOW, RUNNER


@dataclass(frozen=True, slots=True, kw_only=True)
class LaxVerifier:
    """Believes any report whatever, and says what it was told to say.

    Attributes:
        platform: Name that it goes by.
        confidential: Whether it says that it protects memory.
        claims: What it claims to have read.
    """

    platform: str
    confidential: bool
    claims: dict[str, object] = field(default_factory=dict)
    carriers: dict[str, Channel] = field(default_factory=lambda: {"report_data": Channel.REPORT})
    facts: tuple[type[Facts], ...] = ()
    nonce_place: str = "report_data"

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return the claims unseen."""
        del item, at
        own = {"platform": self.platform, "confidential": self.confidential}
        return make_claims(**(own | self.claims))


def carried(binding: bytes, *, place: str = "report_data") -> tuple[Carried, ...]:
    """Make the one place of a platform that carries the report binding."""
    found = expected_in(Channel.REPORT, binding)
    return (Carried(place=place, channel=Channel.REPORT, found=found),)


def genuine(machine: Claims, *devices: Claims) -> GenuineEvidence:
    """Make genuine evidence of claims."""
    return GenuineEvidence(machine=machine, devices=devices)


def make_claims(**changes: object) -> Claims:
    """Make the claims of a confidential platform that runs the agreed runner."""
    values: dict[str, object] = {
        "platform": "sev-snp",
        "confidential": True,
        "runner": RUNNER,
        "carried": carried(bytes(64)),
        "debug": False,
        "issued_at": NOW,
        "facts": (),
        "collateral": (),
        "checks": (),
        "details": {},
    }
    return Claims(**(values | changes))  # type: ignore[arg-type]
