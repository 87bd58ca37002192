# SPDX-License-Identifier: Apache-2.0
"""T-01, T-18: the operator of a shared room plants links and pipes to reach other files."""

from __future__ import annotations

import os

import pytest

from cleanroom.contract import places
from cleanroom.errors import MalformedError
from tests.support.room_documents import LINEAGES, QUERY, RUN, build_room

ROOM = build_room()
PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----"
PLACES = [
    places.CONTRACT,
    places.party_file("hospital"),
    places.policy_file(LINEAGES[0]),
    places.dataset_file(LINEAGES[0]),
    places.query_file(QUERY),
    places.code_file(QUERY, "query.sql"),
    places.approval_file(QUERY, "hospital"),
    places.run_file(RUN),
    places.signature_file(places.CONTRACT, "hospital"),
]


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "id_ed25519").write_bytes(PRIVATE)
    return home


@pytest.mark.parametrize("place", PLACES)
def test_no_link_makes_us_send_a_private_file(tmp_path, home, place):
    room = ROOM.write(tmp_path / "room")
    target = tmp_path / "room" / place
    target.unlink()
    target.symlink_to(home / "id_ed25519")
    with pytest.raises(MalformedError) as refused:
        room.load_run_bundle(RUN)
    assert refused.value.code == "room.link"
    assert refused.value.message.startswith(place)


@pytest.mark.parametrize("place", PLACES)
def test_no_linked_directory_makes_us_write_elsewhere(tmp_path, home, place):
    room = ROOM.write(tmp_path / "room")
    directory = (tmp_path / "room" / place).parent
    if directory == tmp_path / "room":
        return
    directory.rename(tmp_path / "moved")
    directory.symlink_to(home)
    with pytest.raises(MalformedError) as refused:
        room.publish(place, b"anything", {})
    assert refused.value.code == "room.link"
    assert [path.name for path in home.iterdir()] == ["id_ed25519"]


@pytest.mark.parametrize("place", PLACES)
def test_no_pipe_makes_us_wait(tmp_path, place):
    room = ROOM.write(tmp_path / "room")
    target = tmp_path / "room" / place
    target.unlink()
    os.mkfifo(target)
    with pytest.raises(MalformedError, match=f"^{place}: found something else"):
        room.load_run_bundle(RUN)


def test_no_linked_archive_makes_us_write_elsewhere(tmp_path, home):
    room = ROOM.write(tmp_path / "room")
    (tmp_path / "room/archive").symlink_to(home)
    with pytest.raises(MalformedError):
        room.publish(places.CONTRACT, b"new bytes", {})
    assert [path.name for path in home.iterdir()] == ["id_ed25519"]
    kept = (room.path / places.CONTRACT).read_bytes()
    assert kept == ROOM.bundle.agreement.contract.data
