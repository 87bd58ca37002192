# SPDX-License-Identifier: Apache-2.0
"""Draft, check and export attestation profiles for the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cleanroom.attestation.appraisal import profile_digest
from cleanroom.cli.session import Session
from cleanroom.contract import attestation_draft
from cleanroom.contract.attestation_profile import parse_profile
from cleanroom.contract.attestation_render import render_profile
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.export.clouds import export_aws, export_azure, export_gcp
from cleanroom.contract.export.exported import Exported
from cleanroom.contract.export.trustee import export_rego
from cleanroom.contract.lint import lint_profile
from cleanroom.contract.lint_marks import lint_marks, lint_places
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_CONTRACT_BYTES
from cleanroom.runner.attest import measure_this_runner

_PROFILE_MARK = "cleanroom.attestation-profile.v0"


def draft_profile(session: Session, platforms: Sequence[str], *, gpus: int) -> None:
    """Print a draft that names the runner installed here and nothing else."""
    profile = attestation_draft.draft_profile(
        platforms, measurements=(measure_this_runner(),), gpus=gpus
    )
    text = render_profile(profile).decode()
    session.emit({"profile": text}, text.rstrip("\n"))
    session.note("A draft: it accepts nothing until every list is filled; then lint it.")


def lint_file(session: Session, file: Path) -> None:
    """Print what is empty, open, waived, an estimate, or a place that nobody filled in."""
    profile = read_profile_file(file)
    data = read_limited(file, what=file.name, limit=MAX_CONTRACT_BYTES)
    found = (*lint_places(profile), *lint_profile(profile), *lint_marks(data))
    findings = [
        {"severity": item.severity.value, "place": item.place, "text": item.text, "fix": item.fix}
        for item in found
    ]
    lines = [
        f"{item['severity']}: {item['place']}: {item['text']}; {item['fix']}" for item in findings
    ]
    digest = str(profile_digest(profile))
    session.emit({"digest": digest, "findings": findings}, "\n".join([f"profile {digest}", *lines]))


def export_file(session: Session, file: Path, *, target: str, authority: str) -> None:
    """Print a profile as another service's policy, and on stderr what it leaves out."""
    profile = read_profile_file(file)
    policy = _export(profile, target=target, authority=authority)
    value = {"policy": policy.text, "left_out": list(policy.left_out)}
    session.emit(value, policy.text.rstrip("\n"))
    for place in policy.left_out:
        session.note(f"not expressed there, and left to the brokers: {place}")


def read_profile_file(file: Path) -> AttestationProfile:
    """Read a profile from a file of its own, or from a contract.

    Raises:
        MalformedError: Neither of them.
        UnavailableError: The file cannot be read.
    """
    data = read_limited(file, what=file.name, limit=MAX_CONTRACT_BYTES)
    if json.dumps(_PROFILE_MARK).encode() in data:
        return parse_profile(data, what=file.name)
    return parse_contract(data, what=file.name).attestation


def _export(profile: AttestationProfile, *, target: str, authority: str) -> Exported:
    if target == "trustee-rego":
        return export_rego(profile)
    if target == "azure-key-vault":
        return export_azure(profile, authority=authority)
    return export_gcp(profile) if target == "gcp-condition" else export_aws(profile)
