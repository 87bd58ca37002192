# SPDX-License-Identifier: Apache-2.0
"""Imports point down only, and an auditor's path stays light."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

HEAVY = ("pandas", "pyarrow", "duckdb", "_duckdb", "click", "rich", "fastapi", "sqlalchemy")


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


def test_runner_and_query_child_load_the_engine_and_not_its_python_package():
    code = (
        "import sys, cleanroom.runner.execute, cleanroom.runner.child;"
        " print(*[n for n in ('duckdb', '_duckdb', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["_duckdb"]


def test_a_runner_loads_no_client_of_networks_before_a_broker_is_on_one():
    begun = "import cleanroom.runner.__main__; from cleanroom.runner.broker_client import *;"
    networks = ("httpx2", "httpcore2", "h11", "anyio", "truststore")
    assert loaded(f'{begun} BrokerClient("unix:/run/broker.sock")', networks) == []
    # The guard sees what it guards against.
    assert loaded(f'{begun} BrokerClient("https://broker.example")', networks) != []


@pytest.mark.parametrize(
    ("begun", "slow"),
    [
        ("cleanroom.cli.submitting", ("pydantic", "_duckdb", "sqlglot", "cleanroom.room")),
        ("cleanroom.cli.early_key", ("pydantic", "_duckdb", "sqlglot", "cleanroom.room")),
    ],
)
def test_what_begins_to_open_a_key_loads_nothing_slow(begun, slow):
    # All that is loaded before is waited for; all that is loaded after, beside it.
    assert loaded(f"import cleanroom.cli.main, {begun}", slow) == []


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Tell which of the modules a process of our own has loaded after some code."""
    told = f"import sys; {code}; print(*[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_run_on_this_machine_loads_nothing_that_speaks_to_a_hub(tmp_path):
    code = (
        "import sys; from cleanroom.cli.main import run; status = run(['run', 'q', '--room', '.']);"
        " print(status, 'cleanroom.room' in sys.modules, 'cleanroom.mirror.client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["6", "False", "False"], done.stderr
