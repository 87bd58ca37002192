# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from cleanroom.contract.room_files import (
    list_below,
    make_below,
    read_below,
    remove_below,
    remove_empty_below,
    write_below,
)
from cleanroom.errors import MalformedError, UnavailableError

LIMIT = 100


def test_what_is_written_is_read(tmp_path):
    write_below(tmp_path, "a/b/c.toml", b"one")
    write_below(tmp_path, "a/b/c.toml", b"two")
    assert read_below(tmp_path, "a/b/c.toml", limit=LIMIT) == b"two"
    assert (tmp_path / "a/b/c.toml").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.toml"]


def test_what_is_not_there_reads_as_nothing(tmp_path):
    assert read_below(tmp_path, "a/b", limit=LIMIT) is None
    assert read_below(tmp_path / "no-room", "a", limit=LIMIT) is None
    assert list_below(tmp_path, "a") == ()


def test_a_removed_file_is_gone_and_removing_it_again_is_no_error(tmp_path):
    write_below(tmp_path, "a/b", b"one")
    for _ in range(2):
        remove_below(tmp_path, "a/b")
        assert read_below(tmp_path, "a/b", limit=LIMIT) is None


def test_names_are_listed_in_order_and_strange_ones_left_out(tmp_path):
    for name in ("b.toml", "a.toml", ".hidden", "UPPER", "new\nline"):
        (tmp_path / name).write_bytes(b"")
    assert list_below(tmp_path.parent, tmp_path.name) == ("a.toml", "b.toml")


@pytest.mark.parametrize(
    "relative", ["", "..", "../a", "a/../b", "/etc/passwd", "a//b", "./a", "a/", "A", "a\n", "a\0b"]
)
def test_no_path_leaves_the_room(tmp_path, relative):
    (tmp_path / "room").mkdir()
    for act in (
        lambda: read_below(tmp_path / "room", relative, limit=LIMIT),
        lambda: write_below(tmp_path / "room", relative, b"one"),
        lambda: remove_below(tmp_path / "room", relative),
        lambda: list_below(tmp_path / "room", relative),
    ):
        with pytest.raises(MalformedError, match="^room: found a path that is no place"):
            act()
    assert [path.name for path in tmp_path.rglob("*")] == ["room"]


def test_a_file_over_its_limit_is_refused(tmp_path):
    write_below(tmp_path, "a", b"x" * (LIMIT + 1))
    with pytest.raises(MalformedError) as refused:
        read_below(tmp_path, "a", limit=LIMIT)
    assert refused.value.code == "format.oversize"
    assert read_below(tmp_path, "a", limit=LIMIT + 1) is not None


def test_a_linked_file_is_neither_read_nor_written_through(tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    secret = tmp_path / "id_ed25519"
    secret.write_bytes(b"secret")
    (room / "query.sql").symlink_to(secret)
    with pytest.raises(MalformedError) as refused:
        read_below(room, "query.sql", limit=LIMIT)
    assert refused.value.code == "room.link"
    write_below(room, "query.sql", b"new")
    assert secret.read_bytes() == b"secret"
    assert not (room / "query.sql").is_symlink()


def test_a_linked_directory_is_refused_in_every_way(tmp_path):
    room, home = tmp_path / "room", tmp_path / "home"
    room.mkdir()
    home.mkdir()
    (home / "a").write_bytes(b"mine")
    (room / "queries").symlink_to(home)
    for act in (
        lambda: read_below(room, "queries/a", limit=LIMIT),
        lambda: write_below(room, "queries/a", b"theirs"),
        lambda: remove_below(room, "queries/a"),
        lambda: list_below(room, "queries"),
    ):
        with pytest.raises(MalformedError) as refused:
            act()
        assert refused.value.code == "room.link"
    assert (home / "a").read_bytes() == b"mine"


def test_a_file_where_a_directory_belongs_is_refused(tmp_path):
    write_below(tmp_path, "a", b"one")
    with pytest.raises(MalformedError):
        write_below(tmp_path, "a/b", b"two")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_regular_files_are_read(tmp_path, make):
    make(tmp_path / "contract.toml")
    with pytest.raises(MalformedError, match="^contract.toml: found something else"):
        read_below(tmp_path, "contract.toml", limit=LIMIT)


def test_a_room_may_itself_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "room").symlink_to(tmp_path / "real")
    write_below(tmp_path / "room", "a", b"one")
    assert (tmp_path / "real/a").read_bytes() == b"one"


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "contract.toml").mkdir()
    with pytest.raises(UnavailableError, match="^contract.toml: cannot be written: "):
        write_below(tmp_path, "contract.toml", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["contract.toml"]


def test_the_next_write_takes_away_what_a_killed_writer_left_and_nothing_else(tmp_path):
    killed, writing = (tmp_path / f".{digit * 24}.tmp" for digit in "ab")
    others = [tmp_path / name for name in (".mine.tmp", "a.tmp", f".{'c' * 23}.tmp")]
    for path in (killed, writing, *others):
        path.touch()
    now = killed.stat().st_mtime
    for path in (killed, *others):
        os.utime(path, (now, now - 7_200))
    write_below(tmp_path, "contract.toml", b"one")
    assert set(tmp_path.iterdir()) == {writing, *others, tmp_path / "contract.toml"}


def test_a_room_that_is_not_there_cannot_be_written(tmp_path):
    with pytest.raises(UnavailableError) as refused:
        write_below(tmp_path / "no-room", "a", b"one")
    assert str(tmp_path) not in refused.value.message


def test_a_room_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "room").write_bytes(b"a file")
    for act in (
        lambda: read_below(tmp_path / "room", "a", limit=LIMIT),
        lambda: list_below(tmp_path / "room", "a"),
        lambda: remove_below(tmp_path / "room", "a"),
    ):
        with pytest.raises(MalformedError):
            act()


def test_removing_a_directory_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UnavailableError, match="^a: cannot be removed: "):
        remove_below(tmp_path, "a")


def test_a_directory_is_made_once_and_never_through_a_link(tmp_path):
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    for _ in range(2):
        assert make_below(room, "a/b") == room / "a/b"
    assert (room / "a/b").is_dir()
    elsewhere.mkdir()
    (room / "c").symlink_to(elsewhere)
    with pytest.raises(MalformedError) as refused:
        make_below(room, "c/d")
    assert refused.value.code == "room.link"
    assert list(elsewhere.iterdir()) == []


def test_empty_directories_go_up_to_the_first_that_holds_something(tmp_path):
    write_below(tmp_path, "datasets/kept.toml", b"kept")
    (tmp_path / "datasets/a/parts").mkdir(parents=True)
    remove_empty_below(tmp_path, "datasets/a/parts")
    assert [path.name for path in tmp_path.rglob("*")] == ["datasets", "kept.toml"]


def test_empty_directories_go_up_to_the_room_itself(tmp_path):
    (tmp_path / "datasets/a").mkdir(parents=True)
    remove_empty_below(tmp_path, "datasets/a")
    assert not [*tmp_path.iterdir()]


def test_what_is_no_empty_directory_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "room").mkdir()
    (tmp_path / "room/a").symlink_to(tmp_path / "elsewhere")
    remove_empty_below(tmp_path / "room", "a")
    remove_empty_below(tmp_path / "room", "absent/b")
    assert (tmp_path / "elsewhere").is_dir()
    assert (tmp_path / "room/a").is_symlink()
