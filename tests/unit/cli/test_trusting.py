# SPDX-License-Identifier: Apache-2.0
"""Whoever has no profile trusts what the parties told, and nothing that the room says (T-17)."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.kernel.digest import Digest
from tests.support.command_line import Party
from tests.support.room_documents import PARTIES, build_room

ROOM = build_room()
FIRST, SECOND = PARTIES


@pytest.fixture
def room(tmp_path: Path) -> RoomDirectory:
    return ROOM.write(tmp_path / "room")


def fingerprint(room: RoomDirectory, party: str) -> str:
    return str(Digest.of(room.load(places.party_file(party)).data))


def pins(pairs: dict[str, str]) -> list[str]:
    return [word for pair in pairs.items() for word in ("--pin", "=".join(pair))]


def test_every_fingerprint_under_its_own_name_proves_identities(room, tmp_path) -> None:
    auditor = Party(name="auditor", home=tmp_path / "auditor").settle()
    first, second = fingerprint(room, FIRST), fingerprint(room, SECOND)
    verify = ("contract", "verify", "--room", room.path)
    assert auditor.succeeds(*verify, *pins({FIRST: first, SECOND: second}))["verified"]
    for told, status, code in (
        ({FIRST: first}, 3, "identity.unproven"),
        ({FIRST: second, SECOND: first}, 5, "room.other-bytes"),
        ({FIRST: first, SECOND: f"sha256:{64 * '0'}"}, 5, "room.other-bytes"),
        ({FIRST: first, "../evil": second}, 4, "party.name"),
    ):
        done = auditor.refused(*verify, *pins(told))
        assert (done.status, done.code) == (status, code)


def test_the_document_of_another_party_in_a_partys_place_is_refused(room, tmp_path) -> None:
    auditor = Party(name="auditor", home=tmp_path / "auditor").settle()
    second = fingerprint(room, SECOND)
    document = room.path / places.party_file(SECOND)
    document.with_name(f"{FIRST}.toml").write_bytes(document.read_bytes())
    told = pins({FIRST: second, SECOND: second})
    done = auditor.refused("contract", "verify", "--room", room.path, *told)
    assert (done.status, done.code) == (5, "pins.name")


def test_two_kinds_of_trust_are_not_mixed(room, tmp_path) -> None:
    auditor = Party(name="auditor", home=tmp_path / "auditor").settle()
    told = pins({FIRST: fingerprint(room, FIRST)})
    contract = ("--contract", f"sha256:{64 * '0'}")
    done = auditor.refused("contract", "verify", "--room", room.path, *told, *contract)
    assert (done.status, done.code) == (2, "usage")
