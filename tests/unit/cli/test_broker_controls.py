# SPDX-License-Identifier: Apache-2.0
from cleanroom.keybroker.broker import KeyBroker
from tests.support.brokers import CountedEntropy, TickingClock, broker_owner
from tests.support.command_line import Party
from tests.support.keys import pins_of, throwaway_party, write_profile

DIGEST = "sha256:" + "ab" * 32


def settled(tmp_path):
    """Make a party whose broker was started once, and is not running."""
    party = Party(name="hospital", home=tmp_path / "hospital").settle()
    known = throwaway_party("hospital", broker_address=f"unix:{tmp_path}/b.sock")
    profile = write_profile(party.home / "cleanroom", known)
    owner = broker_owner(known, pins_of(known))
    entropy = CountedEntropy(label="hospital")
    KeyBroker.open(profile.broker_home, owner=owner, clock=TickingClock(), entropy=entropy).close()
    return party


def test_an_owner_stops_and_resumes_without_a_passphrase_or_a_running_broker(tmp_path):
    party = settled(tmp_path)
    party.passphrase_file.unlink()
    assert party.types("broker", "controls").out == "nothing is stopped or limited\n"
    party.succeeds("broker", "stop", "dataset", "hospital.stays")
    stopped = party.succeeds("broker", "stop", "all")["stopped"]
    assert [(item["kind"], item["subject"]) for item in stopped] == [
        ("all", "*"),
        ("dataset", "hospital.stays"),
    ]
    assert "stopped all * since 20" in party.types("broker", "controls").out
    left = party.succeeds("broker", "resume", "all")["stopped"]
    assert [item["subject"] for item in left] == ["hospital.stays"]
    assert party.refused("broker", "resume", "contract", DIGEST).code == "broker.not-stopped"


def test_an_owner_limits_a_contract_and_lifts_the_limit(tmp_path):
    party = settled(tmp_path)
    done = party.succeeds("broker", "quota", DIGEST, "--per-day", "3")
    assert done["quotas"] == [{"contract": DIGEST, "per_day": 3}]
    assert f"at most 3 a day {DIGEST}" in party.types("broker", "controls").out
    assert party.succeeds("broker", "quota", DIGEST, "--none")["quotas"] == []
    assert party.types("broker", "quota", DIGEST).status == 2
    assert party.types("broker", "quota", DIGEST, "--none", "--per-day", "1").status == 2


def test_a_place_to_listen_on_and_a_certificate_go_together(tmp_path):
    party = settled(tmp_path)
    for options in (
        ("--certificate", "a.pem"),
        ("--certificate-key", "a.key", "--listen", "127.0.0.1:8001"),
        ("--certificate", "a.pem", "--certificate-key", "a.key"),
    ):
        assert party.types("broker", "serve", *options).status == 2
    done = party.refused("broker", "serve", "--listen", "127.0.0.1:8001")
    assert done.code == "broker.not-published"
