# SPDX-License-Identifier: Apache-2.0
"""Is this report of a genuine NVIDIA device, in a state that NVIDIA published?"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import (
    fingerprint,
    load_pem_certificates,
    verify_chain,
)
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, GpuFacts
from cleanroom.attestation.platform import Claims, CollateralFact
from cleanroom.attestation.platforms.nvidia_gpu.claims import NONCE, GenuineDevice, claims_of
from cleanroom.attestation.platforms.nvidia_gpu.compare import (
    require_published,
    require_same_version,
)
from cleanroom.attestation.platforms.nvidia_gpu.firmware_id import CRITICAL, firmware_id
from cleanroom.attestation.platforms.nvidia_gpu.manifest import Manifest, verify_manifest
from cleanroom.attestation.platforms.nvidia_gpu.parse import (
    FIRMWARE_ID,
    GpuReport,
    driver_version,
    mode_of,
    named_chip,
    parse_report,
    vbios_version,
)
from cleanroom.attestation.platforms.nvidia_gpu.revocation import check_response
from cleanroom.attestation.platforms.nvidia_gpu.root import ISSUED, SWITCH
from cleanroom.attestation.progress import held
from cleanroom.attestation.signers import elliptic_key, require_ecdsa, require_signer
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

CHAIN = "chain"
DRIVER_RIM = "driver-rim"
VBIOS_RIM = "vbios-rim"
OCSP = re.compile(r"ocsp-[0-9]{1,2}")
_WHAT = "nvidia device"
# The boot ROM names the chip first: "GH100 A01 GSP FMC LF".
_CHIP = re.compile(r"(?P<chip>(GH|GB|LS)_?[0-9]{2,3}[A-Z]?)( [A-Za-z0-9_-]+)+")
_ARCHITECTURES = {"GH": "hopper", "GB": "blackwell", "LS": "ls10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaVerifier:
    """Verify reports of one kind of device.

    Attributes:
        kind: ``nvidia-gpu`` or ``nvidia-switch``.
        device_root: Pin of the root that vouches for chips.
        rim_root: Pin of the root that vouches for reference manifests.
    """

    kind: str
    device_root: Digest
    rim_root: Digest

    # A device protects its own memory; the machine that uses it is proven apart.
    confidential: ClassVar[bool] = True
    # The requester's nonce.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({NONCE: Channel.GPU})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (GpuFacts,)

    @property
    def platform(self) -> str:
        """Name of the kind."""
        return self.kind

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine device reported.

        Raises:
            MalformedError: 1. Report or collateral not of this format.
            IntegrityError: 2. Another root, or a chain that does not hold.
                4. The signature does not match. 5. Other firmware than certified.
                6. A manifest that its maker did not sign.
            EvidenceRefusedError: 2. or 6. Out of its time. 3. Another kind of device.
                7. A measurement that was not published. 8. Revoked or on hold.
        """
        # 1. Closed collateral and exact lengths: nothing is carried along unread.
        report = parse_report(item.report)
        chain = _device_chain(item, self.kind)
        held("form of report and collateral")
        # 2. The root in the chain is the device's word; only the pin is ours.
        verify_chain(chain, pin=self.device_root, at=at, what=_WHAT, issued=ISSUED)
        require_signer(chain, what=_WHAT, critical=CRITICAL)
        held("device chain to the pinned root")
        # 3. One root vouches for many chips: a switch must not pass for a GPU.
        chip = chip_of(chain[0])
        architecture = _architecture(chip, self.kind)
        held(f"kind of device: {chip}")
        # 4. Request and response together, so the nonce is the one that was signed.
        key = elliptic_key(chain[0], curve=ec.SECP384R1, what=_WHAT)
        require_ecdsa(
            key,
            signature=report.signature,
            signed=report.signed,
            algorithm=hashes.SHA384(),
            what="nvidia report",
        )
        held("signature of the report")
        # 5. A key certified for other firmware must not vouch for this one.
        certified = _require_firmware(report, chain[0])
        held("firmware of the certified key")
        # 6. Reference values count when NVIDIA signed them for this chip and version.
        manifests = self._manifests(item, report, chip=chip, at=at)
        # 7. Every published value, and none of them only partly.
        compared = require_published(report, tuple(manifests.values()))
        held(f"measurements: {compared} as published")
        # 8. A withdrawn chip or manifest still has a perfect signature.
        checked = _revocation(item, chain, manifests, at=at)
        return claims_of(
            GenuineDevice(
                kind=self.kind,
                report=report,
                chain=chain,
                chip=chip,
                architecture=architecture,
                driver=driver_version(report) if self.kind != SWITCH else "",
                vbios=vbios_version(report),
                mode=mode_of(report),
                firmware_id=certified,
                manifests=manifests,
                compared=compared,
                revocation=checked,
            )
        )

    def _manifests(
        self, item: EvidenceItem, report: GpuReport, *, chip: str, at: dt.datetime
    ) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        for name, version in ((DRIVER_RIM, driver_version), (VBIOS_RIM, vbios_version)):
            if name in item.collateral:
                manifest = verify_manifest(item.collateral[name], root=self.rim_root, at=at)
                require_same_version(
                    manifest, name=name, chip=named_chip(report, chip), version=version(report)
                )
                found[name] = manifest
                held(f"{name}: signed, of this chip and version")
        return found


