# SPDX-License-Identifier: Apache-2.0
"""Every kind of evidence that this version knows, in three lists that never mix.

A kind joins by one line here. Which list it is in decides whether it can ever
hold a key: a contract must name a stand-alone kind and nothing beside it.
"""

from __future__ import annotations

from cleanroom.attestation.platform import Kind
from cleanroom.attestation.platforms import (
    azure_cvm,
    azure_uvm,
    confidential_space,
    maa,
    nitro,
    nvidia_gpu,
    sev_snp,
    simulated,
    tdx,
)
from cleanroom.attestation.platforms.tpm import kind as tpm
from cleanroom.attestation.platforms.vtpm_software import kind as vtpm_software

# Protect memory from their host; a contract may name several of them.
PLATFORMS: tuple[Kind, ...] = (
    *sev_snp.KINDS,
    *tdx.KINDS,
    *azure_cvm.KINDS,
    *confidential_space.KINDS,
    *nitro.KINDS,
    *maa.KINDS,
)

# Belong to a machine and never hold a key themselves.
DEVICES: tuple[Kind, ...] = (*nvidia_gpu.KINDS,)

# Leave memory open to their host: believed only where a contract names one alone.
STAND_ALONE: tuple[Kind, ...] = (*simulated.KINDS, *tpm.KINDS, *vtpm_software.KINDS)

# Verified for strangers; a runner of ours never runs there, so no contract names them.
FOREIGN: tuple[Kind, ...] = (
    *tdx.FOREIGN,
    *nitro.FOREIGN,
    *nvidia_gpu.FOREIGN,
    *azure_uvm.FOREIGN,
)


def all_kinds() -> tuple[Kind, ...]:
    """List every kind, those that a contract would never accept included."""
    return (*PLATFORMS, *DEVICES, *STAND_ALONE, *FOREIGN)
