# SPDX-License-Identifier: Apache-2.0
"""A new draft says what it replaces, and nothing of that is lost."""

from __future__ import annotations

import os
from pathlib import Path

from cleanroom.contract import places
from tests.support.command_line import Party
from tests.support.room_documents import PARTIES, build_room

ROOM = build_room()
NEW = ("contract", "new", "--template", "two-party", "--platform", "simulated")


def test_a_new_draft_names_the_contract_that_it_replaces_and_where_it_is(tmp_path: Path) -> None:
    room = ROOM.write(tmp_path / "room")
    person = Party(name="reader", home=tmp_path / "reader").settle()
    replaced = person.succeeds(*NEW, "--room", room.path)["replaced"]
    assert replaced["digest"] == str(ROOM.contract_digest)
    assert replaced["signature_files"] == sorted(PARTIES)
    kept = room.find(places.CONTRACT, ROOM.contract_digest)
    assert kept == ROOM.contract_bundle.contract
    assert (room.path / replaced["path"]).read_bytes() == kept.data


def test_a_draft_waits_for_no_pipe_and_follows_no_link(tmp_path: Path) -> None:
    """T-18: parties' documents in a room are files that anybody may have put there."""
    room = ROOM.write(tmp_path / "room")
    person = Party(name="reader", home=tmp_path / "reader").settle()
    document = room.path / places.party_file("insurer")
    document.unlink()
    os.mkfifo(document)
    assert person.refused(*NEW, "--room", room.path).code == "room.kind"
    document.unlink()
    document.symlink_to(tmp_path / "elsewhere")
    assert person.refused(*NEW, "--room", room.path).code == "room.link"


def test_a_new_draft_says_so_to_a_person_and_nothing_where_nothing_was(tmp_path: Path) -> None:
    room = ROOM.write(tmp_path / "room")
    person = Party(name="reader", home=tmp_path / "reader").settle()
    assert f"replaced {ROOM.contract_digest}" in person.types(*NEW, "--room", room.path).err
    (room.path / places.CONTRACT).unlink()
    assert person.succeeds(*NEW, "--room", room.path)["replaced"] is None
