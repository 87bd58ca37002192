# SPDX-License-Identifier: Apache-2.0
"""The attestation result: a verdict in the shape of EAR, for brokers and receipts.

EAR (draft-ietf-rats-ear) carries a trustworthiness vector after AR4SI, so that
relying parties of other makes can read our verdict. A result never says more than
its worst element, and one about simulation is never affirming.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum

from cleanroom.attestation.fields import encode_base64url
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

EAT_PROFILE = "tag:github.com,2023:veraison/ear"
VERIFIER = {"build": "attestation-v0", "developer": "cleanroom"}
POLICY_PREFIX = "urn:cleanroom:attestation-profile:v0:"


class Trust(Enum):
    """AR4SI trustworthiness claims that we make; the number is the wire value."""

    NO_CLAIM = 0
    APPROVED = 2  # known, genuine and approved
    APPROVED_AT_BOOT = 3  # only approved executables were loaded at start
    KNOWN_WEAKNESS = 32  # exposes what the contract waived in writing
    UNRECOGNISED = 97  # hardware that nobody vouches for


class Status(Enum):
    """EAR tiers, from the worst element of the vector."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResult:
    """What was accepted about one device beside the machine.

    Attributes:
        name: ``gpu0`` and so on, in the order of the runtime data.
        identity: Digest of its attestation key.
        vector: Trustworthiness claim by name.
    """

    name: str
    identity: Digest
    vector: Mapping[str, Trust]

    def to_submodule(self) -> dict[str, JSONValue]:
        """Write the submodule of the EAR claims set."""
        return {
            "ear.status": tier_of(self.vector).value,
            "ear.trustworthiness-vector": {
                name: trust.value for name, trust in self.vector.items()
            },
            "cleanroom.device-key": str(self.identity),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationResult:
    """Proof that a runner's evidence satisfies a contract's attestation clause.

    Minted by :func:`cleanroom.attestation.appraisal.appraise` alone.

    Attributes:
        platform: Which platform vouched.
        status: Overall tier.
        vector: Trustworthiness claim by name.
        measurement: The runner that was accepted.
        runtime_data: Digest of the runtime data that the evidence is bound to.
        binding: The 64 bytes that tie the two.
        debug: ``off``, or ``waived: <reason>``.
        policy: Digest of the clause that was applied.
        issued_at: When the evidence was made, or ``with the nonces`` if it has no clock.
        appraised_at: The time it was judged by.
        banner: What every result must print loudly; empty if there is nothing to say.
        devices: GPUs that were accepted with it.
    """

    platform: str
    status: Status
    vector: Mapping[str, Trust]
    measurement: Digest
    runtime_data: Digest
    binding: bytes
    debug: str
    policy: Digest
    issued_at: str
    appraised_at: dt.datetime
    banner: str
    devices: tuple[DeviceResult, ...]

    def to_ear(self) -> dict[str, JSONValue]:
        """Write the EAR claims set; equal results give equal objects for ever."""
        return {
            "eat_profile": EAT_PROFILE,
            "iat": int(self.appraised_at.timestamp()),
            "ear.verifier-id": dict(VERIFIER),
            "eat_nonce": encode_base64url(self.binding),
            "submods": {
                "runner": self._submodule(),
                **{device.name: device.to_submodule() for device in self.devices},
            },
        }

    def _submodule(self) -> dict[str, JSONValue]:
        return {
            "ear.status": self.status.value,
            "ear.trustworthiness-vector": {
                name: trust.value for name, trust in self.vector.items()
            },
            "ear.appraisal-policy-id": f"{POLICY_PREFIX}{self.policy}",
            "cleanroom.platform": self.platform,
            "cleanroom.measurement": str(self.measurement),
            "cleanroom.runtime-data": str(self.runtime_data),
            "cleanroom.debug": self.debug,
            "cleanroom.issued-at": self.issued_at,
            "cleanroom.banner": self.banner,
        }


def tier_of(vector: Mapping[str, Trust]) -> Status:
    """Return the tier of the worst claim (AR4SI section 2.3.2); no claim says nothing."""
    worst = max((trust.value for trust in vector.values()), default=Trust.NO_CLAIM.value)
    if worst >= 96:  # noqa: PLR2004 - AR4SI tiers start at 2, 32 and 96
        return Status.CONTRAINDICATED
    if worst >= Trust.KNOWN_WEAKNESS.value:
        return Status.WARNING
    return Status.AFFIRMING if worst else Status.NONE
