# SPDX-License-Identifier: Apache-2.0
"""What an annotated profile itself says of its values: estimates, and places to fill in.

Numbers that nobody took from a vendor or a machine carry the mark ``# ESTIMATE`` on their line.
A mark is a comment, so it does not survive into a contract: it is read here, before anybody
copies the profile, and shouted until whoever replaces the number takes the mark away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cleanroom.contract.attestation_plain import describe_profile
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.lint import Finding, Severity

_MARK = re.compile(r"^\s*(?P<name>\w+)\s*=\s*(?P<value>[^#]+?)\s*#\s*ESTIMATE\b")
# One digit again and again; zeros are a value that hardware really reports.
_REPEATED = re.compile(r"\b([1-9a-f])\1{11,127}\b|\b0{8}-1{4}-2{4}-3{4}-4{12}\b")


def lint_marks(data: bytes) -> tuple[Finding, ...]:
    """List the lines of a profile whose number is marked as an estimate."""
    lines = data.decode("utf-8", "replace").splitlines()
    return tuple(
        Finding(
            severity=Severity.WARNING,
            place=f"line {number}: {found['name']}",
            text=f"{found['value']} is AN ESTIMATE, from no vendor and no machine of yours",
            fix="replace it with what your machine reports and its maker asks for; remove the mark",
        )
        for number, line in enumerate(lines, 1)
        if (found := _MARK.match(line)) is not None
    )


def lint_places(profile: AttestationProfile) -> Iterator[Finding]:
    """List the terms that still hold a value of repeated digits, which no machine reports."""
    for place, text in describe_profile(profile).items():
        if _REPEATED.search(text):
            yield Finding(
                severity=Severity.ERROR,
                place=f"contract.toml: {place}",
                text="a PLACE TO FILL IN: one digit repeated, which no machine reports",
                fix="write the value of your machine, from cleanroom attest verify --json",
            )
