# SPDX-License-Identifier: Apache-2.0
"""The collectors of a real machine, with its real file system, devices and services."""

from __future__ import annotations

from pathlib import Path

from cleanroom.attestation.facts import RuntimeEvent, RuntimeLog
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.confidential_space.collect import (
    ConfidentialSpaceCollector,
    ask_launcher,
)
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.collect import TpmCollector
from cleanroom.attestation.platforms.tpm.parse import PCR_COUNT, PcrSelection
from cleanroom.attestation.platforms.tpm.root import PLATFORM as TPM
from cleanroom.attestation.platforms.tpm.transport import open_device
from cleanroom.attestation.platforms.vtpm_software.collect import SoftwareTpmCollector
from cleanroom.contract.attestation_terms import (
    AttestationProfile,
    MaaClause,
    PcrClause,
    WorkloadClause,
)
from cleanroom.runner.devices import azure_machines, device_collectors, maa_machine

_ROOT = Path("/")
_ALL_REGISTERS = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(PCR_COUNT)))


def machine_collectors() -> tuple[Collector, ...]:
    """Make one collector for each kind that a runner can ask for.

    Those of TPMs quote every register and extend none: outside a run there is nothing
    to say about running code.
    """
    return (*device_collectors(_ROOT), *_tpms(_ALL_REGISTERS, register=0, events=()))


def register_collectors(
    profile: AttestationProfile, events: tuple[RuntimeEvent, ...]
) -> tuple[Collector, ...]:
    """Make the collectors that depend on the contract: what to extend, quote or ask for.

    Args:
        profile: The contract's clause, which says which registers are quoted.
        events: What the runner extends before it asks, in order.
    """
    collectors: list[Collector] = []
    for clause in profile.clauses:
        if isinstance(clause, PcrClause):
            selection = PcrSelection(
                bank=Hash[clause.bank.upper()], pcrs=frozenset({clause.runtime, *clause.values})
            )
            collectors += (
                *_tpms(selection, register=clause.runtime, events=events),
                *azure_machines(
                    selection, RuntimeLog(register=clause.runtime, events=events), root=_ROOT
                ),
            )
        if isinstance(clause, WorkloadClause) and clause.audiences:
            # A token is for one audience; any that the contract names will do.
            audience = min(clause.audiences)
            collectors.append(
                ConfidentialSpaceCollector(root=_ROOT, audience=audience, ask=ask_launcher)
            )
        if isinstance(clause, MaaClause) and clause.issuers:
            collectors.append(maa_machine(min(clause.issuers), root=_ROOT))
    return tuple(collectors)


def _tpms(
    selection: PcrSelection, *, register: int, events: tuple[RuntimeEvent, ...]
) -> tuple[Collector, ...]:
    return (
        TpmCollector(
            platform=TPM,
            connect=open_device,
            root=_ROOT,
            selection=selection,
            register=register,
            events=events,
        ),
        SoftwareTpmCollector(selection=selection, register=register, events=events),
    )
