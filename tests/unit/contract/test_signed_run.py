# SPDX-License-Identifier: Apache-2.0
"""A run request that anybody would refuse is never signed into a room (T-07, T-12)."""

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.signed_run import publish_run
from cleanroom.contract.signing import SigningParty
from cleanroom.errors import CleanroomError, MalformedError, RefusedError
from tests.support.room_documents import NOW, QUERY, RUN, build_room

ROOM = build_room()
AGREEMENT = ROOM.agreement()
GOOD = ROOM.run_terms.parameters


@pytest.fixture
def room(tmp_path):
    directory = ROOM.write(tmp_path / "room")
    for path in (places.run_file(RUN), places.signature_file(places.run_file(RUN), "insurer")):
        (directory.path / path).unlink()
    return directory


def publish(room: RoomDirectory, *, at: dt.datetime = NOW, **changes):
    terms = dataclasses.replace(ROOM.run_terms, **changes)
    keys = ROOM.parties[terms.submitter]
    party = SigningParty(document=keys.document, signer=keys.unlocked.signer)
    return publish_run(room, terms, agreement=AGREEMENT, party=party, at=at)


def refused(room: RoomDirectory, error: type[CleanroomError], **changes) -> CleanroomError:
    """Refuse a request, and find nothing new in the room."""
    before = sorted(room.path.rglob("*"))
    with pytest.raises(error) as raised:
        publish(room, **changes)
    assert sorted(room.path.rglob("*")) == before
    return raised.value


def test_a_request_that_everybody_accepts_is_signed_and_published(room):
    request = publish(room)
    assert room.load(places.run_file(RUN)).data == request.raw
    assert room.load_run_bundle(RUN) == ROOM.bundle


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parameters": {}}, "run.parameter"),
        ({"parameters": {**GOOD, "more": "x"}}, "run.parameter"),
        ({"parameters": {**GOOD, "born": 1}}, "run.parameter-value"),
        ({"submitter": "hospital"}, "run.submitter"),
        ({"receivers": frozenset({"hospital"})}, "run.receiver"),
        ({"at": ROOM.contract_terms.expires}, "contract.expired"),
    ],
    ids=["no value", "another parameter", "unlisted value", "submitter", "receiver", "too late"],
)
def test_one_wrong_thing_is_refused_and_nothing_is_published(room, changes, code):
    assert refused(room, RefusedError, **changes).code == code


@pytest.mark.parametrize("values", [{"born": "1960"}, {"since": "yesterday"}], ids=["text", "date"])
def test_a_value_of_another_type_is_refused_and_nothing_is_published(room, values):
    refused(room, MalformedError, parameters={**GOOD, **values})


def test_a_query_that_not_everybody_approved_yet_is_refused_and_nothing_is_published(room):
    """T-06: the request would wait in the room for the approval that its owner still refuses."""
    (room.path / places.approval_file(QUERY, "hospital")).unlink()
    assert refused(room, RefusedError).code == "approval.missing"
