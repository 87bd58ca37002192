# SPDX-License-Identifier: Apache-2.0
"""Receivers hear of every event, signed, and a hub cannot be sent where it must not go."""

import base64
import json
import socket

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.envelope.http_signature import content_digest, signature_base
from cleanroom.errors import CleanroomError, MalformedError, RefusedError, UnavailableError
from cleanroom.hub.hub import Hub
from cleanroom.hub.index import RoomIndex
from cleanroom.hub.webhooks import MAX_DELAY_SECONDS, MAX_WEBHOOKS
from cleanroom.server.certificate import open_certificate
from cleanroom.server.public_address import address_to_ask, system_resolve
from cleanroom.server.webhook_sender import (
    COMPONENTS,
    TAG,
    WebhookSender,
    key_name,
    open_webhook_key,
)
from tests.support.brokers import TickingClock
from tests.support.host_certificates import host_certificate
from tests.support.room_documents import build_room
from tests.support.served_hub import QUOTA, ROOM, admit, files_of, put_files
from tests.support.webhook_receiver import receiver

DOCUMENTS = build_room()
CONTRACT = {"contract.toml": files_of(DOCUMENTS.files())["contract.toml"]}
KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def hub(tmp_path, clock):
    admit(tmp_path / "hub", ROOM, *DOCUMENTS.parties.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=clock) as opened:
        yield opened


def enter(hub, url, *, private=True):
    """Enter a receiver, as the operator does beside the hub."""
    index = RoomIndex(hub.home.parent / "rooms" / ROOM)
    with index.changing() as change:
        change.add_webhook(url, private=private)
    index.close()


def hook(hub):
    """Return the room's only receiver."""
    (found,) = hub.room(ROOM)._index.webhooks()  # noqa: SLF001 - what the disk remembers
    return found


def sender(hub, clock, **knobs):
    """Make what tells."""
    return WebhookSender(hub, key=KEY, clock=clock, **knobs)


def verify(url, fields, body):
    """Verify a delivery as any RFC 9421 library would."""
    params = fields["signature-input"].removeprefix("cleanroom=")
    signature = base64.b64decode(fields["signature"].removeprefix("cleanroom=:").rstrip(":"))
    path = "/" + url.split("/", 3)[3]
    values = ("POST", fields["host"], path, content_digest(body), fields["content-type"])
    base = signature_base(zip(COMPONENTS, values, strict=True), params)
    KEY.public_key().verify(signature, base)
    assert fields["content-digest"] == content_digest(body)
    return params


def test_a_receiver_is_told_once_and_knows_the_hub(hub, clock):
    with receiver() as told:
        enter(hub, told.url)
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        tells = sender(hub, clock)
        tells.tell_due()
        tells.tell_due()
    ((path, fields, body),) = told.heard
    assert path == "/told"
    params = verify(told.url, fields, body)
    assert f'keyid="{key_name(KEY)}"' in params
    assert f'tag="{TAG}"' in params
    assert f"created={int(clock().timestamp())};" in params
    said = json.loads(body)
    assert (said["room"], said["gap"]) == (ROOM, False)
    assert [(event["number"], event["subject"]) for event in said["events"]] == [
        (1, "contract.toml")
    ]
    # Content is nowhere.
    assert CONTRACT["contract.toml"][:200] not in body


def test_a_delivery_that_was_changed_is_not_the_hubs(hub, clock):
    with receiver() as told:
        enter(hub, told.url)
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        sender(hub, clock).tell_due()
    ((_, fields, body),) = told.heard
    with pytest.raises(InvalidSignature):
        verify(told.url, fields, body.replace(b"contract.toml", b"contract.tomb"))
    with pytest.raises(InvalidSignature):
        verify(told.url.replace("/told", "/elsewhere"), fields, body)


def test_what_was_not_taken_is_told_again_later_each_time(hub, clock):
    with receiver() as told:
        told.status = 500
        enter(hub, told.url)
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        tells, waits = sender(hub, clock), []
        for _ in range(4):
            before = int(clock().timestamp())
            tells.tell_due()
            waits.append(hook(hub).due - before)
            tells.tell_due()
            clock.advance(seconds=waits[-1])
        assert waits == [1, 2, 4, 8]
        assert hook(hub).after == 0
        told.status = 200
        tells.tell_due()
    assert len(told.heard) == 5
    assert hook(hub).after == 1
    assert hook(hub).failures == 0
    assert max(waits) < MAX_DELAY_SECONDS


def test_a_redirect_is_followed_nowhere(hub, clock):
    with receiver() as told, receiver() as inner:
        told.status, told.location = 302, inner.url
        enter(hub, told.url)
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        sender(hub, clock).tell_due()
    assert len(told.heard) == 1
    assert inner.heard == []
    assert hook(hub).failures == 1


def test_a_receiver_that_says_nothing_is_left_in_time(hub, clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        enter(hub, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        sender(hub, clock, within=0.2).tell_due()
    assert hook(hub).failures == 1


def test_a_receiver_with_a_certificate_is_asked_by_the_address_that_was_judged(
    hub, clock, tmp_path
):
    vouched = host_certificate(tmp_path)
    with receiver(open_certificate(vouched.files)) as told:
        enter(hub, told.url)
        put_files(hub.room(ROOM), "hospital", CONTRACT)
        sender(hub, clock).tell_due()  # the system vouches for nobody here
        assert told.heard == []
        clock.advance(seconds=1)
        sender(hub, clock, authorities=vouched.authorities).tell_due()
        assert len(told.heard) == 1


def test_public_addresses_are_asked():
    for address in ("1.1.1.1", "2606:4700:4700::1111"):
        found = address_to_ask("x.example", 443, private=False, resolve=lambda *_, a=address: [a])
        assert str(found) == address
    with pytest.raises(UnavailableError):
        address_to_ask("x.example", 443, private=True, resolve=lambda *_: [])
    with pytest.raises(UnavailableError, match="^webhook: no such host"):
        system_resolve("nobody.invalid", 443)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://example.org/x", RefusedError),
        ("https://user:secret@example.org/", MalformedError),
        ("https://example.org/?token=x", MalformedError),
        ("https://example.org/#x", MalformedError),
        ("ftp://example.org/", MalformedError),
        ("https:///x", MalformedError),
        ("https://example.org:99999/", MalformedError),
        ("https://" + "a" * 600, MalformedError),
        ("https://example.org/\r\nhost: x", MalformedError),
    ],
)
def test_an_address_that_is_none_is_refused(hub, url, kind):
    with pytest.raises(kind, match="^webhook"):
        enter(hub, url, private=False)
    assert hub.room(ROOM).webhooks_due() == []


def test_a_room_has_few_receivers_and_they_can_go(hub):
    for number in range(MAX_WEBHOOKS):
        enter(hub, f"https://example.org/{number}")
    with pytest.raises(RefusedError):
        enter(hub, "https://example.org/more")
    enter(hub, "https://example.org/1")
    index = RoomIndex(hub.home.parent / "rooms" / ROOM)
    with index.changing() as change:
        change.remove_webhook("https://example.org/1")
    with pytest.raises(CleanroomError, match="^webhook: none"), index.changing() as change:
        change.remove_webhook("https://example.org/1")
    index.close()


def test_the_key_is_made_once_for_the_hub_alone(hub):
    first = open_webhook_key(hub.home)
    assert key_name(first) == key_name(open_webhook_key(hub.home))
    path = hub.home / "webhook.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(RefusedError):
        open_webhook_key(hub.home)
