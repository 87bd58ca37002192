# SPDX-License-Identifier: Apache-2.0
"""Platforms that stand in for real ones, some with the mistakes that real ones made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cleanroom.attestation.evidence import Evidence
from cleanroom.attestation.platform import Claims
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

    def verify(self, evidence: Evidence, *, binding: bytes, at: dt.datetime) -> Claims:
        """Return the claims unseen."""
        del evidence, binding, at
        own = {"platform": self.platform, "confidential": self.confidential}
        return make_claims(**(own | self.claims))


def make_claims(**changes: object) -> Claims:
    """Make the claims of a confidential platform that runs the agreed runner."""
    values: dict[str, object] = {
        "platform": "sev-snp",
        "confidential": True,
        "measurement": RUNNER,
        "binding": bytes(64),
        "debug": False,
        "issued_at": NOW,
        "gpus": (),
        "details": {},
    }
    return Claims(**(values | changes))  # type: ignore[arg-type]
