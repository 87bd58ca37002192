# SPDX-License-Identifier: Apache-2.0
"""Rego for the resource policy of a Trustee key broker service.

The input is the attestation token (EAR) that Trustee's own verifier made, with its
annotated evidence: claim names are those of Trustee's verifiers. The policy starts
from "no" and says yes in one rule only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cleanroom.contract.attestation_plain import plain_profile
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.export.exported import (
    Exported,
    exported,
    require_listed,
    require_platform,
)
from cleanroom.errors import RefusedError
from cleanroom.kernel.canonical import JSONValue

TARGET = "trustee-rego"
_NAMES = {
    "snp": "snp",
    "snp-azure-vtpm": "az-snp-vtpm",
    "tdx": "tdx",
    "tdx-azure-vtpm": "az-tdx-vtpm",
}
_TDX = {
    "mrtd": "mr_td",
    "rtmr0": "rtmr_0",
    "rtmr1": "rtmr_1",
    "rtmr2": "rtmr_2",
    "rtmr3": "rtmr_3",
    "mrconfigid": "mr_config_id",
    "mrowner": "mr_owner",
    "mrownerconfig": "mr_owner_config",
    "mrseam": "mr_seam",
}
_HEAD = """\
# Made from an attestation profile; change the contract, not this copy.
package policy

import rego.v1

default allow := false

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]["{name}"]

allow if {{
\tdata.plugin == "resource"
\tinput.submods.cpu0["ear.status"] == "affirming"
{conditions}}}
"""


def export_rego(profile: AttestationProfile) -> Exported:
    """Write a profile as a Trustee resource policy.

    Raises:
        RefusedError: Not exactly one platform that Trustee judges, a list that accepts
            nothing, or an image that counts by its signer.
    """
    platform = require_platform(profile, _NAMES, target=TARGET)
    plain = plain_profile(profile)
    expressed = {"attestation.platforms"}
    lines: list[str] = []
    for place, condition in _conditions(platform, plain):
        expressed.add(f"attestation.{place}")
        lines.append(f"\t{condition}\n")
    # Refused above if there are any.
    expressed.add("attestation.snp.signers")
    text = _HEAD.format(name=_NAMES[platform], conditions="".join(lines))
    return exported(text, profile=profile, expressed=expressed)


def _conditions(platform: str, plain: dict[str, JSONValue]) -> Iterator[tuple[str, str]]:
    for name, value in plain.items():
        if name == "debug" and value == "forbidden":
            yield name, _no_debug(platform)
        elif name == "snp" and isinstance(value, dict):
            yield from _snp(platform, value)
        elif name == "tdx" and isinstance(value, dict):
            yield from _tdx(value)
        elif name == "pcrs" and isinstance(value, dict):
            yield from _pcrs(value)


def _no_debug(platform: str) -> str:
    if platform == "snp":
        return "evidence.evidence.policy.debug_allowed == false"
    if platform == "snp-azure-vtpm":
        return "evidence.policy_debug_allowed == false"
    return "evidence.td_attributes.debug == false"


def _snp(platform: str, clause: dict[str, JSONValue]) -> Iterator[tuple[str, str]]:
    if clause["signers"]:
        raise RefusedError(
            f"{TARGET}: found an image that counts by its signer, agreed exact launch measurements",
            code="export.signer",
            hint="Trustee's token does not carry the signer; list the launch measurements",
        )
    root = "evidence.evidence" if platform == "snp" else "evidence"
    yield "snp.launch", _one_of(f"{root}.measurement", clause["launch"], "snp.launch")
    least = clause["minimum_tcb"]
    if not isinstance(least, list) or len(least) != 1 or not isinstance(least[0], dict):
        raise RefusedError(
            f"{TARGET}: found several products, agreed one",
            code="export.product",
            hint="versions of different products cannot be compared; export one product",
        )
    dot = "." if platform == "snp" else "_"
    for component in ("bootloader", "tee", "snp", "microcode"):
        place = f"{root}.reported_tcb{dot}{component}"
        yield "snp.minimum_tcb", f"{place} >= {least[0][component]}"


def _tdx(clause: dict[str, JSONValue]) -> Iterator[tuple[str, str]]:
    for name, claim in _TDX.items():
        if clause[name] != "any":
            yield (
                f"tdx.{name}",
                _one_of(f"evidence.quote.body.{claim}", clause[name], f"tdx.{name}"),
            )
    statuses = _one_of("evidence.tcb_status", clause["tcb_statuses"], "tdx.tcb_statuses")
    yield "tdx.tcb_statuses", statuses
    accepted = json.dumps(clause["advisories"])
    yield (
        "tdx.advisories",
        f'every advisory in object.get(evidence, "advisory_ids", []) {{ advisory in {accepted} }}',
    )


def _pcrs(clause: dict[str, JSONValue]) -> Iterator[tuple[str, str]]:
    values = clause["values"]
    for entry in values if isinstance(values, list) else []:
        if isinstance(entry, dict) and entry["accepted"] != "any":
            claim = f"evidence.tpm.pcr{int(str(entry['index'])):02d}"
            yield "pcrs.values", _one_of(claim, entry["accepted"], "pcrs.values")


def _one_of(claim: str, accepted: JSONValue, place: str) -> str:
    values = accepted if isinstance(accepted, list) else []
    require_listed(values, place)
    return f"{claim} in {json.dumps(values)}"
