# SPDX-License-Identifier: Apache-2.0
"""What genuine evidence says about machines that no contract names; shown to strangers alone.

Shapes as in :mod:`cleanroom.attestation.facts`. None has a clause, so a contract that met
one by mistake would refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SgxFacts:
    """One Intel SGX enclave (ATTESTATION 2.3).

    Attributes:
        mrenclave: 32 bytes.
        mrsigner: 32 bytes.
        product_id: ISVPRODID.
        svn: ISVSVN.
        tcb_status: Of Intel's TCB info; or ``UNAPPRAISED``.
        advisories: Intel advisories that apply at that level.
        fmspc: 6 bytes.
        ppid: 16 bytes.
    """

    mrenclave: bytes
    mrsigner: bytes
    product_id: int
    svn: int
    tcb_status: str
    advisories: frozenset[str]
    fmspc: bytes
    ppid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroTpmFacts:
    """One AWS NitroTPM document: how a virtual machine booted (ATTESTATION 2.6).

    Attributes:
        pcrs: Index to value, 48 bytes each, exactly those of the document.
        module_id: Instance and TPM.
    """

    pcrs: Mapping[int, bytes]
    module_id: str
