# SPDX-License-Identifier: Apache-2.0
"""Attempts on files: other people's, the runner's, the installation, the disk itself."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

from cleanroom.runner.sandbox.escapes.world import SECRET, World, attempts
from cleanroom.runner.sandbox.kernel import libc

_DISKS = ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/xvda", "/dev/mem")
_HANDLE_BYTES = 128


def _reads(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - one call, so that one thing is tried
        return bool(file.read(1))


def _writes(path: str) -> bool:
    with open(path, "wb") as file:  # noqa: PTH123 - likewise
        file.write(b"reached")
    Path(path).unlink()
    return True


def _lists(path: str) -> bool:
    with os.scandir(path) as entries:
        return any(entries)


def _environment(process: str) -> bool:
    return _reads(f"/proc/{process}/environ")


def _runner_memory(world: World) -> bool:
    with open(f"/proc/{world.runner}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - likewise
        memory.seek(world.secret_address)
        return memory.read(len(SECRET)) == SECRET.encode()


def _tamper(_: World) -> bool:
    with open(ctypes.__file__, "r+b") as file:  # noqa: PTH123 - opened for writing, and left alone
        return file.writable()


def _raw_disk(_: World) -> bool:
    return any(_reads(disk) for disk in _DISKS if Path(disk).exists())


def _make_device(world: World) -> bool:
    place = f"{world.directory}/device"
    os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    Path(place).unlink()
    return True


def _link(world: World) -> bool:
    place = f"{world.directory}/hard-link"
    os.link(world.secret_file, place)
    Path(place).unlink()
    return True


def _symbolic_link(world: World) -> bool:
    place = f"{world.directory}/symbolic-link"
    Path(place).symlink_to("/")
    Path(place).unlink()
    return True


def _rename(world: World) -> bool:
    place = Path(world.directory) / "renamed"
    place.mkdir()
    place.rename(f"{place}-again").rmdir()
    return True


def _change_mode(world: World) -> bool:
    os.chmod(world.secret_file, 0o644)  # noqa: PTH101 - one call
    return True


def _reopen(world: World) -> bool:
    handle = os.open(world.secret_file, os.O_PATH)
    return _reads(f"/proc/self/fd/{handle}")


def _by_handle(world: World) -> bool:
    class Handle(ctypes.Structure):
        _fields_ = (
            ("bytes", ctypes.c_uint),
            ("type", ctypes.c_int),
            ("handle", ctypes.c_char * _HANDLE_BYTES),
        )

    handle, mount = Handle(_HANDLE_BYTES), ctypes.c_int()
    named = libc().name_to_handle_at(
        -100, world.secret_file.encode(), ctypes.byref(handle), ctypes.byref(mount), 0
    )
    place = os.open(world.directory, os.O_RDONLY)
    return named == 0 and bool(libc().open_by_handle_at(place, ctypes.byref(handle), 0) >= 0)


def _runner_files(world: World) -> bool:
    return _lists(f"/proc/{world.runner}/fd")


def _where_it_leads(world: World) -> bool:
    return bool(Path(f"/proc/{world.runner}/fd/{world.secret_descriptor}").readlink())


def _program(world: World) -> bool:
    return bool(Path(f"/proc/{world.runner}/exe").readlink())


def _attributes(_: World) -> bool:
    return os.listxattr(ctypes.__file__) is not None


def _change_times(world: World) -> bool:
    os.utime(world.secret_file)
    return True


def _change_owner(world: World) -> bool:
    os.chown(world.secret_file, -1, -1)
    return True


def _cut(world: World) -> bool:
    os.truncate(world.secret_file, len(SECRET))  # to the length that it has
    return True


def _move(world: World) -> bool:
    os.chdir(world.directory)
    return True


FILES = attempts(
    "files",
    ("read /etc/passwd", lambda _: _reads("/etc/passwd")),
    ("read a file that everybody can read", lambda world: _reads(world.secret_file)),
    ("list the root directory", lambda _: _lists("/")),
    ("read the runner's environment", lambda world: _environment(str(world.runner))),
    ("read the first process's environment", lambda _: _environment("1")),
    ("read the runner's memory as a file", _runner_memory),
    ("list the runner's open files", _runner_files),
    ("read the system's own tables", lambda _: _reads("/proc/mounts")),
    ("write to /tmp", lambda _: _writes(f"/tmp/cleanroom-{os.getpid()}")),  # noqa: S108 - tried
    ("write to /dev/shm", lambda _: _writes(f"/dev/shm/cleanroom-{os.getpid()}")),  # noqa: S108
    ("write to /var/tmp", lambda _: _writes(f"/var/tmp/cleanroom-{os.getpid()}")),  # noqa: S108
    ("write where it stands", lambda _: _writes(f"cleanroom-{os.getpid()}")),
    ("write where everybody may", lambda world: _writes(f"{world.directory}/written")),
    ("change the installation", _tamper),
    ("read the raw disk", _raw_disk),
    ("make a device", _make_device),
    ("make a hard link", _link),
    ("make a symbolic link", _symbolic_link),
    ("make and rename a directory", _rename),
    ("change the mode of a file", _change_mode),
    ("change the times of a file", _change_times),
    ("change the owner of a file", _change_owner),
    ("cut a file by its name", _cut),
    ("stand somewhere else", _move),
    ("list attributes of a file", _attributes),
    ("see where an open file of the runner leads", _where_it_leads),
    ("see which program the runner is", _program),
    ("open by path, then through /proc", _reopen),
    ("open by handle instead of name", _by_handle),
)
