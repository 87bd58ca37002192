# SPDX-License-Identifier: Apache-2.0
"""Every threat has an adversarial test, and every such test names a threat that exists."""

from __future__ import annotations

import re

import pytest

from tests.support.source_tree import ROOT, python_files

ID = re.compile(r"\bT-\d{2}\b")
MODEL = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
THREATS = sorted(set(re.findall(r"^### (T-\d{2}) ", MODEL, flags=re.MULTILINE)))
TESTS = {path.name: path.read_text("utf-8") for path in python_files("tests/adversarial")}


def test_threat_ids_are_numbered_without_gaps():
    assert [f"T-{number:02}" for number in range(1, len(THREATS) + 1)] == THREATS


@pytest.mark.parametrize("threat", THREATS)
def test_a_threat_has_an_adversarial_test(threat):
    assert [name for name, text in TESTS.items() if threat in ID.findall(text)]


@pytest.mark.parametrize("name", TESTS)
def test_an_adversarial_test_names_a_known_threat(name):
    cited = set(ID.findall(TESTS[name]))
    assert cited
    assert cited <= set(THREATS)


@pytest.mark.parametrize("name", TESTS)
def test_an_adversarial_test_is_named_after_an_attacker(name):
    assert re.fullmatch(r"test_[a-z]+(_[a-z0-9]+)+\.py", name)


def test_the_code_cites_known_threats_only():
    cited = {
        threat
        for path in python_files("cleanroom", "tests")
        if path.name != "test_threats.py"
        for threat in ID.findall(path.read_text("utf-8"))
    }
    assert cited <= set(THREATS)
