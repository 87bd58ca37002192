# SPDX-License-Identifier: Apache-2.0
"""The whole journey with a room that a hub keeps: no directory is shared."""

import tempfile
from pathlib import Path

import pytest

from tests.support.command_line import (
    EXAMPLE,
    Party,
    introduce,
    seal_example,
    serving,
    serving_hub,
    two_parties,
)
from tests.support.served_brokers import free_loopback_address


@pytest.mark.slow
def test_two_parties_and_a_hub_reach_a_verified_result():
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        directory = Path(name)
        parties = two_parties(directory)
        hospital, insurer = parties
        # Party documents travel by any way; their fingerprints are compared.
        introduce(parties, directory / "documents")
        operator = Party(name="operator", home=directory / "operator").settle()
        documents = [directory / "documents" / "parties" / f"{p.name}.toml" for p in parties]
        hub, address = ("--directory", directory / "hub"), free_loopback_address()
        operator.succeeds("hub", "admit", "follow-up", *documents, *hub)
        room = f"{address}/follow-up"
        listen = ("--listen", address.removeprefix("http://"))
        with serving_hub(operator, *hub, *listen), serving(*parties):
            refused = hospital.refused("contract", "show", "--room", room)
            assert refused.code == "request.key-absent"
            for party in parties:
                party.succeeds("room", "login")
                seal_example(party, room)
            insurer.succeeds(
                *("contract", "new", "--template", "two-party", "--platform", "simulated"),
                *("--receiver", "insurer", "--name", "follow-up-2026", "--room", room),
            )
            for party in parties:
                party.succeeds("contract", "sign", "--room", room)
            query = EXAMPLE / "programmes.sql"
            insurer.succeeds("query", "submit", query, "--param", "year=2024,2025", "--room", room)
            hospital.succeeds("query", "approve", "programmes", "--room", room)
            ran = insurer.program(
                "run", "programmes", "--param", "year=2025", "--room", room, "--json"
            )
            assert ran.status == 0, ran.out + ran.err
            assert ran.json["verified"]
            # The other party gets the receipt from the hub, and verifies it by itself.
            clone = directory / "clone"
            hospital.succeeds("room", "clone", room, clone)
            receipt = clone / "runs" / ran.json["run"] / "receipt.json"
            assert hospital.types("verify", receipt).status == 0
            assert hospital.succeeds("room", "pull", clone)["changed"] == []
            assert hospital.succeeds("room", "push", clone)["changed"] == []
