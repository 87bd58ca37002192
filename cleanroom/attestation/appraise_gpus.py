# SPDX-License-Identifier: Apache-2.0
"""Are these the machine's GPUs, with the firmware that the contract agreed to?

Nothing but the nonce binds a GPU to a machine: it is collected by measured
code, and every GPU is named in the runtime data before evidence is made.
"""

from __future__ import annotations

from cleanroom.attestation.agreed import refused, require_demand, require_in
from cleanroom.attestation.facts import GpuFacts
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.contract.attestation_terms import AttestationProfile, GpuClause
from cleanroom.errors import EvidenceRefusedError

CHECKED = "checked"


def appraise_gpus(
    gpus: tuple[GpuFacts, ...], *, profile: AttestationProfile, runtime: RuntimeData
) -> None:
    """Refuse GPUs that are not those of the runtime data, or not as agreed.

    Raises:
        EvidenceRefusedError: By name of the first fact that is not.
    """
    # 1. GPUs that the runner names and no evidence proves would be believed on its
    # word, and ones that it does not name were never bound to its report (T-04).
    if tuple(gpu.identity for gpu in gpus) != runtime.gpus:
        raise EvidenceRefusedError(
            "gpus: the runner names other GPUs than the evidence proves", code="attestation.gpus"
        )
    clauses = [clause for clause in profile.clauses if isinstance(clause, GpuClause)]
    if not clauses:
        if gpus:
            raise refused("gpu count", found=str(len(gpus)), agreed="none")
        return
    clause = clauses[0]
    # 2. Neither fewer nor more: one too many could hold the work of the others.
    if len(gpus) != clause.count:
        raise refused("gpu count", found=str(len(gpus)), agreed=str(clause.count))
    for gpu in gpus:
        _appraise_gpu(gpu, clause)
    # 3. A GPU in another mode does not encrypt what its neighbours send it.
    modes = sorted({gpu.mode for gpu in gpus})
    if len(modes) > 1:
        raise refused("gpu modes", found=", ".join(modes), agreed="one mode for all")


def _appraise_gpu(gpu: GpuFacts, clause: GpuClause) -> None:
    require_in("gpu architecture", gpu.architecture, clause.architectures)
    require_in("gpu serial", gpu.identity.leaf_serial, clause.serials)
    require_in("gpu mode", gpu.mode, clause.modes)
    drivers = frozenset(str(digest) for digest in clause.driver_rims)
    require_in("gpu driver manifest", str(gpu.driver_rim), drivers)
    firmware = frozenset(str(digest) for digest in clause.vbios_rims)
    require_in("gpu vbios manifest", str(gpu.vbios_rim), firmware)
    require_demand("gpu firmware id", clause.firmware_id, holds=gpu.firmware_id, found="none")
    require_demand(
        "gpu revocation",
        clause.revocation,
        holds=gpu.revocation == CHECKED,
        found=gpu.revocation,
    )