def _device_chain(item: EvidenceItem, kind: str) -> tuple[x509.Certificate, ...]:
    known = {CHAIN, VBIOS_RIM} | ({DRIVER_RIM} if kind != SWITCH else set())
    names = {name for name in item.collateral if not OCSP.fullmatch(name)}
    if CHAIN not in names or names - known:
        raise MalformedError(
            f"{kind} collateral: found {', '.join(sorted(names)) or 'none'},"
            f" agreed {CHAIN}, and at most {', '.join(sorted(known - {CHAIN}))}, ocsp-0 to ocsp-99",
            code="nvidia.collateral",
        )
    # NVML hands the chain out as a C string in a fixed buffer.
    return load_pem_certificates(item.collateral[CHAIN].rstrip(b"\0"), what=_WHAT)


def chip_of(leaf: x509.Certificate) -> str:
    """Return which chip a certificate names, for example ``GH100``; it may be anybody's word.

    Raises:
        EvidenceRefusedError: No chip of NVIDIA's that is known here.
    """
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    named = _CHIP.fullmatch(str(names[0].value)) if len(names) == 1 else None
    if named is None:
        raise EvidenceRefusedError(
            f"{_WHAT}: found a certificate of no known chip, agreed Hopper, Blackwell or LS10",
            code="nvidia.chip",
        )
    return named["chip"]


def _architecture(chip: str, kind: str) -> str:
    architecture = _ARCHITECTURES[chip[:2]]
    if (architecture == "ls10") != (kind == SWITCH):
        raise EvidenceRefusedError(
            f"{_WHAT}: found {chip}, agreed {kind}",
            code="nvidia.kind",
            hint="switches and GPUs are two kinds of evidence",
        )
    return architecture


def _require_firmware(report: GpuReport, leaf: x509.Certificate) -> bool:
    certified = firmware_id(leaf)
    # Drivers before 550 and switches report none; whether that will do is the contract's.
    if FIRMWARE_ID not in report.opaque:
        return False
    if report.opaque[FIRMWARE_ID] != certified:
        raise IntegrityError(
            f"nvidia report: names firmware {report.opaque[FIRMWARE_ID].hex()},"
            f" agreed the certificate's {certified.hex()}",
            code="nvidia.firmware-id",
        )
    return True


def _revocation(
    item: EvidenceItem,
    chain: Sequence[x509.Certificate],
    manifests: Mapping[str, Manifest],
    *,
    at: dt.datetime,
) -> tuple[bool, tuple[CollateralFact, ...]]:
    chains = (chain, *(manifest.chain for manifest in manifests.values()))
    answered: set[Digest] = set()
    facts: list[CollateralFact] = []
    for name in sorted(item.collateral):
        if OCSP.fullmatch(name):
            subject, fact = check_response(item.collateral[name], chains=chains, at=at)
            answered.add(subject)
            facts.append(fact)
    # The device's own leaf is made by its boot ROM at every start; nobody can list it.
    asked = [
        *chain[1:-1],
        *(certificate for each in chains[1:] for certificate in each[:-1]),
    ]
    complete = all(fingerprint(certificate) in answered for certificate in asked)
    return complete, tuple(facts)
