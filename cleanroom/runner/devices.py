# SPDX-License-Identifier: Apache-2.0
"""The attestation devices of a real machine, with its real files, calls and services.

Everything here is wiring: what a collector does is in its platform's package and
is tested there against faithful fakes. No machine with such a device was at hand.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import httpx2

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import RuntimeLog
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.azure_cvm.claims import SNP_PLATFORM, TDX_PLATFORM
from cleanroom.attestation.platforms.azure_cvm.collect import AzureCollector
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware
from cleanroom.attestation.platforms.confidential_space.collect import (
    AUDIENCE,
    ConfidentialSpaceCollector,
    ask_launcher,
)
from cleanroom.attestation.platforms.host_files import RealFiles
from cleanroom.attestation.platforms.maa.collect import MaaCollector
from cleanroom.attestation.platforms.nitro.collect import NitroCollector, system_ioctl
from cleanroom.attestation.platforms.nvidia_gpu.collect import NvidiaCollector, load_nvml
from cleanroom.attestation.platforms.sev_snp.collect import SnpCollector, open_guest_device
from cleanroom.attestation.platforms.tdx.collect import TdxCollector
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.collect import TpmCollector
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.transport import DEVICE, open_device
from cleanroom.errors import UnavailableError
from cleanroom.kernel.record import dataclass

RUNTIME_PCR = 14
SELECTION = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({*range(8), RUNTIME_PCR}))
METADATA_SECONDS = 10

_PLATFORM_OF = {Hardware.SEV_SNP: SNP_PLATFORM, Hardware.TDX: TDX_PLATFORM}


def device_collectors(root: Path = Path("/")) -> tuple[Collector, ...]:
    """Make one collector for each kind of device that a machine can have.

    Args:
        root: Root of the file system that devices and kernel interfaces are below.
    """
    files = RealFiles(root=root)
    return (
        _snp_machine(root),
        TdxCollector(files=files, name=_request_name, collateral={}),
        *azure_machines(SELECTION, RuntimeLog(register=RUNTIME_PCR, events=()), root=root),
        NitroCollector(root=root, ioctl=system_ioctl),
        ConfidentialSpaceCollector(root=root, audience=AUDIENCE, ask=ask_launcher),
        TpmCollector(
            platform="tpm",
            connect=open_device,
            root=root,
            selection=SELECTION,
            register=RUNTIME_PCR,
            events=(),
        ),
        NvidiaCollector(load=load_nvml, index=0),
    )


def azure_machines(
    selection: PcrSelection, runtime: RuntimeLog, *, root: Path
) -> tuple[Collector, ...]:
    """Make the collectors of Azure's two kinds of confidential VM."""
    return tuple(
        AzureMachine(hardware=hardware, selection=selection, runtime=runtime, root=root)
        for hardware in Hardware
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureMachine:
    """An Azure collector that opens the virtual TPM only when it is asked.

    Attributes:
        hardware: Which processor this machine is to have.
        selection: Registers to quote.
        runtime: What the runner extends before anything runs, and into which of them.
        root: Root of the file system.
    """

    hardware: Hardware
    selection: PcrSelection
    runtime: RuntimeLog
    root: Path

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return _PLATFORM_OF[self.hardware]

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks."""
        device = self.root / DEVICE.relative_to("/")
        if not device.exists():
            return (f"{device}: not there; no virtual TPM, so no Azure confidential VM",)
        with open_device(device) as transport:
            return self._collector(Tpm(transport)).missing()

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return evidence over the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or an answer is nonsense.
            UnavailableError: The virtual TPM or the metadata service does not answer.
        """
        with open_device(self.root / DEVICE.relative_to("/")) as transport:
            return self._collector(Tpm(transport)).collect(binding=binding)

    def _collector(self, tpm: Tpm) -> AzureCollector:
        return AzureCollector(
            hardware=self.hardware,
            tpm=tpm,
            transport=ask_metadata,
            pause=time.sleep,
            selection=self.selection,
            runtime=self.runtime,
            collateral={},
        )


def maa_machine(issuer: str, *, root: Path) -> MaaCollector:
    """Make the collector of tokens of one of Azure's services, about an SEV-SNP machine."""
    return MaaCollector(issuer=issuer, transport=ask_metadata, machine=_snp_machine(root))


def _snp_machine(root: Path) -> SnpCollector:
    return SnpCollector(
        files=RealFiles(root=root),
        ioctl=open_guest_device(root),
        name=_request_name,
        pause=time.sleep,
        vmpl=0,
        collateral={},
    )


def ask_metadata(request: CollateralRequest) -> bytes:
    """Ask the machine's own metadata service, or a service that the contract names.

    Raises:
        UnavailableError: No answer, or one that is no success.
    """
    try:
        answer = httpx2.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            timeout=METADATA_SECONDS,
        )
    except httpx2.HTTPError as error:
        raise UnavailableError(
            f"service: no answer about {request.name}", code="attestation.metadata"
        ) from error
    if not answer.is_success:
        raise UnavailableError(
            f"service: answered {answer.status_code} about {request.name}",
            code="attestation.metadata",
        )
    return answer.content


def _request_name() -> str:
    return f"cleanroom-{secrets.token_hex(8)}"
