# SPDX-License-Identifier: Apache-2.0
"""Release policies of cloud key services: Azure Key Vault, Google Cloud, AWS KMS.

Each judges a token or document of its own cloud. What they cannot judge (GPUs,
exact registers, how fresh collateral is) stays with the brokers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cleanroom.contract.attestation_plain import plain_clause
from cleanroom.contract.attestation_terms import (
    AttestationProfile,
    Forbidden,
    NitroClause,
    Required,
    SnpClause,
    TdxClause,
    Unrestricted,
    WorkloadClause,
)
from cleanroom.contract.export.exported import (
    Exported,
    clause_of,
    exported,
    require_listed,
    require_platform,
)
from cleanroom.contract.export.maa import export_maa
from cleanroom.errors import RefusedError
from cleanroom.kernel.canonical import JSONValue

_ISOLATION = "x-ms-isolation-tee"


def export_azure(profile: AttestationProfile, *, authority: str) -> Exported:
    """Write a profile as the release policy of an Azure Key Vault key.

    Args:
        profile: With exactly one of the Azure platforms, or ``maa-jwt``.
        authority: Address of the attestation service whose tokens count, https only; for
            ``maa-jwt`` one of the issuers that the contract names.

    Raises:
        RefusedError: Another platform, no authority, or a list that accepts nothing.
    """
    target = "azure-key-vault"
    platforms = {"snp-azure-vtpm", "tdx-azure-vtpm", "maa-jwt"}
    platform = require_platform(profile, platforms, target=target)
    if not authority.startswith("https://") or "*" in authority:
        raise RefusedError(
            f"{target}: found no authority, agreed the https address of one attestation service",
            code="export.authority",
            hint="name it with --authority; a policy without one accepts anybody's token",
        )
    if platform == "maa-jwt":
        return export_maa(profile, authority=authority)
    expressed = {"attestation.platforms", "attestation.debug"}
    kind = "sevsnpvm" if platform == "snp-azure-vtpm" else "tdxvm"
    common: list[JSONValue] = [
        _equals(f"{_ISOLATION}.x-ms-attestation-type", kind),
        _equals(f"{_ISOLATION}.x-ms-compliance-status", "azure-compliant-cvm"),
        _equals("secureboot", value=True),
    ]
    expressed.add("attestation.azure.secure_boot")
    if kind == "sevsnpvm":
        choices = [*_azure_snp(profile)]
        expressed |= {"attestation.snp.signers", "attestation.snp.launch", "attestation.snp.vmpl"}
    else:
        choices = [*_azure_tdx(profile)]
        expressed |= {"attestation.tdx.mrtd"}
    # Alternatives stand side by side: a condition of this language compares one value.
    policy: JSONValue = {
        "version": "1.0.0",
        "anyOf": [{"authority": authority, "allOf": [*common, *choice]} for choice in choices],
    }
    return exported(_pretty(policy), profile=profile, expressed=expressed)


def export_gcp(profile: AttestationProfile) -> Exported:
    """Write a profile as the attribute condition of a workload identity provider.

    Raises:
        RefusedError: Another platform, debug mode, or a list that accepts nothing.
    """
    target = "gcp-condition"
    require_platform(profile, {"gcp-cs-jwt"}, target=target)
    _require_no_debug(profile, target)
    clause = clause_of(profile, WorkloadClause)
    parts = [
        _member("assertion.iss", sorted(clause.issuers), "workload.issuers"),
        _member("assertion.aud", sorted(clause.audiences), "workload.audiences"),
        'assertion.swname == "CONFIDENTIAL_SPACE"',
        'assertion.dbgstat == "disabled-since-boot"',
        _member("assertion.hwmodel", sorted(clause.hardware), "workload.hardware"),
        _member(
            "assertion.submods.container.image_digest",
            sorted(str(image) for image in clause.images),
            "workload.images",
        ),
        *(
            f"{json.dumps(item)} in assertion.submods.confidential_space.support_attributes"
            for item in sorted(clause.support)
        ),
    ]
    expressed = {"platforms", "debug", "workload.hardware", "workload.images", "workload.support"}
    expressed |= {"workload.issuers", "workload.audiences"}
    if isinstance(clause.secure_boot, Required):
        parts.append("assertion.secboot == true")
        expressed.add("workload.secure_boot")
    if not isinstance(clause.projects, Unrestricted):
        projects = sorted(clause.projects)
        parts.append(_member("assertion.submods.gce.project_id", projects, "workload.projects"))
        expressed.add("workload.projects")
    if not isinstance(clause.service_accounts, Unrestricted):
        accounts = json.dumps(sorted(clause.service_accounts))
        parts.append(f"assertion.google_service_accounts.all(account, account in {accounts})")
        expressed.add("workload.service_accounts")
    if not clause.overrides:
        parts.append("!has(assertion.submods.container.cmd_override)")
        parts.append("!has(assertion.submods.container.env_override)")
        expressed.add("workload.overrides")
    places = {f"attestation.{place}" for place in expressed}
    return exported(" &&\n".join(parts) + "\n", profile=profile, expressed=places)


def export_aws(profile: AttestationProfile) -> Exported:
    """Write a profile as the condition block of a KMS key policy.

    Raises:
        RefusedError: Another platform, debug mode, or a list that accepts nothing.
    """
    target = "aws-kms"
    require_platform(profile, {"nitro"}, target=target)
    _require_no_debug(profile, target)
    clause = clause_of(profile, NitroClause)
    conditions: dict[str, JSONValue] = {}
    expressed = {"attestation.platforms", "attestation.debug"}
    for name, accepted in plain_clause(clause).items():
        if isinstance(accepted, list):
            require_listed(accepted, f"nitro.{name}")
            conditions[f"kms:RecipientAttestation:{name.upper()}"] = accepted
            expressed.add(f"attestation.nitro.{name}")
    # Without IgnoreCase a digest in the other case would only be a false refusal; a
    # request without a document has no such key and matches nothing.
    policy: JSONValue = {"Condition": {"StringEqualsIgnoreCase": conditions}}
    return exported(_pretty(policy), profile=profile, expressed=expressed)


def _azure_snp(profile: AttestationProfile) -> Iterator[list[JSONValue]]:
    clause = clause_of(profile, SnpClause)
    require_listed((*clause.launch, *clause.signers), "snp.launch")
    require_listed(clause.vmpl, "snp.vmpl")
    prefix = f"{_ISOLATION}.x-ms-sevsnpvm"
    fixed: list[JSONValue] = [] if not isinstance(profile.debug, Forbidden) else [
        _equals(f"{prefix}-is-debuggable", value=False)
    ]  # fmt: skip
    for vmpl in sorted(clause.vmpl):
        level = _equals(f"{prefix}-vmpl", vmpl)
        for launch in sorted(clause.launch):
            yield [*fixed, level, _equals(f"{prefix}-launchmeasurement", launch.hex())]
        # A zero digest is nobody's signature.
        for signer in (item for item in clause.signers if any(item.id_key)):
            yield [
                *fixed,
                level,
                _equals(f"{prefix}-idkeydigest", signer.id_key.hex()),
                _equals(f"{prefix}-authorkeydigest", signer.author_key.hex()),
                _equals(f"{prefix}-familyId", signer.family_id.hex()),
                _equals(f"{prefix}-imageId", signer.image_id.hex()),
                {"claim": f"{prefix}-guestsvn", "greaterOrEquals": signer.min_svn},
            ]


def _azure_tdx(profile: AttestationProfile) -> Iterator[list[JSONValue]]:
    clause = clause_of(profile, TdxClause)
    _require_no_debug(profile, "azure-key-vault")
    accepted = clause.registers["mrtd"]
    debug = _equals(f"{_ISOLATION}.tdx_td_attributes_debug", value=False)
    if isinstance(accepted, Unrestricted):
        yield [debug]
        return
    require_listed(accepted, "tdx.mrtd")
    for value in sorted(accepted):
        yield [debug, _equals(f"{_ISOLATION}.tdx_mrtd", value.hex())]


def _require_no_debug(profile: AttestationProfile, target: str) -> None:
    if not isinstance(profile.debug, Forbidden):
        raise RefusedError(
            f"{target}: found debug waived, agreed forbidden",
            code="export.debug",
            hint="a key service outside the contract cannot tell why it was waived",
        )


def _equals(claim: str, value: JSONValue) -> dict[str, JSONValue]:
    return {"claim": claim, "equals": value}


def _member(claim: str, values: list[str], place: str) -> str:
    require_listed(values, place)
    return f"{claim} in {json.dumps(values)}"


def _pretty(value: JSONValue) -> str:
    return json.dumps(value, indent=2) + "\n"
