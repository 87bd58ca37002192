# SPDX-License-Identifier: Apache-2.0
"""Events of a hub's room, heard over HTTP by its parties and by nobody else."""

import contextlib
import itertools
from types import SimpleNamespace

import httpx2
import pytest

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.hub.events import Event, EventKind
from cleanroom.hub.wire import Change
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.events import Position, follow
from cleanroom.server.hub_events import MAX_STREAMS
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.room_documents import build_room
from tests.support.served_brokers import caller_of
from tests.support.served_hub import ROOM, content_of, files_of, served_hub

DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())
HOSPITAL, INSURER = DOCUMENTS.parties["hospital"], DOCUMENTS.parties["insurer"]
STRANGER = throwaway_party("registry")
PLACE = "contract.toml"
CONTENT = b"what a document says"


@pytest.fixture
def hub(tmp_path):
    rooms = {ROOM: (HOSPITAL, INSURER), "other": (STRANGER,)}
    with served_hub(tmp_path / "hub", TickingClock(), rooms=rooms) as opened:
        yield opened


def put(hub, place=PLACE, data=CONTENT, *, previous=None):
    """Put a file into the room."""
    with hub.client(HOSPITAL) as client:
        client.put(Digest.of(data), data)
        before = None if previous is None else Digest.of(previous)
        client.change([Change(place=place, previous=before, content=content_of(data))])


def hear(hub, after, most, *, party=INSURER):
    """Hear so much of a stream."""
    with hub.client(party) as client:
        return list(itertools.islice(follow(client, after=after), most))


def test_a_party_hears_what_another_does_by_name_and_digest(hub):
    with hub.client(INSURER) as client:
        stream = follow(client)
        assert next(stream) == Position(after=0, gap=False)
        put(hub)
        event = next(stream)
        stream.close()
    assert (event.kind, event.subject) == (EventKind.CONTRACT, PLACE)
    assert event.digest == Digest.of(CONTENT)


def test_whoever_comes_back_misses_nothing_and_hears_nothing_twice(hub):
    versions = [b"one", b"two", b"three"]
    for before, data in zip([None, *versions], versions, strict=False):
        put(hub, data=data, previous=before)
    start, first, second, third = hear(hub, 0, 4)
    assert start == Position(after=0, gap=False)
    assert [event.number for event in (first, second, third)] == [1, 2, 3]
    assert hear(hub, 2, 2)[1] == third


def test_a_hub_that_went_back_says_so(hub):
    put(hub)
    assert hear(hub, 7, 2) == [Position(after=7, gap=False), Position(after=1, gap=True)]


def test_a_stream_ends_when_the_contract_changes(hub):
    """Who is let in may have changed: the next request is judged anew."""
    put(hub)
    with hub.client(INSURER) as client:
        assert [type(item) for item in follow(client, after=0)] == [Position, Event]


def test_only_parties_of_the_room_hear_it(hub):
    with pytest.raises(CleanroomError) as refused:
        hear(hub, 0, 1, party=STRANGER)
    assert refused.value.code == "request.party-unknown"
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.get(f"/v0/rooms/{ROOM}/events")
    assert decode_failure(answer.content).error.code == "request.unsigned"


@pytest.mark.parametrize("number", ["-1", "x", "", "9" * 16, "\uff11"])
def test_a_number_that_is_none_is_refused(hub, number):
    path = f"/v0/rooms/{ROOM}/events"
    target = RequestTarget(method="GET", authority=hub.address.removeprefix("http://"), path=path)
    caller = caller_of(INSURER, hub.clock)
    fields = caller.sign(target, b"", nonce="n" * 22, at=hub.clock())
    fields["last-event-id"] = number.encode()
    with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
        answer = wire.get(path, headers=fields)
    assert decode_failure(answer.content).error.code == "hub.event-number"


def test_one_party_cannot_hold_every_connection(hub):
    with hub.client(HOSPITAL) as one, hub.client(INSURER) as other:
        streams = [follow(one) for _ in range(MAX_STREAMS)]
        for stream in streams:
            next(stream)
        with pytest.raises(UnavailableError) as refused:
            next(follow(one))
        assert refused.value.code == "hub.at-once"
        last = follow(other)
        assert isinstance(next(last), Position)
        for stream in (*streams, last):
            stream.close()


def lines(*texts):
    """Make what a hub may send."""

    said = contextlib.nullcontext(iter([line.encode() for line in texts]))
    return SimpleNamespace(lines=lambda _path, **_: said)


GOOD = (
    'data: {"at":"2026-01-01T00:00:00Z","digest":"","format":"cleanroom.hub-event.v0",'
    '"kind":"run","number":3,"room":"r","subject":"runs/x"}'
)


@pytest.mark.parametrize(
    "said",
    [
        ("event: run", "data: {}", ""),
        ("event: run", "data: []", ""),
        ("event: run", GOOD.replace("run", "rum", 1), ""),
        ("event: run", GOOD.replace("runs/x", "../x"), ""),
        ("event: run", GOOD, GOOD, ""),
        ("event: run", GOOD.replace("00Z", "00Z\\u001b[2J"), ""),
        ("retry: 1", ""),
        ("event: run", GOOD, "", "event: run", GOOD, ""),
    ],
)
def test_whatever_a_hub_says_is_an_event_or_an_error(said):
    with pytest.raises(MalformedError, match="^hub event"):
        list(follow(lines(*said)))


def test_comments_are_nothing():
    (event,) = follow(lines(":", "", "id: 3", "event: run", GOOD, ""))
    assert event.number == 3
