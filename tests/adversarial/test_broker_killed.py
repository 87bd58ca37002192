# SPDX-License-Identifier: Apache-2.0
"""T-19: somebody kills the broker, again and again, to spend a use twice or to get one back.

The kills are real: SIGKILL to a child process at moments spread over a release and
over a commit. After each, the home is opened again and the run is finished by
asking again, as a runner does. See ``tests/support/killed_brokers.py`` for what
is compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def kill_many_times(
    directory: Path, *, rounds: int | str, what: str = "killed_brokers"
) -> dict[str, int]:
    """Run the experiment in a process of its own; return what it counted."""
    command = [sys.executable, "-W", "error", "-m", f"tests.support.{what}"]
    done = subprocess.run(
        [*command, str(directory), str(rounds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    lines = (line.split(" ") for line in done.stdout.splitlines())
    return {state: int(count) for state, count in lines}


def test_no_kill_spends_a_use_twice_or_gives_one_back(tmp_path: Path) -> None:
    reached = kill_many_times(tmp_path, rounds=16)
    assert sum(reached.values()) == 16
    # Kills fell inside a release or a commit, not only between them. How many fell where is the
    # machine's; the next test has one at every step.
    assert {"r", "c"} & set(reached)


def test_no_kill_loses_an_answer_of_requests_that_were_recorded_together(tmp_path: Path) -> None:
    reached = kill_many_times(tmp_path, rounds=3, what="killed_groups")
    assert set(reached) == {"cut", "answered"}


def test_a_kill_right_before_or_after_a_commit_of_the_database_costs_one_use(
    tmp_path: Path,
) -> None:
    told = kill_many_times(tmp_path, rounds="commits", what="killed_broker_steps")
    # A run's release and its commit at least, each before and after.
    assert told["disturbed"] >= 4
    assert told["disturbed"] == told["rounds"]


@pytest.mark.slow
def test_a_kill_around_every_durable_step_and_every_answer_costs_one_use(tmp_path: Path) -> None:
    told = kill_many_times(tmp_path, rounds="around", what="killed_broker_steps")
    assert told["disturbed"] > 4


@pytest.mark.slow
def test_no_kill_of_many_loses_an_answer_of_a_group(tmp_path: Path) -> None:
    reached = kill_many_times(tmp_path, rounds=16, what="killed_groups")
    # Some children were killed in the middle of a group, and some answers had left by then.
    assert reached["cut"] > 0
    assert reached["answered"] > 0


@pytest.mark.slow
def test_no_kill_of_many_spends_a_use_twice_or_gives_one_back(tmp_path: Path) -> None:
    reached = kill_many_times(tmp_path, rounds=200)
    assert sum(reached.values()) == 200
    assert {"r", "c"} <= set(reached)
