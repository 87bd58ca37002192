# SPDX-License-Identifier: Apache-2.0
"""T-26: somebody asks a hub for another room's objects, fills it up, or keeps others out.

The hub is the product's, served over TCP. The attacker is a party of one of its
rooms, or nobody at all.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket

import httpx2
import pytest

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES, Change, encode_objects
from cleanroom.kernel.digest import Digest
from cleanroom.server.rates import Rate
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.served_brokers import caller_of
from tests.support.served_hub import content_of, served_hub

OWNER, RIVAL = throwaway_party("hospital"), throwaway_party("insurer")
# The same name in another room, and other keys.
NAMESAKE = throwaway_party("hospital", edition=2)
DATA = b"a sealed part"
BODY = encode_objects([Digest.of(DATA)])


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def hub(tmp_path, clock):
    rooms = {"stays": (OWNER,), "premiums": (RIVAL, NAMESAKE)}
    with served_hub(tmp_path / "hub", clock, rooms=rooms) as opened:
        with opened.client(OWNER, room="stays") as owner:
            owner.put(Digest.of(DATA), DATA)
            place = "datasets/hospital.stays/parts/1-0.part"
            owner.change([Change(place=place, previous=None, content=content_of(DATA))])
        yield opened


@contextlib.contextmanager
def refused(code):
    """Expect a refusal by its code."""
    with pytest.raises(CleanroomError) as error:
        yield
    assert error.value.code == code


@pytest.mark.parametrize("attacker", [RIVAL, NAMESAKE], ids=["another party", "a namesake"])
def test_a_party_of_another_room_reaches_nothing(hub, attacker):
    codes = set()
    for ask in (
        lambda client: client.get(Digest.of(DATA)),
        lambda client: client.entries(0),
        lambda client: client.missing([Digest.of(DATA)]),
        lambda client: client.put(Digest.of(b"x"), b"x"),
        lambda client: client.change(
            [Change(place="contract.toml", previous=None, content=content_of(DATA))]
        ),
    ):
        with hub.client(attacker, room="stays") as client, pytest.raises(CleanroomError) as error:
            ask(client)
        codes.add(error.value.code)
    assert codes <= {"request.party-unknown", "signature.foreign-key"}


def test_an_object_of_another_room_is_none_of_this_one(hub):
    """Knowing a digest gives nobody its bytes, and does not tell whether they are there."""
    with hub.client(RIVAL, room="premiums") as client:
        assert client.missing([Digest.of(DATA)]) == (Digest.of(DATA),)
        with refused("hub.no-object"):
            client.get(Digest.of(DATA))
        stolen = Change(
            place="datasets/insurer.premiums/parts/1-0.part",
            previous=None,
            content=content_of(DATA),
        )
        with refused("hub.content"):
            client.change([stolen])


def test_a_request_for_one_room_is_none_for_another(hub):
    """T-17: the room is part of the path, which is signed."""
    target = RequestTarget(
        method="POST",
        authority=hub.address.removeprefix("http://"),
        path="/v0/rooms/premiums/missing",
    )
    fields = caller_of(RIVAL, hub.clock).sign(target, BODY, nonce="n" * 22, at=hub.clock())
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        elsewhere = wire.post("/v0/rooms/stays/missing", content=BODY, headers=fields)
        first = wire.post(target.path, content=BODY, headers=fields)
        # T-05: heard once.
        again = wire.post(target.path, content=BODY, headers=fields)
    assert decode_failure(elsewhere.content).error.code == "request.party-unknown"
    assert first.status_code == httpx2.codes.OK
    assert decode_failure(again.content).error.code == "request.replayed"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "entries/0"),
        ("POST", "entries"),
        ("POST", "missing"),
        ("PUT", "objects/" + "0" * 64),
    ],
)
def test_an_unsigned_request_reaches_nothing(hub, method, path):
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.request(method, f"/v0/rooms/stays/{path}", content=BODY)
    assert decode_failure(answer.content).error.code == "request.unsigned"


def asked(hub, *, body=BODY, age=dt.timedelta(0)):
    """Ask which objects are missing, with a body and at an age that need not be what was signed."""
    target = RequestTarget(
        method="POST",
        authority=hub.address.removeprefix("http://"),
        path="/v0/rooms/stays/missing",
    )
    fields = caller_of(OWNER, hub.clock).sign(target, BODY, nonce="a" * 22, at=hub.clock() - age)
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.post(target.path, content=body, headers=fields)
    return None if answer.is_success else decode_failure(answer.content).error.code


def test_a_request_with_another_body_is_refused(hub):
    assert asked(hub, body=BODY + b" ") == "request.digest"


def test_an_old_request_is_refused(hub):
    # Half an hour is within the life of the request key, and signed all the same.
    assert asked(hub, age=dt.timedelta(minutes=30)) == "request.clock"
    assert asked(hub, age=dt.timedelta(seconds=60)) == "request.expired"
    assert asked(hub) is None


def test_a_huge_object_is_refused_by_its_announcement(hub):
    """Two gigabytes are announced; the answer comes before any of them is read."""
    path = f"/v0/rooms/stays/objects/{Digest.of(DATA).hex}"
    target = RequestTarget(method="PUT", authority=hub.address.removeprefix("http://"), path=path)
    fields = caller_of(OWNER, hub.clock).sign(target, DATA, nonce="h" * 22, at=hub.clock())
    answer = send_raw(hub, path, fields | {"content-length": str(2**31)}, b"")
    assert b" 400 " in answer.splitlines()[0]
    assert b"format.oversize" in answer


def test_a_slow_sender_is_cut_off_and_leaves_nothing(tmp_path, clock):
    rooms, patience = {"stays": (OWNER,)}, dt.timedelta(milliseconds=200)
    with served_hub(tmp_path / "slow", clock, rooms=rooms, patience=patience) as hub:
        path = f"/v0/rooms/stays/objects/{Digest.of(DATA).hex}"
        target = RequestTarget(
            method="PUT", authority=hub.address.removeprefix("http://"), path=path
        )
        fields = caller_of(OWNER, clock).sign(target, DATA, nonce="s" * 22, at=clock())
        answer = send_raw(hub, path, fields | {"content-length": str(len(DATA))}, DATA[:1])
        assert b"hub.slow-request" in answer
        with hub.client(OWNER, room="stays") as client:
            assert client.missing([Digest.of(DATA)]) == (Digest.of(DATA),)
        assert list((hub.directory / "rooms" / "stays" / "incoming").iterdir()) == []


def test_a_party_that_asks_too_often_waits_and_others_do_not(tmp_path, clock):
    rooms = {"stays": (OWNER,), "premiums": (RIVAL,)}
    rate = Rate(per_second=1, burst=4)
    with served_hub(tmp_path / "rate", clock, rooms=rooms, rate=rate, seconds=lambda: 0.0) as hub:
        with hub.client(OWNER, room="stays") as client:
            for _ in range(4):
                client.entries(0)
            with pytest.raises(UnavailableError) as error:
                client.entries(0)
        assert error.value.code == "broker.too-many"


def test_a_party_cannot_fill_the_disk(tmp_path, clock):
    with (
        served_hub(tmp_path / "full", clock, rooms={"stays": (OWNER,)}, quota=OBJECT_BYTES) as hub,
        hub.client(OWNER, room="stays") as client,
    ):
        client.put(Digest.of(DATA), DATA)
        more = b"x" * OBJECT_BYTES
        with refused("hub.quota"):
            client.put(Digest.of(more), more)
        assert client.entries(0).entries == ()


def send_raw(hub, path, fields, body):
    """Send bytes as they are, and return what comes back until the hub closes."""
    host, port = hub.address.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection((host, int(port)), timeout=300) as wire:
        wire.sendall(f"PUT {path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\n".encode() + body)
        answer = b""
        with contextlib.suppress(TimeoutError):
            while piece := wire.recv(65536):
                answer += piece
                if b'"refusal":null}' in answer:
                    break
    return answer
