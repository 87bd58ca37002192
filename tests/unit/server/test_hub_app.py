# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import socket

import httpx2
import pytest

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES, Change
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.mirror.client import HubClient, split_url
from cleanroom.server.turns import Turns
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.served_brokers import caller_of
from tests.support.served_hub import ROOM, content_of, pieces_of, served_hub

HOSPITAL, INSURER = throwaway_party("hospital"), throwaway_party("insurer")
DATA = b"sealed " * (OBJECT_BYTES // 7 + 1000)
PLACE = "datasets/hospital.stays/parts/1-0.part"
BELOW = f"/v0/rooms/{ROOM}"


@pytest.fixture(scope="module")
def clock():
    return TickingClock()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, clock):
    rooms = {ROOM: (HOSPITAL, INSURER), "other": (INSURER,)}
    with served_hub(tmp_path_factory.mktemp("hub") / "hub", clock, rooms=rooms) as opened:
        yield opened


@pytest.fixture
def client(hub):
    with hub.client(HOSPITAL) as opened:
        yield opened


def signed(hub, method, path, body, *, party=HOSPITAL, nonce="n"):
    """Sign a request as a party."""
    target = RequestTarget(method=method, authority=hub.address.removeprefix("http://"), path=path)
    return caller_of(party, hub.clock).sign(target, body, nonce=nonce * 22, at=hub.clock())


def test_a_part_travels_in_objects_and_comes_back(client, hub):
    content = content_of(DATA)
    first, second = content.objects
    assert client.missing(content.objects) == (first, second)
    client.put(first, pieces_of(DATA)[0])
    # Whoever was cut off asks what is there, and sends the rest.
    assert client.missing(content.objects) == (second,)
    client.put(second, pieces_of(DATA)[1])
    client.put(second, pieces_of(DATA)[1])
    client.change([Change(place=PLACE, previous=None, content=content)])
    with hub.client(INSURER) as other:
        entry = next(entry for entry in other.entries(0).entries if entry.place == PLACE)
        assert entry.content == content
        assert b"".join(other.get(digest) for digest in content.objects) == DATA


def test_an_object_under_another_name_is_refused(client, hub):
    agreed = Digest.of(b"agreed")
    with pytest.raises(IntegrityError) as refused:
        client.send("PUT", f"/objects/{agreed.hex}", b"other", limit=MIB)
    assert refused.value.code == "request.digest"
    # A client signs for the name that it is given; what it sends is compared as well.
    with pytest.raises(IntegrityError) as refused:
        client.put(agreed, b"other")
    assert refused.value.code == "hub.object-digest"
    # Also when the right body was signed for, and another one is sent.
    path, wrong = f"{BELOW}/objects/{agreed.hex}", b"others"
    fields = signed(hub, "PUT", path, b"agreed")
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.put(path, content=wrong, headers=fields)
    assert decode_failure(answer.content).error.code == "hub.object-digest"
    assert client.missing([agreed]) == (agreed,)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/entries/x", b""),
        ("GET", "/entries/9999999999999999", b""),
        ("GET", "/objects/xyz", b""),
        ("POST", "/missing", b"{}"),
        ("POST", "/entries", b"[]"),
        ("POST", "/entries", b'{"format":"cleanroom.hub-changes.v0","changes":[]}'),
        ("PUT", "/objects/" + "A" * 64, b""),
        ("DELETE", "/entries/0", b""),
        ("GET", "/", b""),
    ],
)
def test_malformed_requests_are_refused(hub, method, path, body):
    fields = signed(hub, method, BELOW + path, body, nonce="m")
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.request(method, BELOW + path, content=body, headers=fields)
    failure = decode_failure(answer.content).error
    assert isinstance(failure, MalformedError) or failure.code == "request.replayed"


def test_an_object_over_the_limit_is_refused_before_it_is_sent(hub):
    data = b"x" * (OBJECT_BYTES + 1)
    with hub.client(HOSPITAL) as client, pytest.raises(MalformedError) as refused:
        client.put(Digest.of(data), data)
    assert refused.value.code == "format.oversize"


def test_anybody_may_ask_whether_it_lives(hub):
    assert httpx2.get(f"{hub.address}/v0/live", trust_env=False).json() == {"live": True}


def test_a_party_has_so_many_requests_open():
    turns = Turns(1)
    with turns.take("room", "hospital"):
        with turns.take("room", "insurer"), turns.take("other", "hospital"):
            pass
        with pytest.raises(UnavailableError), turns.take("room", "hospital"):
            raise AssertionError
    with turns.take("room", "hospital"):
        pass


@pytest.mark.parametrize(
    "url", ["hub.example/room", "https://hub.example/", "ftp://hub.example/room", "https:///room"]
)
def test_what_is_no_room_in_a_hub_is_refused(url):
    with pytest.raises(MalformedError):
        split_url(url)


def test_a_hub_may_live_below_a_path():
    assert split_url("https://h.example/hub/room") == ("https://h.example/hub", "room")


def test_a_hub_that_is_not_there_is_said_so(clock):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{ROOM}"
    caller = caller_of(HOSPITAL, clock)
    with (
        HubClient(url, caller=caller, timeout=dt.timedelta(seconds=5)) as client,
        pytest.raises(UnavailableError) as refused,
    ):
        client.entries(0)
    assert refused.value.code == "hub.unreachable"


def test_a_room_of_other_parties_is_as_absent_as_one_that_is_not_there(hub):
    """T-26: nothing tells a stranger which rooms there are."""
    said = []
    for room in ("other", "nowhere"):
        with hub.client(HOSPITAL, room=room) as client, pytest.raises(RefusedError) as refused:
            client.entries(0)
        said.append((refused.value.code, refused.value.message, refused.value.hint))
    assert said[0] == said[1]
