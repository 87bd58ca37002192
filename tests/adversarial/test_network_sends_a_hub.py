# SPDX-License-Identifier: Apache-2.0
"""T-30: a hub that tells of events is sent into its own operator's network."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.errors import RefusedError
from cleanroom.hub.hub import Hub
from cleanroom.hub.index import RoomIndex
from cleanroom.server.public_address import address_to_ask
from cleanroom.server.webhook_sender import WebhookSender
from tests.support.brokers import TickingClock
from tests.support.room_documents import build_room
from tests.support.served_hub import QUOTA, ROOM, admit, files_of, put_files
from tests.support.webhook_receiver import receiver

DOCUMENTS = build_room()
CONTRACT = {"contract.toml": files_of(DOCUMENTS.files())["contract.toml"]}
KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)


@pytest.fixture
def hub(tmp_path):
    admit(tmp_path / "hub", ROOM, *DOCUMENTS.parties.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as opened:
        yield opened


def tell(hub, url, *, private, resolve):
    """Enter a receiver, let something happen, and tell it; return how often it failed."""
    index = RoomIndex(hub.home.parent / "rooms" / ROOM)
    with index.changing() as change:
        change.add_webhook(url, private=private)
    put_files(hub.room(ROOM), "hospital", CONTRACT)
    WebhookSender(hub, key=KEY, clock=TickingClock(), resolve=resolve).tell_due()
    (hook,) = index.webhooks()
    index.close()
    return hook.failures


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "fe80::1%eth0",
        "fd00::1",
    ],
)
def test_a_hub_cannot_be_sent_into_a_private_network(address):
    with pytest.raises(RefusedError, match="^webhook: not an address of the public"):
        address_to_ask("metadata.example", 443, private=False, resolve=lambda *_: [address])
    # Nor by a name that has a public address as well.
    with pytest.raises(RefusedError):
        address_to_ask("x.example", 443, private=False, resolve=lambda *_: ["1.1.1.1", address])


def port_of(told):
    """Return where a receiver listens."""
    return int(told.url.rpartition(":")[2].split("/")[0])


def test_a_name_that_changes_its_address_leads_nowhere_else(hub):
    """The connection goes to what was judged; the name is not looked up again."""
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    with receiver() as told:
        url = f"http://rebound.example:{port_of(told)}/told"
        assert tell(hub, url, private=True, resolve=resolve) == 0
        assert asked == [("rebound.example", port_of(told))]
        ((_, fields, _),) = told.heard
        assert fields["host"] == f"rebound.example:{port_of(told)}"


def test_a_private_receiver_that_nobody_allowed_is_never_asked(hub):
    with receiver() as told:
        url = f"https://inner.example:{port_of(told)}/told"
        assert tell(hub, url, private=False, resolve=lambda *_: ["127.0.0.1"]) == 1
        assert told.heard == []
