# SPDX-License-Identifier: Apache-2.0
"""What the operator of a hub types."""

import pytest

from tests.support.command_line import Party
from tests.support.keys import throwaway_party
from tests.support.served_hub import ROOM, admit


@pytest.fixture
def operator(tmp_path):
    admit(tmp_path / "hub", ROOM, throwaway_party("hospital"))
    return Party(name="operator", home=tmp_path / "operator")


def test_receivers_of_events_are_entered_listed_and_struck_out(operator, tmp_path):
    hub, url = ("--directory", tmp_path / "hub"), "https://example.org/told"
    entered = operator.types("hub", "webhook", ROOM, url, *hub, "--json")
    assert [hook["url"] for hook in entered.json["webhooks"]] == [url]
    assert entered.json["keyid"].startswith("sha256:")
    listed = operator.types("hub", "webhook", ROOM, *hub, "--json")
    assert listed.json == entered.json
    struck = operator.types("hub", "webhook", ROOM, url, "--remove", *hub, "--json")
    assert struck.json["webhooks"] == []
    private = operator.types("hub", "webhook", ROOM, "http://127.0.0.1/", *hub, "--json")
    assert (private.status, private.code) == (3, "webhook.tls")
    absent = operator.types("hub", "webhook", "nowhere", *hub, "--json")
    assert (absent.status, absent.code) == (6, "hub.no-room")


def test_a_hub_is_copied_restored_and_migrated(operator, tmp_path):
    copied = operator.succeeds("hub", "backup", tmp_path / "copy", "--directory", tmp_path / "hub")
    assert copied["rooms"] == [ROOM]
    again = ("--directory", tmp_path / "again")
    assert operator.succeeds("hub", "restore", tmp_path / "copy", *again)["rooms"] == [ROOM]
    (tmp_path / "store").mkdir()
    store = (tmp_path / "store").as_uri()
    assert operator.succeeds("hub", "migrate", "--to", store, *again)["objects"] == 0
