# SPDX-License-Identifier: Apache-2.0
"""Imports point down only, and an auditor's path stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

HEAVY = ("pandas", "pyarrow", "duckdb", "click", "rich", "fastapi", "sqlalchemy")


def test_the_house_stands_as_drawn():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["cleanroom.receipt.verify", "cleanroom.cli.main"])
def test_importing_it_loads_no_data_library(module):
    forbidden = [name for name in HEAVY if name != "click" or "cli" not in module]
    code = f"import sys, {module}; print(*[n for n in {forbidden!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
