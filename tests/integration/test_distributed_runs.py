# SPDX-License-Identifier: Apache-2.0
"""Runs through a hub's queue while its servers die: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.distributed import Network, network

pytestmark = pytest.mark.slow
STATEMENTS_OF_A_RUN = 2  # a release and a countersignature in each broker's log
ENDED_WITHOUT = {"runner.killed", "hub.runner-lost", "runner.began-before"}


@pytest.fixture(scope="module")
def net():
    with tempfile.TemporaryDirectory(prefix="cr-") as name, network(Path(name)) as opened:
        opened.services["runner"].start()
        yield opened


def verify_everywhere(net: Network, run: str) -> None:
    """Its receiver opens the result; the other owner verifies the receipt, and opens nothing."""
    room = ("--room", net.url)
    assert net.insurer.succeeds("result", "get", run, *room)["rows"]
    hospital = net.parties["hospital"]
    assert hospital.refused("result", "get", run, *room).code == "result.receiver"
    clone = net.directory / f"clone-{run}"
    hospital.succeeds("room", "clone", net.url, clone, "--without-data")
    done = hospital.types("verify", clone / "runs" / run / "receipt.json")
    assert done.status == 0, done.out + done.err
    shutil.rmtree(clone)


def test_a_run_waits_for_a_runner_and_everybody_verifies_it(net):
    before = net.uses()
    done = net.insurer.program(*net.ask(), "--json")
    assert done.status == 0, done.out + done.err
    assert done.json["verified"]
    assert net.uses() == before + STATEMENTS_OF_A_RUN
    verify_everywhere(net, done.json["run"])


@pytest.mark.parametrize(
    ("victim", "stage"), [("hub", "release keys"), ("hospital", "attest"), ("insurer", "run")]
)
def test_a_run_outlives_hub_and_brokers_and_costs_one_use(net, victim, stage):
    before = net.uses("insurer")
    run = net.queue()
    net.wait(run, stage=stage)
    net.services[victim].kill()
    net.services[victim].start()
    assert net.wait(run).error is None
    assert net.uses("insurer") == before + STATEMENTS_OF_A_RUN
    verify_everywhere(net, run)


@pytest.mark.parametrize("stage", ["agree", "attest"])
def test_a_runner_that_is_killed_before_it_asks_for_keys_costs_nothing(net, stage):
    """The job is handed back and done, whether or not the kill came before the next stage."""
    before = net.uses()
    run = net.queue()
    net.wait(run, stage=stage)
    net.services["runner"].kill()
    net.services["runner"].start()
    job = net.wait(run)
    spent = net.uses() - before
    if job.error is None:
        assert spent == STATEMENTS_OF_A_RUN
        verify_everywhere(net, run)
    else:
        # The kill came late: keys were about to be asked for, and nobody asked twice.
        assert job.stage not in {"agree", "admit", "attest"}
        assert spent <= STATEMENTS_OF_A_RUN


@pytest.mark.parametrize("stage", ["release keys", "commit"])
def test_a_killed_runner_never_spends_a_second_use(net, stage):
    before = net.uses()
    run = net.queue()
    net.wait(run, stage=stage)
    net.services["runner"].kill()
    net.services["runner"].start()
    job = net.wait(run)
    assert net.uses() <= before + STATEMENTS_OF_A_RUN
    if job.error is None:
        verify_everywhere(net, run)
    else:
        assert job.error.code in ENDED_WITHOUT
    # And the runner goes on with other work.
    assert net.wait(net.queue()).error is None


def test_who_waits_may_be_killed_and_ask_again(net):
    process = subprocess.Popen(
        [sys.executable, "-m", "cleanroom.cli", *net.ask()],
        env=net.insurer.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    run = next(
        line.split()[1].decode() for line in process.stderr if b" waits for a runner" in line
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert net.insurer.types("watch", run, "--room", net.url).status == 0
    verify_everywhere(net, run)


def test_a_cancelled_run_does_not_begin_and_a_stopped_runner_ends_well(net):
    assert net.services["runner"].end() == 0
    run = net.queue()
    cancelled = net.insurer.succeeds("watch", run, "--cancel", "--room", net.url)
    assert cancelled["state"] == "cancelled"
    net.services["runner"].start()
    assert net.insurer.refused("watch", run, "--room", net.url).code == "hub.cancelled"
    assert net.parties["hospital"].refused("watch", run, "--cancel", "--room", net.url).code == (
        "hub.not-submitter"
    )
    hear = ("room", "events", "--after", "0", "--count", "3", "--room", net.url, "--json")
    told = net.insurer.types(*hear)
    assert told.status == 0
    assert [json.loads(line)["number"] for line in told.out.splitlines()] == [1, 2, 3]
