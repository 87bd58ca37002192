# SPDX-License-Identifier: Apache-2.0
"""Was this machine booted, configured and filled as the contract agreed?"""

from __future__ import annotations

import shlex

from cleanroom.attestation.agreed import (
    refused,
    require_demand,
    require_in,
    require_subset,
)
from cleanroom.attestation.facts import (
    AzureFacts,
    NitroFacts,
    QuoteFacts,
    RuntimeEvent,
    RuntimeLog,
    WorkloadFacts,
)
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.contract.attestation_terms import (
    AzureClause,
    NitroClause,
    PcrClause,
    Unrestricted,
    WorkloadClause,
)

SOFTWARE = "CONFIDENTIAL_SPACE"


def appraise_quote(facts: QuoteFacts, clause: PcrClause, *, runtime: RuntimeData) -> None:
    """Refuse a TPM quote that is not as agreed (ATTESTATION 2.4).

    Raises:
        EvidenceRefusedError: By name of the first fact that is not.
    """
    # 1. A key that nobody vouches for signs whatever its holder likes.
    require_in("tpm key trust", facts.key_trust, clause.key_trust)
    require_in(
        "tpm key",
        str(facts.key),
        clause.keys
        if isinstance(clause.keys, Unrestricted)
        else frozenset(str(key) for key in clause.keys),
    )
    # 2. Exactly this bank and these registers: registers 16 and 23 can be reset by the
    # guest and then hold any value, so a quote over others proves nothing about these.
    if facts.bank != clause.bank:
        raise refused("tpm bank", found=facts.bank, agreed=clause.bank)
    selected, agreed = set(facts.pcrs), {clause.runtime, *clause.values}
    if selected != agreed:
        raise refused("tpm selection", found=_indices(selected), agreed=_indices(agreed))
    for index, accepted in sorted(clause.values.items()):
        require_in(f"tpm pcr {index}", facts.pcrs[index], accepted)
    # 3. What was about to run when the quote was made: this runner, contract and query.
    _require_runtime(facts, clause, runtime)


def _require_runtime(facts: QuoteFacts, clause: PcrClause, runtime: RuntimeData) -> None:
    log = facts.runtime
    if not isinstance(log, RuntimeLog) or log.register != clause.runtime:
        raise refused(
            "tpm runtime log",
            found=f"one of register {log.register}" if isinstance(log, RuntimeLog) else "none",
            agreed=f"one of register {clause.runtime}",
        )
    expected = (
        RuntimeEvent(name="runner", digest=runtime.runner),
        RuntimeEvent(name="contract", digest=runtime.contract),
        RuntimeEvent(name="query", digest=runtime.query),
    )
    if log.events != expected:
        raise refused(
            "tpm runtime events",
            found=", ".join(event.name for event in log.events) or "none",
            agreed="runner, contract, query of this run, once each and in this order",
        )


def appraise_azure(facts: AzureFacts, clause: AzureClause) -> None:
    """Refuse an Azure confidential VM that is not configured as agreed (ATTESTATION 2.2).

    Raises:
        EvidenceRefusedError: By name of the first fact that is not.
    """
    require_in("azure vm id", facts.vm_id, clause.vm_ids)
    require_demand("azure secure boot", clause.secure_boot, holds=facts.secure_boot, found="off")
    consoles = facts.console or facts.interactive_console
    require_demand("azure console", clause.no_console, holds=not consoles, found="on")


def appraise_nitro(facts: NitroFacts, clause: NitroClause) -> None:
    """Refuse a Nitro enclave that is not as agreed (ATTESTATION 2.6).

    Raises:
        EvidenceRefusedError: By name of the first register that is not.
    """
    for index, accepted in sorted(clause.pcrs.items()):
        if index not in facts.pcrs:
            raise refused(f"nitro pcr {index}", found="none", agreed="one")
        require_in(f"nitro pcr {index}", facts.pcrs[index], accepted)


def appraise_workload(facts: WorkloadFacts, clause: WorkloadClause) -> None:
    """Refuse a Confidential Space workload that is not as agreed (ATTESTATION 2.7).

    Raises:
        EvidenceRefusedError: By name of the first claim that is not.
    """
    # 1. Who says so, to whom, about which kind of machine.
    require_in("workload issuer", facts.issuer, clause.issuers)
    require_in("workload audience", facts.audience, clause.audiences)
    require_in("workload hardware", facts.hardware, clause.hardware)
    require_in("workload software", facts.software, frozenset({SOFTWARE}))
    for attribute in sorted(clause.support - facts.support):
        raise refused("workload support", found=_listed(facts.support), agreed=attribute)
    require_demand("workload secure boot", clause.secure_boot, holds=facts.secure_boot, found="off")
    require_in("workload project", facts.project, clause.projects)
    require_subset("workload service account", facts.service_accounts, clause.service_accounts)
    # 2. Which code: arguments, variables and overrides change what an image does.
    images = frozenset(str(image) for image in clause.images)
    require_in("workload image", str(facts.image), images)
    # Quoted as for a shell: joined by spaces alone, two lists would read as the same line.
    require_in("workload arguments", shlex.join(facts.arguments), clause.arguments)
    variables = [f"{name}={value}" for name, value in facts.environment.items()]
    require_subset("workload environment", variables, clause.environment)
    require_subset("workload override", facts.overrides, clause.overrides)


def _indices(values: set[int]) -> str:
    return ", ".join(str(value) for value in sorted(values)) or "none"


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "none"
