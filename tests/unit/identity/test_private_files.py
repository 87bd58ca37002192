# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.identity.private_files import (
    WRITABLE_BY_OTHERS,
    exclusive_lock,
    install_directory,
    make_private_directory,
    read_private_file,
    require_private_directory,
)

FILES = {"top.toml": b"top", "keys/secret": b"secret", "pins/a.toml": b"pin"}

CRASH = """
import os, sys
from pathlib import Path
from cleanroom.identity.private_files import install_directory

left = int(sys.argv[2])

def stop(event, arguments):
    global left
    if event in {"open", "os.mkdir", "os.rename"}:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)

sys.addaudithook(stop)
files = {"top.toml": b"top", "keys/secret": b"secret", "pins/a.toml": b"pin"}
install_directory(Path(sys.argv[1]) / "hospital", files, empty=("broker",))
"""


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_bytes(b"data")
    return path


def test_a_private_file_is_read(secret):
    assert read_private_file(secret, limit=4) == b"data"


def test_a_file_beyond_the_limit_is_refused(secret):
    with pytest.raises(MalformedError, match="^secret: larger than 3 bytes$"):
        read_private_file(secret, limit=3)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_file_open_to_others_is_refused_by_name(secret, mode):
    secret.chmod(mode)
    with pytest.raises(RefusedError, match=f"^secret: open to other users, mode {mode:04o}$") as no:
        read_private_file(secret, limit=4)
    assert str(secret) in no.value.hint


def test_a_readable_file_passes_where_only_writing_is_forbidden(secret):
    secret.chmod(0o644)
    assert read_private_file(secret, limit=4, forbidden=WRITABLE_BY_OTHERS) == b"data"


def test_a_link_is_refused_even_to_a_private_file(secret):
    link = secret.with_name("link")
    link.symlink_to(secret)
    with pytest.raises(RefusedError, match="^link: a symbolic link$"):
        read_private_file(link, limit=4)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(secret):
    os.chown(secret, 12345, -1)
    with pytest.raises(RefusedError, match="^secret: belongs to another user$"):
        read_private_file(secret, limit=4)


def test_a_named_pipe_neither_passes_nor_blocks(tmp_path):
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    with pytest.raises(MalformedError, match="^pipe: not a regular file$"):
        read_private_file(tmp_path / "pipe", limit=4)


def test_a_directory_is_not_a_file(tmp_path):
    with pytest.raises((MalformedError, UnavailableError)):
        read_private_file(tmp_path, limit=4)


def test_an_absent_file_is_told_apart(tmp_path):
    with pytest.raises(UnavailableError, match="^secret: cannot be read") as refusal:
        read_private_file(tmp_path / "secret", limit=4)
    assert refusal.value.code == "file.absent"


def test_an_unreadable_path_is_reported(secret):
    with pytest.raises(UnavailableError) as refusal:
        read_private_file(secret / "below", limit=4)
    assert refusal.value.code == "file.unreadable"


def test_a_directory_open_to_others_is_refused(tmp_path):
    make_private_directory(tmp_path / "home")
    require_private_directory(tmp_path / "home")
    (tmp_path / "home").chmod(0o750)
    with pytest.raises(RefusedError, match="^home: open to other users, mode 0750$"):
        require_private_directory(tmp_path / "home")


def test_a_linked_directory_is_refused(tmp_path):
    make_private_directory(tmp_path / "home")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with pytest.raises(RefusedError, match="^link: a symbolic link$"):
        require_private_directory(tmp_path / "link")


def test_a_file_is_not_a_directory(secret):
    with pytest.raises(MalformedError, match="^secret: not a directory$"):
        require_private_directory(secret)


def test_a_directory_that_cannot_be_made_is_reported(secret):
    with pytest.raises(UnavailableError, match="^below: cannot be made"):
        make_private_directory(secret / "below")


def test_an_installed_directory_is_whole_and_private(tmp_path):
    home = tmp_path / "hospital"
    install_directory(home, FILES, empty=("broker",))
    assert contents(home) == FILES
    assert (home / "broker").is_dir()
    for path in (home, *home.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0


def test_everything_is_on_disk_before_it_appears_and_its_name_after(tmp_path, monkeypatch):
    # A power cut is not a kill: only what was synced survives it. The system's own
    # calls are watched; nothing of the code under test is replaced.
    synced, sync, home = [], os.fsync, tmp_path / "hospital"

    def watch(descriptor):
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), home.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    install_directory(home, FILES, empty=("broker",))
    before = {name.partition(".new")[2] for name, appeared in synced if not appeared}
    assert before == {"", "/keys", "/pins", "/broker", *(f"/{name}" for name in FILES)}
    assert (str(tmp_path), True) in synced


def test_an_existing_directory_is_never_replaced(tmp_path):
    (tmp_path / "hospital").mkdir()
    with pytest.raises(RefusedError, match="^hospital: exists already$"):
        install_directory(tmp_path / "hospital", FILES, empty=())
    assert contents(tmp_path / "hospital") == {}


def test_a_dangling_link_in_its_place_is_never_followed(tmp_path):
    (tmp_path / "hospital").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="^hospital: exists already$"):
        install_directory(tmp_path / "hospital", FILES, empty=())
    assert not (tmp_path / "elsewhere").exists()


def test_a_failed_write_leaves_nothing(tmp_path):
    impossible = FILES | {"x" * 300: b"a name that is too long"}
    with pytest.raises(UnavailableError, match="^hospital: cannot be written"):
        install_directory(tmp_path / "hospital", impossible, empty=())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_writers_do_not_meet(tmp_path):
    with (
        exclusive_lock(tmp_path),
        pytest.raises(UnavailableError, match="another command is changing it"),
    ):
        install_directory(tmp_path / "hospital", FILES, empty=())
    assert not (tmp_path / "hospital").exists()


def test_an_absent_parent_is_reported(tmp_path):
    with pytest.raises(UnavailableError, match="^hospital: cannot be written"):
        install_directory(tmp_path / "absent" / "hospital", FILES, empty=())


@pytest.mark.parametrize("call", range(1, 17))
def test_a_kill_at_any_call_leaves_nothing_or_everything(tmp_path, call):
    command = [sys.executable, "-c", CRASH, str(tmp_path), str(call)]
    status = subprocess.run(command, check=False, capture_output=True).returncode
    home = tmp_path / "hospital"
    if home.exists():
        assert contents(home) == FILES
    if status == 0:
        assert home.exists()
    else:
        assert status == -9
        if not home.exists():
            # The next attempt clears away what the killed one left.
            install_directory(home, FILES, empty=("broker",))
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "hospital"]
