# SPDX-License-Identifier: Apache-2.0
"""The machine that a run is on: its platform, its GPUs, and what its operator fetched for them.

Which of it is asked follows from the contract alone. What lies in the operator's
directory is data: every broker judges it by the pins in its own code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cleanroom.attestation.collateral import CollateralCache
from cleanroom.attestation.collectors import collector_for
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.facts import RuntimeEvent
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.nvidia_gpu.collect import (
    NvidiaCollector,
    Nvml,
    load_nvml,
    machine_gpus,
)
from cleanroom.attestation.platforms.nvidia_gpu.kind import KINDS
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.contract.attestation_terms import AttestationProfile, GpuClause
from cleanroom.runner.collecting import machine_collectors, register_collectors

KEPT = Path("/var/lib/cleanroom/collateral")  # where `attest fetch --cache` puts it for runners

_GPU = KINDS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a run can ask.

    Attributes:
        collectors: Makes those of the platforms, for a clause and what the runner extends.
        load: Gives NVIDIA's binding, or says that it is not installed.
        kept: Manifests and answers of revocation services for its GPUs.
    """

    collectors: Callable[[AttestationProfile, tuple[RuntimeEvent, ...]], tuple[Collector, ...]]
    load: Callable[[], Nvml]
    kept: CollateralCache

    def gpus(self, profile: AttestationProfile) -> tuple[GpuIdentity, ...]:
        """Name the GPUs, in their order; none where the contract wants none.

        Raises:
            UnavailableError: No driver, or it does not answer.
            MalformedError: A certificate that is none.
        """
        if not any(isinstance(clause, GpuClause) for clause in profile.clauses):
            return ()
        return machine_gpus(self.load())

    def evidence(
        self,
        profile: AttestationProfile,
        *,
        kind: str,
        events: tuple[RuntimeEvent, ...],
        binding: bytes,
        gpus: int,
    ) -> Evidence:
        """Collect evidence of the platform and of the first ``gpus`` GPUs over the 64 bytes.

        Raises:
            UnavailableError: The machine lacks something, or a device does not answer.
            MalformedError: An answer is nonsense.
        """
        # A GPU that does not answer ends the run before a register is extended.
        devices = [self._gpu(index, binding=binding) for index in range(gpus)]
        platform = collector_for(kind, collectors=self.collectors(profile, events))
        return Evidence.of(platform.collect(binding=binding), devices=devices)

    def _gpu(self, index: int, *, binding: bytes) -> EvidenceItem:
        collector = NvidiaCollector(load=self.load, index=index)
        item = collector_for(collector.platform, collectors=(collector,)).collect(binding=binding)
        kept = self.kept.load(_GPU.collateral_requests(item))
        return _GPU.intake(item.report, [*item.collateral.values(), *kept])


def this_machine() -> Machine:
    """Return the machine that runs this, with its real devices."""
    return Machine(
        collectors=lambda profile, events: (
            *machine_collectors(),
            *register_collectors(profile, events),
        ),
        load=load_nvml,
        kept=CollateralCache(directory=KEPT),
    )
