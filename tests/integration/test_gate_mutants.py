# SPDX-License-Identifier: Apache-2.0
"""Delete one check of the gate: some test must notice, or the check is worth nothing.

Checks are discovered, so a new one is tried without being listed. ``python -m
tests.support.mutants PACKAGE`` tries every one of a package; here a sample is drawn.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.mutants import SUITES, discover
from tests.support.source_tree import ROOT

# Checks that no test can miss, each with the reason. A name without its line.
UNREACHABLE: dict[str, str] = {}
QUICK = {"bound_plan": 2, "second_reading": 1}
# Whole packages are tried by hand: one mutant of admission takes minutes of tests.
SLOW = {"second_reading": 4}
SEED = 20_260_101


def survivors(package, sample):
    command = [sys.executable, "-m", "tests.support.mutants", package]
    done = subprocess.run(
        [*command, "--sample", str(sample), "--seed", str(SEED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["mutants"] > 0
    return [name for name in told["survivors"] if name.partition(" line ")[0] not in UNREACHABLE]


@pytest.mark.parametrize("package", SUITES)
def test_checks_are_discovered_by_themselves(package):
    names = {mutant.name for mutant in discover(package)}
    assert len(names) >= 4


@pytest.mark.parametrize(("package", "sample"), QUICK.items())
def test_a_deleted_check_is_noticed(package, sample):
    assert survivors(package, sample) == []


@pytest.mark.slow
@pytest.mark.parametrize(("package", "sample"), SLOW.items())
def test_deleted_checks_are_noticed(package, sample):
    assert survivors(package, sample) == []
