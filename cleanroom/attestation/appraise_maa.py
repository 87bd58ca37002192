# SPDX-License-Identifier: Apache-2.0
"""Is what Azure's attestation service says of this machine what the contract agreed to?

The service judged the hardware's report; here its word is compared, fact by fact. It knows
no chip, no revocation list and no register of a virtual TPM: whoever needs those agrees to
``snp`` or ``snp-azure-vtpm`` instead.
"""

from __future__ import annotations

from cleanroom.attestation.agreed import refused, require_in
from cleanroom.attestation.facts import MaaFacts, MaaSnp, MaaTdx
from cleanroom.contract.attestation_terms import MaaClause

_ZERO = bytes(48)


def appraise_maa(facts: MaaFacts, clause: MaaClause) -> None:
    """Refuse a token that is not as agreed (ATTESTATION 2.8).

    Raises:
        EvidenceRefusedError: By name of the first claim that is not.
    """
    # 1. Who says so, about which kind of machine.
    require_in("maa issuer", facts.issuer, clause.issuers)
    require_in("maa tee", facts.tee, clause.tees)
    # 2. Behind a paravisor the hardware measures firmware alone, and the registers that
    # measure what runs are not in the token (T-04).
    if facts.guest:
        raise refused("maa interface", found="guest attestation of a VM", agreed="a direct one")
    require_in("maa compliance", facts.compliance, clause.compliance)
    # 3. Which firmware and which image.
    if isinstance(facts.hardware, MaaSnp):
        _appraise_snp(facts.hardware, clause)
    else:
        _appraise_tdx(facts.hardware, clause)


def _appraise_snp(found: MaaSnp, clause: MaaClause) -> None:
    for component, version in sorted(found.tcb.items()):
        least = clause.minimum_tcb[component]
        if version < least:
            raise refused(f"maa tcb {component}", found=str(version), agreed=f"at least {least}")
    if found.launch not in clause.launch and not _is_signed(found, clause):
        raise refused(
            "maa launch",
            found=f"{found.launch.hex()}, id key {found.id_key.hex()}, version {found.guest_svn}",
            agreed=", ".join(
                [item.hex() for item in sorted(clause.launch)]
                + [f"id key {item.hex()} from {clause.min_svn}" for item in sorted(clause.id_keys)]
            )
            or "none",
        )
    require_in("maa host data", found.host_data, clause.host_data)
    require_in("maa vmpl", found.vmpl, clause.vmpl)


def _is_signed(found: MaaSnp, clause: MaaClause) -> bool:
    # An image without an id block has a zero digest: that is nobody's signature.
    signed = found.id_key != _ZERO and found.id_key in clause.id_keys
    return signed and found.guest_svn >= clause.min_svn


def _appraise_tdx(found: MaaTdx, clause: MaaClause) -> None:
    require_in("maa tcb status", found.tcb_status, clause.tcb_statuses)
    if found.mrsignerseam != _ZERO:
        raise refused("maa module", found="another than Intel's", agreed="Intel's own")
    require_in("maa launch", found.mrtd, clause.launch)
    registers = {
        "mrseam": found.mrseam,
        "mrconfigid": found.mrconfigid,
        "mrowner": found.mrowner,
        "mrownerconfig": found.mrownerconfig,
        **{f"rtmr{index}": value for index, value in enumerate(found.rtmrs)},
    }
    for name, value in registers.items():
        require_in(f"maa {name}", value, clause.registers[name])
