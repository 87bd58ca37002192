# SPDX-License-Identifier: Apache-2.0
"""A control-C is an interrupt, whatever the engine makes of it."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from cleanroom.cli.main import cli, run
from cleanroom.errors import MalformedError

FAILURES = (RuntimeError("Query interrupted"), MalformedError("source: no table", code="vault.x"))


@pytest.fixture(autouse=True)
def _listening():
    """Tests that were started in the background ignore control-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


# In a process of its own: a worker that runs tests beside others gets no signals in time.
COUNT_FOR_EVER = """
import os, signal, threading
from cleanroom.cli.main import cli, run
from cleanroom.vault.session import fetch, sealing_session

def count(**_):
    # Whether it comes before the engine has begun or later, it is an interrupt.
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with sealing_session() as connection:
        fetch(connection, "SELECT count(*) FROM range(1_000_000_000_000) WHERE random() > 2")

signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main = count
raise SystemExit(run(["version", "--json"]))
"""


def test_an_interrupt_while_the_engine_works_is_told_as_one():
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FOR_EVER], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"
    assert done.stderr == b""


@pytest.mark.parametrize("failure", FAILURES, ids=["engine", "ours"])
def test_what_an_interrupt_was_turned_into_is_told_as_an_interrupt(capsys, monkeypatch, failure):
    def turn(**_):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise failure

    monkeypatch.setattr(cli, "main", turn)
    assert run(["version"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_failure_without_an_interrupt_stays_one(capsys, monkeypatch):
    failures = iter(FAILURES)

    def fail(**_):
        raise next(failures)

    monkeypatch.setattr(cli, "main", fail)
    assert run(["version"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: program: RuntimeError in ")
    assert "Query interrupted" not in told
    assert run(["version"]) == 4
    assert capsys.readouterr().err.startswith("error: source: no table\nhint: ")


def test_a_command_in_another_thread_leaves_signals_alone():
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(run(["version"])))
    thread.start()
    thread.join()
    assert statuses == [0]
