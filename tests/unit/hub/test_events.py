# SPDX-License-Identifier: Apache-2.0
import dataclasses
import sqlite3

import pytest

from cleanroom.contract import places
from cleanroom.errors import MalformedError, RefusedError
from cleanroom.hub import events
from cleanroom.hub.events import EventKind, kind_of, last_event, publish, read_events
from cleanroom.hub.hub import Hub
from cleanroom.kernel.digest import Digest
from tests.support.brokers import TickingClock
from tests.support.room_documents import NOW, QUERY, RUN, build_room
from tests.support.served_hub import QUOTA, ROOM, admit, files_of, put_files

DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())


@pytest.fixture
def database():
    with sqlite3.connect(":memory:", isolation_level=None) as opened:
        opened.executescript(events.PREPARE)
        opened.execute("BEGIN")
        yield opened
    opened.close()


@pytest.fixture
def room(tmp_path):
    admit(tmp_path / "hub", ROOM, *DOCUMENTS.parties.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as opened:
        yield opened.room(ROOM)


def say(database, times=1, **knobs):
    """Publish some events."""
    for _ in range(times):
        publish(database, kind=EventKind.JOB_QUEUED, subject=RUN, at=NOW, **knobs)


def test_a_change_tells_of_every_document_and_signature_by_name_and_digest(room):
    files = {place: data for place, data in FILES.items() if place.startswith("contract.toml")}
    files = {"contract.toml": files["contract.toml"]}
    put_files(room, "hospital", files)
    (told,) = room.events(0).events
    assert (told.number, told.kind, told.subject) == (1, EventKind.CONTRACT, "contract.toml")
    assert told.digest == Digest.of(files["contract.toml"])


def test_a_change_that_is_refused_tells_nothing(room):
    """An event in the same transaction cannot outlive what it tells of."""
    wrong = {"contract.toml": b"not a contract", "contract.toml.sig/hospital.sig": b"forged"}
    with pytest.raises(MalformedError):
        put_files(room, "hospital", wrong)
    assert room.events(0).events == ()
    assert room.last_event() == 0


def test_what_did_not_change_is_not_told_again(room):
    files = {"contract.toml": FILES["contract.toml"]}
    put_files(room, "hospital", files)
    put_files(room, "hospital", files, previous=FILES)
    assert room.last_event() == 1


def test_events_come_in_order_and_from_where_somebody_was(database):
    say(database, 5)
    assert [event.number for event in read_events(database, after=2).events] == [3, 4, 5]
    assert not read_events(database, after=2).gap
    assert read_events(database, after=5).events == ()


def test_whoever_was_away_too_long_is_told_so(database):
    say(database, 10, kept=3)
    found = read_events(database, after=2)
    assert found.gap
    assert [event.number for event in found.events] == [8, 9, 10]
    assert not read_events(database, after=7).gap


def test_a_number_ahead_of_the_hub_shows_that_the_hub_went_back(database):
    say(database)
    assert read_events(database, after=2).gap


def test_numbers_are_never_given_twice(database):
    say(database, 2)
    database.execute("DELETE FROM event")
    say(database)
    assert last_event(database) == 3


@pytest.mark.parametrize("subject", ["", "../x", "A", "a b", "a\nb", "x" * 257, "=1+1"])
def test_a_subject_is_a_name_and_nothing_else(database, subject):
    with pytest.raises(MalformedError, match="^hub event:"):
        publish(database, kind=EventKind.RESULT, subject=subject, at=NOW)
    assert last_event(database) == 0


def test_an_event_outside_of_a_transaction_is_refused(database):
    database.execute("COMMIT")
    with pytest.raises(RefusedError, match="^hub event: outside"):
        say(database)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("contract.toml", EventKind.CONTRACT),
        ("contract.toml.sig/hospital.sig", EventKind.SIGNATURE),
        (places.query_file(QUERY), EventKind.QUERY),
        (places.approval_file(QUERY, "hospital"), EventKind.APPROVAL),
        (places.run_file(RUN), EventKind.RUN),
        (places.receipt_file(RUN), EventKind.RECEIPT),
        (f"runs/{RUN}/result.sealed", EventKind.RESULT),
        ("datasets/hospital.stays/parts/1-0.part", None),
        ("log/hospital/checkpoint", None),
        ("archive/" + "0" * 64, None),
    ],
)
def test_every_place_has_the_kind_that_somebody_waits_for(place, kind):
    assert kind_of(place) is kind


def test_an_event_is_written_as_names_and_digests(database):
    publish(
        database,
        kind=EventKind.QUERY,
        subject="queries/x/query.toml",
        at=NOW,
        digest=Digest.of(b"x"),
    )
    (event,) = read_events(database, after=0).events
    written = events.event_json(event)
    assert set(written) == {field.name for field in dataclasses.fields(event)}
    assert written["digest"] == str(Digest.of(b"x"))
