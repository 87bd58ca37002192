# SPDX-License-Identifier: Apache-2.0
"""What is shown as signed or approved was signed: by that party, over these bytes (T-09, T-17)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from cleanroom.cli.contracts import Shown, describe
from cleanroom.cli.listing import list_queries, read_query
from cleanroom.cli.standing import named_parties
from cleanroom.contract import places
from cleanroom.contract.document_render import render_query
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import CodeFile
from cleanroom.contract.revocation import RevocationKind
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.command_line import Party
from tests.support.keys import throwaway_party
from tests.support.room_documents import DAY, NOW, PARTIES, QUERY, build_room

ROOM = build_room()
FIRST, SECOND = PARTIES


@pytest.fixture
def room(tmp_path: Path) -> RoomDirectory:
    return ROOM.write(tmp_path / "room")


def spoil(room: RoomDirectory, document: str, signer: str) -> None:
    (room.path / places.signature_file(document, signer)).write_bytes(b"garbage")


def decisions(room: RoomDirectory, *, at: dt.datetime = NOW) -> str:
    (row,) = list_queries(room.path, at=at)
    return row[-1]


def shown(room: RoomDirectory) -> Shown:
    return describe(room.path, Pins(documents={}))


def approve(room: RoomDirectory, file: SignedFile) -> None:
    room.publish(places.approval_file(QUERY, FIRST), file.data, file.signatures)


def test_a_whole_room_is_shown_as_signed_and_approved_by_all(room: RoomDirectory) -> None:
    assert shown(room).signatures == {FIRST: "holds", SECOND: "holds"}
    assert decisions(room) == f"{FIRST}: approve, {SECOND}: approve"
    assert read_query(room.path, QUERY)[0].encode() == ROOM.bundle.query.data


def test_a_file_that_is_no_signature_is_not_shown_as_one(room: RoomDirectory) -> None:
    spoil(room, places.CONTRACT, FIRST)
    (room.path / places.signature_file(places.CONTRACT, SECOND)).unlink()
    assert shown(room).signatures == {FIRST: "does not hold", SECOND: "missing"}


def test_an_edited_contract_is_signed_by_nobody(room: RoomDirectory, tmp_path: Path) -> None:
    path = room.path / places.CONTRACT
    path.write_bytes(path.read_bytes() + b"# edited\n")
    person = Party(name="reader", home=tmp_path / "reader").settle()
    done = person.types("contract", "show", "--room", room.path, "--json")
    assert done.status == IntegrityError.exit_code
    assert done.json["signed_by"] == []
    assert done.json["signatures"] == {FIRST: "does not hold", SECOND: "does not hold"}
    told = person.types("contract", "show", "--room", room.path).out
    assert f"Signed by: nobody\n  {FIRST}: signature does not hold" in told
    assert told.splitlines()[-1].endswith(f"not pinned: {FIRST}, {SECOND}")


def test_what_is_shown_says_whose_keys_it_was_judged_by(room: RoomDirectory) -> None:
    parties = named_parties(room.load_contract_bundle())
    for pinned, said in ((FIRST, f"not pinned: {SECOND}"), (SECOND, f"not pinned: {FIRST}")):
        shown = describe(room.path, Pins(documents={pinned: parties[pinned]}))
        assert shown.judged_by.endswith(said)
    assert (
        describe(room.path, Pins(documents=parties)).judged_by == "the pinned keys of every party"
    )
    # Another document pinned under the same name is not this one's keys.
    crossed = {FIRST: parties[SECOND], SECOND: parties[FIRST]}
    assert describe(room.path, Pins(documents=crossed)).unproven == (FIRST, SECOND)


def test_a_signature_of_a_stranger_is_shown_as_that(room: RoomDirectory) -> None:
    (room.path / places.signature_file(places.CONTRACT, "mallory")).write_bytes(b"any")
    assert shown(room).signatures["mallory"] == "of no party of this contract"


def test_a_changed_query_is_not_shown_and_listed_as_not_signed(room: RoomDirectory) -> None:
    path = room.path / places.query_file(QUERY)
    path.write_bytes(path.read_bytes() + b"# edited\n")
    with pytest.raises(IntegrityError, match="signature of insurer"):
        read_query(room.path, QUERY)
    assert decisions(room).startswith("signature of insurer does not hold, ")
    assert decisions(room).count("does not count: other bytes of the query") == len(PARTIES)


def test_a_query_by_no_party_of_the_contract_is_not_shown(room: RoomDirectory) -> None:
    foreign = build_room(
        parties={**ROOM.parties, "mallory": throwaway_party("mallory")},
        contract={"parties": ROOM.contract_terms.parties},
        query={"author": "mallory"},
    ).bundle.query
    room.publish(places.query_file(QUERY), foreign.data, foreign.signatures)
    with pytest.raises(RefusedError, match="signature of mallory"):
        read_query(room.path, QUERY)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contract": Digest.of(b"superseded")}, "another contract"),
        ({"query": Digest.of(b"another query")}, "other bytes of the query"),
        ({"expires": NOW}, "expired"),
    ],
    ids=["contract", "query", "expiry"],
)
def test_an_approval_that_lapsed_is_listed_as_one_that_does_not_count(
    room: RoomDirectory, changes: dict[str, object], words: str
) -> None:
    approve(room, ROOM.approval(FIRST, **changes))
    assert decisions(room) == (f"{FIRST}: approve (does not count: {words}), {SECOND}: approve")


def test_a_forged_decision_is_listed_as_one_that_does_not_count(room: RoomDirectory) -> None:
    spoil(room, places.approval_file(QUERY, FIRST), FIRST)
    forged = f"{FIRST}: approve (does not count: signature does not hold)"
    assert decisions(room) == f"{forged}, {SECOND}: approve"
    # Another party's approval, genuine as it is, speaks for nobody else.
    other = ROOM.approval(SECOND)
    approve(room, other)
    assert "does not count" in decisions(room)
    (room.path / places.approval_file(QUERY, FIRST)).write_bytes(b"no approval")
    assert decisions(room).startswith(f"{FIRST}: unreadable")


def test_a_withdrawn_query_is_listed_as_withdrawn_if_its_party_signed_that(
    room: RoomDirectory,
) -> None:
    said = ROOM.revocation(FIRST, kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    place = places.revocation_file(FIRST, Digest.of(said.data))
    room.publish(place, said.data, said.signatures)
    assert decisions(room).startswith(f"withdrawn by {FIRST}, ")
    assert "withdrawn" not in decisions(room, at=NOW - 2 * DAY)
    spoil(room, place, FIRST)
    assert "withdrawn" not in decisions(room)


def test_what_approvers_are_shown_moves_no_cursor(tmp_path: Path) -> None:
    """T-09: signed code could hide a part of itself from whoever reads it on a terminal."""
    code = "SELECT 1 -- \x1b[8mhidden\r\u202e\n\tFROM t\r\n".encode()
    terms = dataclasses.replace(
        ROOM.query_terms, code=(CodeFile(file="query.sql", digest=Digest.of(code)),)
    )
    room = ROOM.write(tmp_path / "room")
    signed = ROOM.sign(render_query(terms), kind="query", by=terms.author)
    room.publish(places.query_file(QUERY), signed.data, signed.signatures)
    room.publish(places.code_file(QUERY, "query.sql"), code, {})
    person = Party(name="reader", home=tmp_path / "reader").settle()
    shown = person.types("query", "show", QUERY, "--room", room.path)
    assert shown.status == 0
    assert "SELECT 1 -- \\x1b[8mhidden\\x0d\\x202e\n\tFROM t\n" in shown.out
