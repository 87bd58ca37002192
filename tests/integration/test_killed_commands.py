# SPDX-License-Identifier: Apache-2.0
"""T-19: a command that is killed at any point can be run again; no use is doubled or regained.

Each command of the journey is started as its program and killed with SIGKILL after
a delay, over and over with other delays, and must then succeed as if nothing had been.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.statements import verify_key_release
from cleanroom.identity.pins import load_pins
from cleanroom.receipt.parse import parse_receipt
from cleanroom.room import verify_contract
from tests.support.command_line import EXAMPLE, serving, two_parties

THREATS = ("T-19",)
RULE = ("--normalise", "email=email-sha256")
FEW = (0.6,)
MANY = tuple(number / 20 for number in range(2, 42, 2))


def killed_after(party, seconds, *arguments):
    """Start a command and kill it with everything it started; tell whether it was too late."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cleanroom.cli", *map(str, arguments)],
        env=party.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


class Persistent:
    """Somebody whose every command is killed a few times before it gets through."""

    def __init__(self, party, delays):
        self.party = party
        self.delays = delays

    def gets_through(self, *arguments):
        for delay in self.delays:
            if killed_after(self.party, delay, *arguments):
                break
        return self.party.succeeds(*arguments)


def journey(directory, delays):
    """Walk the whole journey with kills; return what the room's brokers counted."""
    hospital, insurer = two_parties(directory)
    room = directory / "room"
    at_room = ("--room", room)
    both = {
        name: Persistent(party, delays)
        for name, party in (("hospital", hospital), ("insurer", insurer))
    }
    told = {
        name: person.gets_through("init", name, *at_room)["fingerprint"]
        for name, person in both.items()
    }
    for party in (hospital, insurer):
        party.eases_its_key()
    for name, other in (("hospital", "insurer"), ("insurer", "hospital")):
        document = room / "parties" / f"{other}.toml"
        both[name].gets_through("party", "trust", document, "--fingerprint", told[other])
    for name, table in (("hospital", "stays"), ("insurer", "members")):
        policy = EXAMPLE / "policies" / f"{name}.{table}.toml"
        source = EXAMPLE / "data" / f"{table}.csv"
        sealed = both[name].gets_through(
            "data", "seal", source, "--policy", policy, *RULE, *at_room
        )
        assert sealed
    draft = ("--template", "two-party", "--platform", "simulated", "--receiver", "insurer")
    both["hospital"].gets_through("contract", "new", *draft, *at_room)
    for person in both.values():
        person.gets_through("contract", "sign", *at_room)
    pins = load_pins(insurer.home / "cleanroom" / "insurer" / "pins")
    assert verify_contract(room, pins).datasets.keys() == {"hospital.stays", "insurer.members"}
    with serving(hospital, insurer):
        sql = EXAMPLE / "programmes.sql"
        both["insurer"].gets_through("query", "submit", sql, "--param", "year=2024,2025", *at_room)
        both["hospital"].gets_through("query", "approve", "programmes", *at_room)
        asked = ("run", "programmes", "--param", "year=2025", *at_room)
        first = both["insurer"].gets_through(*asked)
        second = insurer.succeeds(*asked)
    return room, pins, first["run"], second["run"]


def uses(room, pins, run):
    """Read from a receipt how many uses each broker had counted by then."""
    receipt = parse_receipt((room / "runs" / run / "receipt.json").read_bytes())
    return {
        party: verify_key_release(
            logged.statement, party=party, broker_key=pins.documents[party].broker_key
        ).uses.used
        for party, logged in receipt.body.releases.items()
    }


def assert_nothing_is_half_written(room):
    for path in room.rglob("*"):
        assert not path.name.endswith(".tmp") or path.name.startswith(".")
    directory = RoomDirectory(path=room)
    directory.load_contract_bundle()
    for run in (room / "runs").iterdir():
        receipt = run / "receipt.json"
        if receipt.exists():
            json.loads(receipt.read_bytes())
            assert (run / "result.sealed").exists(), "a receipt announces a result that is there"


def check(directory, delays):
    room, pins, first, second = journey(directory, delays)
    assert_nothing_is_half_written(room)
    before, after = uses(room, pins, first), uses(room, pins, second)
    asked = len(list((room / "runs").iterdir()))
    for party in before:
        # A run that was killed after its keys were released has cost a use; one that
        # was killed before has not; and each costs one at most.
        assert 1 <= before[party] <= asked - 1
        assert after[party] == before[party] + 1


def test_every_command_survives_being_killed(tmp_path):
    check(tmp_path, FEW)


@pytest.mark.slow
def test_every_command_survives_being_killed_at_many_points(tmp_path):
    check(tmp_path, MANY)
