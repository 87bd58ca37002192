# SPDX-License-Identifier: Apache-2.0
"""T-06: a party's last word outranks all its words before, whatever its clock said then."""

import pytest

from cleanroom.contract import places
from cleanroom.contract.deciding import next_sequence
from tests.support.room_documents import NOW, QUERY, build_room

ROOM = build_room()
PARTY = ROOM.parties["hospital"].document
PLACE = places.approval_file(QUERY, "hospital")
SECONDS = int(NOW.timestamp())


@pytest.fixture
def room(tmp_path):
    return ROOM.write(tmp_path / "room")


def put(room, file):
    room.publish(PLACE, file.data, file.signatures)


def number(room):
    return next_sequence(room, QUERY, party=PARTY, at=NOW)


def test_a_partys_own_clock_numbers_its_decisions(room):
    assert number(room) == SECONDS
    (room.path / PLACE).unlink()
    assert number(room) == SECONDS


@pytest.mark.parametrize("ahead", [0, 1, 10**9])
def test_a_decision_outranks_one_that_was_signed_while_the_clock_ran_ahead(room, ahead):
    put(room, ROOM.approval("hospital", sequence=SECONDS + ahead))
    assert number(room) == SECONDS + ahead + 1


def test_a_number_that_somebody_else_wrote_counts_for_nothing(room):
    put(room, ROOM.approval("hospital", sequence=2**53 - 1))
    for signature in (room.path / f"{PLACE}.sig").iterdir():
        signature.write_bytes((room.path / f"{places.CONTRACT}.sig/insurer.sig").read_bytes())
    assert number(room) == SECONDS
