# SPDX-License-Identifier: Apache-2.0
"""What a genuine NVIDIA device claims: which one, which versions, which manifests agreed."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import key_digest
from cleanroom.attestation.facts import GpuFacts, NoManifest
from cleanroom.attestation.platform import (
    Carried,
    Check,
    Claims,
    CollateralFact,
    SelfReported,
    Undated,
)
from cleanroom.attestation.platforms.nvidia_gpu.manifest import Manifest
from cleanroom.attestation.platforms.nvidia_gpu.parse import GpuReport
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

NONCE = "nonce"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineDevice:
    """Everything that verification established.

    Attributes:
        kind: ``nvidia-gpu`` or ``nvidia-switch``.
        report: The report.
        chain: Its certificates, leaf first.
        chip: Chip by name, for example ``GH100``.
        architecture: ``hopper``, ``blackwell`` or ``ls10``.
        driver: Driver version, or empty for a switch.
        vbios: VBIOS version.
        mode: ``single``, ``multi`` or ``protected-pcie``.
        firmware_id: The report names its firmware, and the certificate agrees.
        manifests: ``driver-rim`` and ``vbios-rim``, those that were compared.
        compared: How many measurements are as published.
        revocation: Whether every certificate is answered for, and the answers.
    """

    kind: str
    report: GpuReport
    chain: tuple[x509.Certificate, ...]
    chip: str
    architecture: str
    driver: str
    vbios: str
    mode: str
    firmware_id: bool
    manifests: Mapping[str, Manifest]
    compared: int
    revocation: tuple[bool, tuple[CollateralFact, ...]]


def identity_of(leaf: x509.Certificate) -> GpuIdentity:
    """Name a device by the certificate of its attestation key.

    Raises:
        MalformedError: A key of a kind that is not known.
    """
    return GpuIdentity(leaf_serial=f"{leaf.serial_number:x}", spki_sha256=key_digest(leaf))


def claims_of(device: GenuineDevice) -> Claims:
    """Turn what was established into claims; a device measures no runner and has no clock."""
    complete, answers = device.revocation
    facts = GpuFacts(
        identity=identity_of(device.chain[0]),
        architecture=device.architecture,
        driver=device.driver,
        vbios=device.vbios,
        driver_rim=_rim(device, "driver-rim"),
        vbios_rim=_rim(device, "vbios-rim"),
        mode=device.mode,
        firmware_id=device.firmware_id,
        revocation="checked" if complete else "unknown",
    )
    return Claims(
        platform=device.kind,
        confidential=True,
        runner=SelfReported(),
        carried=(Carried(place=NONCE, channel=Channel.GPU, found=device.report.nonce),),
        # A device in developer mode measures otherwise than its manifests, and says no more.
        debug=False,
        issued_at=Undated(),
        facts=(facts,),
        collateral=(*_manifest_facts(device), *answers),
        checks=_checks(device, complete=complete),
        details={
            "chip": device.chip,
            "die": f"{device.chain[1].serial_number:x}",
            "measurements": str(len(device.report.measurements)),
        },
    )


def _rim(device: GenuineDevice, name: str) -> Digest | NoManifest:
    return device.manifests[name].digest if name in device.manifests else NoManifest()


def _manifest_facts(device: GenuineDevice) -> tuple[CollateralFact, ...]:
    return tuple(
        CollateralFact(
            name=name,
            digest=manifest.digest,
            issued_at=max(each.not_valid_before_utc for each in manifest.chain),
            expires_at=min(each.not_valid_after_utc for each in manifest.chain),
        )
        for name, manifest in sorted(device.manifests.items())
    )


def _checks(device: GenuineDevice, *, complete: bool) -> tuple[Check, ...]:
    return (
        Check(name="chain", found=f"{device.chip}, to NVIDIA's pinned device root"),
        Check(name="signature", found="over request and response"),
        Check(
            name="firmware id",
            found="as certified" if device.firmware_id else "not reported by this driver",
        ),
        Check(
            name="measurements",
            found=f"{device.compared} compared with"
            f" {', '.join(sorted(device.manifests)) or 'nothing'}",
        ),
        Check(name="revocation", found="every certificate good" if complete else "not proven"),
    )
