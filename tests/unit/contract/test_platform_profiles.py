# SPDX-License-Identifier: Apache-2.0
"""The annotated profiles for machines that people have, as they stand in ``contracts/``."""

import re
from pathlib import Path

import pytest

from cleanroom.contract.attestation_plain import waivers
from cleanroom.contract.attestation_profile import parse_profile
from cleanroom.contract.attestation_terms import PLATFORM_CLAUSES, GpuClause
from cleanroom.contract.lint import Severity, lint_profile
from cleanroom.contract.lint_marks import lint_marks, lint_places

PLACE = Path(__file__).parents[3] / "contracts" / "platforms"
FILES = {
    "azure-sev-snp-h100.toml": ("snp-azure-vtpm", {"snp.chip_ids", "gpus.serials"}),
    "sev-snp.toml": ("snp", {"snp.host_data"}),
    "tdx.toml": ("tdx", {"tdx.mrconfigid", "tdx.mrseam", "tdx.ppids"}),
}


def test_every_profile_there_is_known_here():
    assert {path.name for path in PLACE.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_profile_lints_without_errors_and_opens_only_what_it_explains(name):
    platform, opened = FILES[name]
    profile = parse_profile((PLACE / name).read_bytes(), what=name)
    assert profile.platforms == {platform}
    gpus = {GpuClause} if name.endswith("h100.toml") else set()
    assert {type(clause) for clause in profile.clauses} == PLATFORM_CLAUSES[platform] | gpus
    findings = lint_profile(profile)
    assert [item for item in findings if item.severity is not Severity.WARNING] == []
    places = {item.place.removeprefix("contract.toml: attestation") for item in findings}
    assert {place.removeprefix(".") for place in places} - {""} == opened
    assert len(waivers(profile)) == ("azure" in name)


@pytest.mark.parametrize("name", FILES)
def test_every_open_or_waived_term_says_why_beside_it(name):
    lines = (PLACE / name).read_text().splitlines()
    for line in lines:
        if re.search(r'= "any"', line):
            assert "#" in line, line


@pytest.mark.parametrize("name", FILES)
def test_places_to_fill_in_are_errors_until_they_are_filled(name):
    data = (PLACE / name).read_bytes()
    found = list(lint_places(parse_profile(data, what=name)))
    assert {item.severity for item in found} == {Severity.ERROR}
    assert "contract.toml: attestation.measurements" in {item.place for item in found}
    filled = re.sub(rb"([1-9a-f])\1{11,}", lambda match: b"5a" * (len(match[0]) // 2), data)
    filled = filled.replace(b"00000000-1111-2222-3333-444444444444", b"a-machine")
    assert list(lint_places(parse_profile(filled, what=name))) == []


def test_least_versions_that_nobody_measured_are_shouted_until_they_are_replaced():
    for name, expected in (("azure-sev-snp-h100.toml", 5), ("sev-snp.toml", 9), ("tdx.toml", 0)):
        data = (PLACE / name).read_bytes()
        found = lint_marks(data)
        assert len(found) == expected
        assert all("AN ESTIMATE" in item.text and item.place.startswith("line ") for item in found)
        assert lint_marks(data.replace(b"# ESTIMATE", b"# from the vendor's bulletin")) == ()
    # Every least version of a firmware carries the mark, and none is left without.
    for name in FILES:
        for line in (PLACE / name).read_text().splitlines():
            if re.match(r"(bootloader|tee|snp|microcode|min_svn) = ", line):
                assert "# ESTIMATE" in line
