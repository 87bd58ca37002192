# SPDX-License-Identifier: Apache-2.0
"""The demo over a network: four servers in processes and homes of their own, and none left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cleanroom.identity.homes import SEEDS_FILE

pytestmark = pytest.mark.slow
SERVERS = {"hub of operator", "broker of hospital", "broker of insurer", "runner of operator"}


def start(directory, home, *options):
    """Start the demo in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "cleanroom.cli", "demo", "--distributed", *options),
            *("--directory", str(directory)),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def place():
    """Give a short path: servers' sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        yield Path(name)


def servers_in(text):
    """Find which servers were told of, and their process ids."""
    return dict(re.findall(r"((?:hub|broker|runner) of \w+): process (\d+)", text))


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


def test_the_journey_ends_with_a_receipt_verified_on_a_clone(place):
    process = start(place / "demo", place, "--json")
    told, _ = process.communicate(timeout=900)
    assert process.returncode == 0, told
    story = json.loads(told[told.index("{") :])
    facts = [fact for chapter in story["chapters"] for fact in chapter["facts"]]
    servers = servers_in("\n".join(facts))
    assert set(servers) == SERVERS
    assert all(gone(pid) for pid in servers.values())
    assert "SIMULATED" in story["banner"]
    assert story["result"]["rows"]
    assert any(fact.startswith("ok  result: ") for fact in facts)
    clone = Path(story["left"]["a clone of the room"])
    assert (clone / ".hub.json").exists()
    # Nobody's home holds another's keys, and the authority's key was never written.
    homes = [Path(story["left"][f"{name}'s home"]) for name in ("hospital", "insurer", "operator")]
    for home in homes:
        assert [path.parents[1].name for path in home.glob(f"cleanroom/*/{SEEDS_FILE}")] == [
            home.name
        ]
    assert "PRIVATE KEY" not in homes[0].joinpath("cleanroom/authorities.pem").read_text()


def test_control_c_ends_every_server(place):
    process = start(place / "demo", place)
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if "Sealing" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == 130, told + rest
    servers = servers_in(told)
    assert len(servers) == 3
    assert all(gone(pid) for pid in servers.values())


def test_a_path_that_is_too_long_for_sockets_is_refused_before_anything_is_made(place):
    long = place / ("long-name-" * 9)
    process = start(long, place, "--json")
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 3
    assert json.loads(told)["error"]["code"] == "demo.directory"
    assert not long.exists()
