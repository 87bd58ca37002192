# SPDX-License-Identifier: Apache-2.0
"""From evidence to claims: one entrance for every platform.

Pure: the time, the expected binding and the trust come in, and nothing is
fetched. A platform's own verifier does the cryptography; that its evidence was
made for this run is compared here, for every place that a guest fills in, so
that no platform can forget one.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.binding import Channel, check_binding_length, require_binding
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.platform import Claims, PlatformVerifier
from cleanroom.attestation.trust import TrustStore
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineEvidence:
    """What genuine evidence of one machine claims about one run.

    Attributes:
        machine: The platform that holds the keys.
        devices: Its GPUs and the like, in the order of the evidence.
    """

    machine: Claims
    devices: tuple[Claims, ...]


def verify_evidence(
    evidence: Evidence, *, binding: bytes, at: dt.datetime, trust: TrustStore
) -> GenuineEvidence:
    """Return what genuine evidence claims about the run that ``binding`` names.

    Args:
        evidence: Unverified evidence.
        binding: All 64 bytes of :func:`cleanroom.attestation.binding.bind64` over
            the runtime data exactly as received.
        at: The time to judge roots and certificates by.
        trust: Which platforms are believed, and by which roots.

    Raises:
        MalformedError: 1. The binding is not whole, or the evidence is not of its format.
        EvidenceRefusedError: 2. The platform is not trusted, or 3. the evidence is
            out of its time, or 4. speaks of another run.
        IntegrityError: 3. A root or a signature does not match.
    """
    # 1. A short expectation would be met by any evidence with the same prefix.
    check_binding_length(binding)
    # 2. Unknown kinds fail closed before a byte of any report is parsed; a device
    # never vouches for a machine, nor a machine for a device.
    verifier = trust.verifier_for(evidence.platform)
    device_verifiers = [trust.device_verifier_for(item.platform) for item in evidence.devices]
    # 3. and 4. for the machine and for every device: a device without this run's
    # nonce may sit in another machine.
    return GenuineEvidence(
        machine=_claims(verifier, evidence, binding=binding, at=at),
        devices=tuple(
            _claims(device_verifier, item, binding=binding, at=at)
            for device_verifier, item in zip(device_verifiers, evidence.devices, strict=True)
        ),
    )


def require_declared(verifier: PlatformVerifier, claims: Claims) -> None:
    """Refuse claims that are not of the shape that their verifier declares.

    Raises:
        EvidenceRefusedError: Another platform, standing, set of facts or set of places.
    """
    # One that names another platform would borrow its standing, and one with a fact
    # or a place too few would leave a clause of the contract without anything to compare.
    found = (
        claims.platform,
        claims.confidential,
        tuple(type(fact) for fact in claims.facts),
        {item.place: item.channel for item in claims.carried if item.channel is not Channel.FREE},
    )
    declared = (
        verifier.platform,
        verifier.confidential,
        tuple(verifier.facts),
        dict(verifier.carriers),
    )
    if found != declared or not verifier.carriers:
        raise EvidenceRefusedError(
            f"platform: found claims of {claims.platform} in another shape,"
            f" agreed those of {verifier.platform}",
            code="attestation.claims-shape",
        )


def require_bound(claims: Claims, binding: bytes) -> None:
    """Refuse claims unless every place of theirs carries this run's binding.

    Raises:
        EvidenceRefusedError: A place carries something else, or there is no place.
    """
    bound = [item for item in claims.carried if item.channel is not Channel.FREE]
    if not bound:
        raise EvidenceRefusedError(
            f"binding: {claims.platform} carries none", code="attestation.unbound"
        )
    for item in bound:
        require_binding(
            binding, item.found, channel=item.channel, place=f"{claims.platform} {item.place}"
        )


def _claims(
    verifier: PlatformVerifier, item: EvidenceItem, *, binding: bytes, at: dt.datetime
) -> Claims:
    claims = verifier.verify(item, at=at)
    require_declared(verifier, claims)
    require_bound(claims, binding)
    return claims
