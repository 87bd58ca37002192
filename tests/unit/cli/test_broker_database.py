# SPDX-License-Identifier: Apache-2.0
"""Naming a broker's database: what commands show, and what they refuse to be told."""

import pytest

from tests.support.command_line import Party
from tests.support.keys import throwaway_party, write_profile
from tests.support.postgresql import running_server
from tests.unit.cli.test_broker_controls import settled

URL = "postgresql://cleanroom@/memory?host=/nowhere/at/all"


@pytest.fixture
def party(tmp_path):
    made = Party(name="hospital", home=tmp_path / "hospital").settle()
    known = throwaway_party("hospital", broker_address=f"unix:{tmp_path}/b.sock")
    write_profile(made.home / "cleanroom", known)
    return made


def test_a_password_in_a_command_is_refused_and_not_repeated(party):
    refused = party.refused("broker", "database", "postgresql://c:hush@db.example/memory")
    assert refused.code == "broker.url-password"
    assert "hush" not in refused.out + refused.err
    assert not list(party.home.rglob("database.url"))


def test_a_database_that_does_not_answer_is_not_named(party):
    assert party.refused("broker", "database", URL).code == "broker.state"
    assert not list(party.home.rglob("database.url"))
    assert party.succeeds("broker", "database")["database"].endswith("broker/state.sqlite")
    assert party.types("broker", "database", URL, "--url-file", "x").status == 2


def test_a_memory_that_is_a_file_stays_one(tmp_path):
    party = settled(tmp_path)
    assert party.refused("broker", "database", URL).code == "broker.home-taken"


@pytest.mark.slow
def test_an_owner_names_a_database_by_a_file_and_controls_it(party):
    with running_server() as server:
        file = party.home / "url"
        file.touch(mode=0o600)
        file.write_text(server.url(server.make()), "utf-8")
        named = party.succeeds("broker", "database", "--url-file", file)["database"]
        assert named == party.succeeds("broker", "database")["database"]
        assert named.startswith("postgresql+psycopg://cleanroom@/memory_")
        assert party.refused("broker", "controls").code == "broker.state-absent"
