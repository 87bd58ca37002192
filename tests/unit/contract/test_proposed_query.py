# SPDX-License-Identifier: Apache-2.0
"""What a party puts its name under is genuine by itself, whatever the room holds."""

import pytest

from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.proposed_query import read_query
from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from tests.support.keys import throwaway_party
from tests.support.room_documents import QUERY, build_room

ROOM = build_room()
AGREEMENT = ROOM.agreement()


@pytest.fixture
def room(tmp_path):
    directory = RoomDirectory(path=tmp_path)
    publish(directory, ROOM.bundle.query)
    for name, code in ROOM.bundle.code.items():
        directory.publish(places.code_file(QUERY, name), code, {})
    return directory


def publish(room, file, *, name=QUERY):
    room.publish(places.query_file(name), file.data, file.signatures)


def test_a_genuine_query_is_read(room):
    assert read_query(room, QUERY, agreement=AGREEMENT).digest == ROOM.query_digest


def test_an_absent_query_is_said_to_be_absent(room):
    with pytest.raises(UnavailableError):
        read_query(room, "other", agreement=AGREEMENT)


def test_a_query_under_another_name_is_refused(room):
    publish(room, ROOM.bundle.query, name="other")
    with pytest.raises(IntegrityError) as refused:
        read_query(room, "other", agreement=AGREEMENT)
    assert refused.value.code == "query.name"


def test_an_unsigned_query_is_refused(room):
    (room.path / places.signature_file(places.query_file(QUERY), "insurer")).unlink()
    with pytest.raises(RefusedError, match="signature of insurer: missing"):
        read_query(room, QUERY, agreement=AGREEMENT)


def test_a_query_by_somebody_who_is_no_party_is_refused(room):
    mallory = throwaway_party("mallory")
    foreign = build_room(
        parties={**ROOM.parties, "mallory": mallory},
        contract={"parties": ROOM.contract_terms.parties},
        query={"author": "mallory"},
    )
    publish(room, foreign.bundle.query)
    with pytest.raises(RefusedError, match="author: found 'mallory'") as refused:
        read_query(room, QUERY, agreement=AGREEMENT)
    assert refused.value.code == "query.author"


def test_other_code_than_the_documents_is_refused(room):
    for name, code in ROOM.bundle.code.items():
        room.publish(places.code_file(QUERY, name), code + b" ", {})
        (room.path / places.archive_file(ROOM.query_terms.code[0].digest)).unlink()
    with pytest.raises(IntegrityError, match=r"query\.sql|\.sql"):
        read_query(room, QUERY, agreement=AGREEMENT)
