# SPDX-License-Identifier: Apache-2.0
"""Is this processor, with this firmware and this image, what the contract agreed to?

Order within a clause: what the machine is, how new its firmware is, what was
launched in it, who asked for the report.
"""

from __future__ import annotations

from cleanroom.attestation.agreed import refused, require_demand, require_in
from cleanroom.attestation.facts import UNAPPRAISED, SnpFacts, TdxFacts
from cleanroom.attestation.platform import CollateralFact
from cleanroom.contract.attestation_terms import SnpClause, SnpSigner, TdxClause

FIRST_VERSION_WITH_PROCESSOR = 3
CHIP_ID_BYTES = 64
REVOCATION_LIST = "crl"
TDX_REGISTER_BYTES = 48


def appraise_snp(
    facts: SnpFacts, clause: SnpClause, *, collateral: tuple[CollateralFact, ...]
) -> None:
    """Refuse an SEV-SNP report that is not as agreed (ATTESTATION 2.1).

    Raises:
        EvidenceRefusedError: By name of the first fact that is not.
    """
    # 1. Before anything that a broken product could forge (T-04). An old report leaves
    # it to its certificate to say which product it is of.
    if facts.version < FIRST_VERSION_WITH_PROCESSOR:
        raise refused("snp report version", found=str(facts.version), agreed="3 or later")
    require_in("snp product", facts.product, clause.products)
    require_in("snp signing key", facts.signing_key, clause.signing_keys)
    _require_chip(facts, clause)
    # 2. Rollback: each component by itself, never the sum or the 64-bit word.
    _require_tcb(facts, clause)
    require_demand(
        "snp committed firmware",
        clause.committed,
        holds=not facts.provisional,
        found="a version that may be rolled back",
    )
    require_demand(
        "snp alias check", clause.alias_check, holds=facts.alias_checked, found="not complete"
    )
    has_list = any(REVOCATION_LIST in item.name for item in collateral)
    require_demand("snp revocation list", clause.revocation, holds=has_list, found="none")
    # 3. What was launched, and with what beside it.
    _require_launched(facts, clause)
    require_in("snp host data", facts.host_data, clause.host_data)
    if facts.migratable:
        raise refused("snp migration", found="a guest that an agent may move", agreed="none")
    # 4. Guest user space can get genuine reports at a lower privilege level.
    require_in("snp vmpl", facts.vmpl, clause.vmpl)


def _require_chip(facts: SnpFacts, clause: SnpClause) -> None:
    # A masked chip id is zero on every machine, so it names none of them.
    if facts.chip_id == bytes(CHIP_ID_BYTES) and isinstance(clause.chip_ids, frozenset):
        raise refused("snp chip id", found="a masked one", agreed="one of those listed")
    require_in("snp chip id", facts.chip_id, clause.chip_ids)


def _require_tcb(facts: SnpFacts, clause: SnpClause) -> None:
    least = clause.minimum_tcb[facts.product]
    for component, version in sorted(facts.tcb.items()):
        if version < least[component]:
            raise refused(
                f"snp tcb {component}", found=str(version), agreed=f"at least {least[component]}"
            )
    # Only Turin has an FMC. A least version of a component that is not there says nothing.
    missing = sorted(name for name, number in least.items() if number and name not in facts.tcb)
    if missing:
        raise refused(f"snp tcb {missing[0]}", found="none", agreed=f"at least {least[missing[0]]}")


def _require_launched(facts: SnpFacts, clause: SnpClause) -> None:
    if facts.launch in clause.launch:
        return
    if any(_is_signed_by(facts, signer) for signer in clause.signers):
        return
    listed = [launch.hex() for launch in sorted(clause.launch)]
    listed += [f"id key {item.id_key.hex()} from version {item.min_svn}" for item in clause.signers]
    found = f"{facts.launch.hex()}, id key {facts.id_key.hex()}, version {facts.guest_svn}"
    raise refused("snp launch", found=found, agreed=", ".join(listed) or "none")


def _is_signed_by(facts: SnpFacts, signer: SnpSigner) -> bool:
    # An image without an id block has a zero digest: that is nobody's signature.
    if facts.id_key == bytes(len(facts.id_key)):
        return False
    found = (facts.id_key, facts.author_key, facts.family_id, facts.image_id)
    agreed = (signer.id_key, signer.author_key, signer.family_id, signer.image_id)
    return found == agreed and facts.guest_svn >= signer.min_svn


def appraise_tdx(facts: TdxFacts, clause: TdxClause) -> None:
    """Refuse a TDX quote that is not as agreed (ATTESTATION 2.3).

    Raises:
        EvidenceRefusedError: By name of the first fact that is not.
    """
    # 1. Which machine, and how new its firmware is by Intel's own account.
    require_in("tdx fmspc", facts.fmspc, clause.fmspcs)
    require_in("tdx ppid", facts.ppid, clause.ppids)
    # Without collateral nobody judged it, whatever word a contract lists.
    if facts.tcb_status == UNAPPRAISED:
        raise refused("tdx tcb status", found="none without collateral", agreed="Intel's own")
    require_in("tdx tcb status", facts.tcb_status, clause.tcb_statuses)
    for advisory in sorted(facts.advisories):
        require_in("tdx advisory", advisory, clause.advisories)
    # 2. Another maker's module could report what it likes.
    if facts.mrsignerseam != bytes(TDX_REGISTER_BYTES) or facts.seam_attributes:
        raise refused("tdx module", found="another than Intel's", agreed="Intel's own")
    # 3. Memory that stays closed, whoever asks.
    _require_closed(facts)
    # 4. What was launched.
    registers = {
        "mrseam": facts.mrseam,
        "mrtd": facts.mrtd,
        "mrconfigid": facts.mrconfigid,
        "mrowner": facts.mrowner,
        "mrownerconfig": facts.mrownerconfig,
        "mrservicetd": facts.mrservicetd,
        **{f"rtmr{index}": value for index, value in enumerate(facts.rtmrs)},
    }
    for name, value in registers.items():
        require_in(f"tdx {name}", value, clause.registers[name])


def _require_closed(facts: TdxFacts) -> None:
    # Moved away, it runs where nobody looked; a service domain that takes another's place may
    # move it; a bit without a meaning here may have one on the machine.
    if facts.migratable:
        raise refused("tdx migration", found="a guest that may be moved", agreed="none")
    if facts.rebindable:
        raise refused(
            "tdx service domains", found="some that may be exchanged", agreed="fixed ones"
        )
    if facts.unknown_attributes:
        raise refused("tdx attributes", found=f"{facts.unknown_attributes:#x}", agreed="known ones")
    # A machine inside the domain is at the mercy of the one that made it.
    if facts.partition:
        raise refused("tdx partition", found=f"machine {facts.partition} inside", agreed="none")
