# SPDX-License-Identifier: Apache-2.0
"""Release policies over tokens of the direct interfaces of Azure's attestation service.

Their claims stand at the top of the token. Key Vault compares the very claims that the
contract's clause is about, so little is left to the brokers: whose nonce it is, how old the
token is, and how many uses there were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cleanroom.contract.attestation_terms import (
    AttestationProfile,
    Forbidden,
    MaaClause,
    Unrestricted,
)
from cleanroom.contract.export.exported import Exported, clause_of, exported, require_listed
from cleanroom.errors import RefusedError
from cleanroom.kernel.canonical import JSONValue

_SNP = "x-ms-sevsnpvm-"
_COMPONENTS = {
    "bootloader": "bootloader-svn",
    "tee": "tee-svn",
    "snp": "snpfw-svn",
    "microcode": "microcode-svn",
}
_Choice = list[JSONValue]


def export_maa(profile: AttestationProfile, *, authority: str) -> Exported:
    """Write a profile of ``maa-jwt`` as the release policy of an Azure Key Vault key.

    Raises:
        RefusedError: An authority that the contract does not name, debug waived, or a list
            that accepts nothing.
    """
    clause = clause_of(profile, MaaClause)
    if authority not in clause.issuers:
        raise RefusedError(
            f"azure-key-vault: found authority {authority}, agreed"
            f" {', '.join(sorted(clause.issuers)) or 'none'}",
            code="export.authority",
            hint="name one of the issuers of the contract with --authority",
        )
    if not isinstance(profile.debug, Forbidden):
        raise RefusedError(
            "azure-key-vault: found debug waived, agreed forbidden",
            code="export.debug",
            hint="a key service outside the contract cannot tell why it was waived",
        )
    require_listed(clause.tees, "maa.tees")
    choices = [choice for tee in sorted(clause.tees) for choice in _choices(clause, tee)]
    policy: JSONValue = {
        "version": "1.0.0",
        "anyOf": [{"authority": authority, "allOf": choice} for choice in choices],
    }
    places = {"platforms", "debug", "maa.tees", "maa.compliance", "maa.launch"}
    places |= {f"maa.{name}" for name in _snp_terms(clause) | _tdx_terms(clause)}
    if len(clause.issuers) == 1:
        places.add("maa.issuers")
    expressed = {f"attestation.{place}" for place in places}
    return exported(json.dumps(policy, indent=2) + "\n", profile=profile, expressed=expressed)


def _choices(clause: MaaClause, tee: str) -> Iterator[_Choice]:
    for common in _with_any(
        [_equals("x-ms-attestation-type", tee)],
        "x-ms-compliance-status",
        clause.compliance,
        "maa.compliance",
    ):
        yield from _snp(clause, common) if tee == "sevsnpvm" else _tdx(clause, common)


def _snp(clause: MaaClause, common: _Choice) -> Iterator[_Choice]:
    versions: _Choice = [
        {"claim": _SNP + _COMPONENTS[name], "greaterOrEquals": least}
        for name, least in sorted(clause.minimum_tcb.items())
    ]
    fixed = [*common, _equals(f"{_SNP}is-debuggable", value=False), *versions]
    require_listed(clause.vmpl, "maa.vmpl")
    require_listed((*clause.launch, *clause.id_keys), "maa.launch")
    hosts = clause.host_data
    for base in _with_any(fixed, f"{_SNP}hostdata", hosts, "maa.host_data"):
        for vmpl in sorted(clause.vmpl):
            level = [*base, _equals(f"{_SNP}vmpl", vmpl)]
            for launch in sorted(clause.launch):
                yield [*level, _equals(f"{_SNP}launchmeasurement", launch.hex())]
            # A zero digest is nobody's signature.
            for key in sorted(key for key in clause.id_keys if any(key)):
                yield [
                    *level,
                    _equals(f"{_SNP}idkeydigest", key.hex()),
                    {"claim": f"{_SNP}guestsvn", "greaterOrEquals": clause.min_svn},
                ]


def _tdx(clause: MaaClause, common: _Choice) -> Iterator[_Choice]:
    require_listed(clause.launch, "maa.launch")
    require_listed(clause.tcb_statuses, "maa.tcb_statuses")
    fixed: _Choice = [
        *common,
        _equals("tdx_td_attributes_debug", value=False),
        _equals("tdx_mrsignerseam", "00" * 48),
    ]
    choices: list[_Choice] = [
        [*fixed, _equals("tdx_mrtd", launch.hex()), _equals("attester_tcb_status", status)]
        for launch in sorted(clause.launch)
        for status in sorted(clause.tcb_statuses)
    ]
    for name, accepted in clause.registers.items():
        choices = [
            more
            for choice in choices
            for more in _with_any(choice, f"tdx_{name}", accepted, f"maa.{name}")
        ]
    yield from choices


def _with_any(
    choice: _Choice,
    claim: str,
    accepted: frozenset[str] | frozenset[bytes] | Unrestricted,
    place: str,
) -> Iterator[_Choice]:
    # A condition of this language compares one value, so each gives an alternative.
    if isinstance(accepted, Unrestricted):
        yield choice
        return
    require_listed(accepted, place)
    texts = [item.hex() if isinstance(item, bytes) else item for item in accepted]
    for text in sorted(texts):
        yield [*choice, _equals(claim, text)]


def _snp_terms(clause: MaaClause) -> set[str]:
    terms = {"id_keys", "min_svn", "host_data", "vmpl", "minimum_tcb"}
    return terms if "sevsnpvm" in clause.tees else set()


def _tdx_terms(clause: MaaClause) -> set[str]:
    return {"tcb_statuses", *clause.registers} if "tdxvm" in clause.tees else set()


def _equals(claim: str, value: JSONValue) -> dict[str, JSONValue]:
    return {"claim": claim, "equals": value}
