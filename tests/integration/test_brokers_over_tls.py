# SPDX-License-Identifier: Apache-2.0
"""The whole journey with brokers that are reached over TLS, as from another machine."""

import tempfile
from pathlib import Path

import pytest

from tests.support.command_line import EXAMPLE, agree_on_example, serving, two_parties
from tests.support.host_certificates import host_certificate
from tests.support.served_brokers import free_loopback_address


@pytest.mark.slow
def test_a_run_whose_brokers_are_elsewhere_ends_in_a_result_all_the_same():
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        directory = Path(name)
        parties, room = two_parties(directory), directory / "room"
        made = host_certificate(directory)
        addresses, options = {}, {}
        for party in parties:
            addresses[party.name] = free_loopback_address().replace("http", "https")
            listen = addresses[party.name].removeprefix("https://")
            files = ("--certificate", made.files.chain, "--certificate-key", made.files.key)
            options[party.name] = ("--listen", listen, *files)
            authorities = party.home / "cleanroom" / "authorities.pem"
            authorities.parent.mkdir(mode=0o700)
            authorities.write_text(made.authorities)
        agree_on_example(parties, room, addresses=addresses)
        hospital, insurer = parties
        with serving(*parties, options=options):
            query = EXAMPLE / "programmes.sql"
            insurer.succeeds("query", "submit", query, "--param", "year=2024,2025", "--room", room)
            hospital.succeeds("query", "approve", "programmes", "--room", room)
            ran = insurer.program(
                "run", "programmes", "--param", "year=2025", "--room", room, "--json"
            )
            assert ran.status == 0, ran.out + ran.err
            assert ran.json["verified"]
            assert ran.json["result"]["rows"]
            assert hospital.succeeds("broker", "status")["log_size"] == 2
            audited = hospital.succeeds("audit", "--room", room)["audited"]
            assert [row["source"] for row in audited] == ["broker", "broker"]
            digest = hospital.succeeds("contract", "show", "--room", room)["digest"]
            done = hospital.succeeds(
                *("revoke", "contract", digest, "--reason", "over", "--yes", "--room", room)
            )
            assert done["acknowledged_by"] == ["hospital", "insurer"]
