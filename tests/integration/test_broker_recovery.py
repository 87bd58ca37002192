# SPDX-License-Identifier: Apache-2.0
"""An owner loses its broker's disk and gets the broker back by typing."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.command_line import EXAMPLE, agree_on_example, serving, two_parties

DATASET = "hospital.stays"


@pytest.mark.slow
def test_a_lost_broker_comes_back_with_its_history_and_what_is_signed():
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        parties, room = two_parties(Path(name)), Path(name) / "room"
        hospital, insurer = parties
        agree_on_example(parties, room)
        contract = hospital.succeeds("contract", "show", "--room", room)["digest"]
        home, copy = hospital.home / "cleanroom" / "hospital" / "broker", Path(name) / "copy"
        with serving(*parties):
            query = EXAMPLE / "programmes.sql"
            insurer.succeeds("query", "submit", query, "--param", "year=2024,2025", "--room", room)
            hospital.succeeds("query", "approve", "programmes", "--room", room)
            assert hospital.succeeds("broker", "backup", copy)["backup"] == str(copy)
            asked = ("run", "programmes", "--param", "year=2025", "--room", room)
            insurer.succeeds(*asked)
            heads = hospital.succeeds("broker", "status")["heads"]
            hospital.succeeds("audit", "--room", room)
        shutil.move(home, Path(name) / "lost")
        log = room / "log" / "hospital"
        assert hospital.types("broker", "restore", copy).status == 2
        epoch = hospital.succeeds("broker", "restore", copy, "--log", log)["epoch"]
        with serving(*parties):
            status = hospital.succeeds("broker", "status")
            assert (status["epoch"], status["log_size"]) == (epoch, 2)
            assert insurer.refused(*asked).code == "broker.no-allowance"
            # The broker holds its memory while it serves.
            allow = ("broker", "allow", "--runs", f"{contract}=1", "--releases", f"{DATASET}=1")
            assert hospital.refused(*allow).code == "broker.locked"
        # Nobody can say what happened while the counterparty is not heard.
        assert hospital.refused(*allow).code == "broker.unreachable"
        assert hospital.types("broker", "allow", "--runs", "x").status == 2
        with serving(insurer):
            assert hospital.succeeds(*allow)["heads"] == heads
        with serving(*parties):
            insurer.succeeds(*asked)
            assert insurer.refused(*asked).code == "broker.uses-exhausted"
            audited = hospital.succeeds("audit", "--room", room)["audited"]
            assert [row["source"] for row in audited] == ["broker", "broker"]
            # T-01: what was fetched must not land wherever a link in the room leads.
            (room / "log").rename(Path(name) / "kept")
            (Path(name) / "elsewhere").mkdir()
            (room / "log").symlink_to(Path(name) / "elsewhere")
            assert hospital.refused("audit", "--room", room).code == "room.link"
            assert list((Path(name) / "elsewhere").iterdir()) == []
