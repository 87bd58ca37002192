# SPDX-License-Identifier: Apache-2.0
"""The machine that a run is on: its platform, its GPUs, and what its operator fetched for them.

Which of it is asked follows from the contract alone. What lies in the operator's
directory is data: every broker judges it by the pins in its own code. What a contract
needs and is not there, or lies there for too long, ends the run before a broker refuses it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cleanroom.attestation import registry
from cleanroom.attestation.collateral import CollateralCache, CollateralRequest
from cleanroom.attestation.collectors import collector_for
from cleanroom.attestation.completing import complete
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.facts import RuntimeEvent
from cleanroom.attestation.platform import Collector, Kind
from cleanroom.attestation.platforms.nvidia_gpu.collect import (
    NvidiaCollector,
    Nvml,
    load_nvml,
    machine_gpus,
)
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.contract.attestation_terms import (
    AttestationProfile,
    GpuClause,
    NoCollateral,
    SnpClause,
    Waived,
)
from cleanroom.errors import UnavailableError
from cleanroom.kernel.clock import format_time, system_clock
from cleanroom.kernel.record import dataclass
from cleanroom.runner.collecting import machine_collectors, register_collectors

KEPT = Path("/var/lib/cleanroom/collateral")  # where `attest fetch --cache` puts it for runners


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a run can ask.

    Attributes:
        collectors: Makes those of the platforms, for a clause and what the runner extends.
        load: Gives NVIDIA's binding, or says that it is not installed.
        kinds: Every kind of evidence by name; says what each needs beside it.
        kept: Certificates, lists, manifests and answers of revocation services.
        clock: Tells the time, by which what is kept is too old.
    """

    collectors: Callable[[AttestationProfile, tuple[RuntimeEvent, ...]], tuple[Collector, ...]]
    load: Callable[[], Nvml]
    kinds: Mapping[str, Kind]
    kept: CollateralCache
    clock: Callable[[], dt.datetime]

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
            UnavailableError: The machine lacks something, a device does not answer, or
                collateral that the contract needs is not kept or kept for too long.
            MalformedError: An answer is nonsense.
        """
        # A GPU that does not answer ends the run before a register is extended.
        devices = [
            self._completed(self._gpu(index, binding=binding), profile) for index in range(gpus)
        ]
        platform = collector_for(kind, collectors=self.collectors(profile, events))
        item = self._completed(platform.collect(binding=binding), profile)
        return Evidence.of(item, devices=devices)

    def _gpu(self, index: int, *, binding: bytes) -> EvidenceItem:
        collector = NvidiaCollector(load=self.load, index=index)
        return collector_for(collector.platform, collectors=(collector,)).collect(binding=binding)

    def _completed(self, item: EvidenceItem, profile: AttestationProfile) -> EvidenceItem:
        kind = self.kinds[item.platform]

        def answers(requests: Sequence[CollateralRequest]) -> Sequence[bytes]:
            needed = [
                request for request in requests if not _is_waived(request, kind.name, profile)
            ]
            self._require_kept(needed, profile, what=kind.name)
            return self.kept.load(requests)

        return complete(kind, item, answers)

    def _require_kept(
        self, requests: Sequence[CollateralRequest], profile: AttestationProfile, *, what: str
    ) -> None:
        since = {request.name: self.kept.kept_since(request) for request in requests}
        missing = [name for name, moment in since.items() if moment is None]
        if missing:
            raise UnavailableError(
                f"{what} collateral: {', '.join(missing)} not in {self.kept.directory}, agreed to"
                " be there",
                code="runner.collateral",
                hint="collect evidence, then: cleanroom attest fetch EVIDENCE --cache DIRECTORY",
            )
        limit = profile.max_collateral_age
        if isinstance(limit, NoCollateral):
            return
        # Its maker dated it before it was fetched, so a broker would find it older still.
        oldest = self.clock() - limit
        dated = {request.name for request in requests if request.dated}
        for name, moment in since.items():
            if name in dated and moment is not None and moment < oldest:
                raise UnavailableError(
                    f"{what} collateral: {name} was fetched {format_time(moment)}, agreed after"
                    f" {format_time(oldest)}",
                    code="runner.collateral-age",
                    hint="cleanroom attest fetch gets it again",
                )


def _is_waived(request: CollateralRequest, kind: str, profile: AttestationProfile) -> bool:
    """Tell whether all parties do without an answer about what was withdrawn."""
    if not request.dated:
        return False
    about = GpuClause if kind in {device.name for device in registry.DEVICES} else SnpClause
    return any(
        isinstance(clause, about) and isinstance(clause.revocation, Waived)
        for clause in profile.clauses
    )


def this_machine() -> Machine:
    """Return the machine that runs this, with its real devices."""
    return Machine(
        collectors=lambda profile, events: (
            *machine_collectors(),
            *register_collectors(profile, events),
        ),
        load=load_nvml,
        kinds={kind.name: kind for kind in registry.all_kinds()},
        kept=CollateralCache(directory=KEPT),
        clock=system_clock,
    )
