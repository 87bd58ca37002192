# SPDX-License-Identifier: Apache-2.0
"""Read and write files below a room, and nowhere else.

Others can write into a room. A symbolic link in it could make us send a private
key to a broker as if it were code, or overwrite a file of ours; a named pipe could make
us wait for ever. Every step of a path is opened by itself and must be a real
directory, and the last one a regular file.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.files import PUBLIC_FILE

_STEP = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,127}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = re.compile(r"\.[0-9a-f]{24}\.tmp")
_ABANDONED_AFTER_NS = 3_600 * 10**9  # no document takes an hour to write
_LINK = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})


def read_below(root: Path, relative: str, *, limit: int) -> bytes | None:
    """Read a regular file below a room; ``None`` if there is none of that name.

    Raises:
        MalformedError: The path leaves the room, goes through a link, names
            something other than a regular file, or the file exceeds the limit.
        UnavailableError: It cannot be read.
    """
    *directories, name = _steps(relative)
    try:
        with _directory(root, directories) as parent:
            return _read(os.open(name, _READ, dir_fd=parent), relative, limit=limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(error, relative, "cannot be read") from None


def write_below(root: Path, relative: str, data: bytes) -> None:
    """Write a file below a room so that a crash leaves the old one or the new one.

    Raises:
        MalformedError: The path leaves the room or goes through a link.
        UnavailableError: The disk refuses.
    """
    *directories, name = _steps(relative)
    try:
        with _directory(root, directories, create=True) as parent:
            _replace(parent, name, data)
    except OSError as error:
        raise _failure(error, relative, "cannot be written") from None


def make_below(root: Path, relative: str) -> Path:
    """Make a directory below a room, unless it is there, and return its path.

    Raises:
        MalformedError: The path leaves the room or goes through a link.
        UnavailableError: The disk refuses.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _directory(root, _steps(relative), create=True):
            return root / relative
    except OSError as error:
        raise _failure(error, relative, "cannot be made") from None


def remove_below(root: Path, relative: str) -> None:
    """Remove a file below a room; it may be absent.

    Raises:
        MalformedError: The path leaves the room or goes through a link.
        UnavailableError: The disk refuses.
    """
    *directories, name = _steps(relative)
    try:
        with _directory(root, directories) as parent:
            os.unlink(name, dir_fd=parent)
            os.fsync(parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failure(error, relative, "cannot be removed") from None


def remove_empty_below(root: Path, relative: str) -> None:
    """Remove a directory below a room and those around it, up to the first that holds something.

    Nothing is ever lost by it, and where it cannot be done the directory stays.
    """
    steps = _steps(relative)
    with suppress(OSError):
        for depth in range(len(steps), 0, -1):
            *above, name = steps[:depth]
            with _directory(root, above) as parent:
                os.rmdir(name, dir_fd=parent)


def list_below(root: Path, relative: str) -> tuple[str, ...]:
    """List the names in a directory below a room, sorted; an absent one has none.

    Names that no document can have, such as those of editors, are left out.

    Raises:
        MalformedError: The path leaves the room or goes through a link.
        UnavailableError: It cannot be read.
    """
    try:
        with _directory(root, _steps(relative)) as directory:
            names = os.listdir(directory)  # noqa: PTH208 - of an open directory, not of a path
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _failure(error, relative, "cannot be read") from None
    return tuple(sorted(name for name in names if _STEP.fullmatch(name)))


def _steps(relative: str) -> list[str]:
    # No name starts with a dot, so neither '..' nor a hidden file can be one.
    steps = relative.split("/")
    for step in steps:
        if not _STEP.fullmatch(step):
            raise MalformedError(
                "room: found a path that is no place in a room, agreed names of lower-case "
                "letters, digits, dots and dashes",
                code="room.path",
                hint="documents lie where docs/protocol/room.md says",
            )
    return steps


@contextmanager
def _directory(root: Path, steps: list[str], *, create: bool = False) -> Iterator[int]:
    # Each step is opened relative to the one before, so nobody can swap a
    # directory for a link between looking at it and using it.
    current = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps:
            current = _enter(current, step, create=create)
        yield current
    finally:
        os.close(current)


def _enter(parent: int, step: str, *, create: bool) -> int:
    if create:
        _make(parent, step)
    following = os.open(step, _DIRECTORY, dir_fd=parent)
    os.close(parent)
    return following


def _make(parent: int, step: str) -> None:
    try:
        os.mkdir(step, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _read(descriptor: int, relative: str, *, limit: int) -> bytes:
    with _descriptor(descriptor):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MalformedError(
                f"{relative}: found something else, agreed a regular file",
                code="room.kind",
                hint="a room holds plain files and directories only",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise MalformedError(
            f"{relative}: found more, agreed at most {limit} bytes",
            code="format.oversize",
            hint="no document of this kind is that large; ask its author",
        )
    return data


@contextmanager
def _descriptor(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _replace(parent: int, name: str, data: bytes) -> None:
    temporary = f".{secrets.token_hex(12)}.tmp"
    descriptor = os.open(temporary, _WRITE, PUBLIC_FILE, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(file.fileno()).st_mtime_ns
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(temporary, dir_fd=parent)
        raise
    os.fsync(parent)
    _sweep(parent, before=written - _ABANDONED_AFTER_NS)


def _sweep(parent: int, *, before: int) -> None:
    # What killed writers left. Both times are the file system's, which may be another
    # machine's; a younger file may belong to somebody who is writing now.
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and _modified(entry) < before:
                os.unlink(entry.name, dir_fd=parent)


def _modified(entry: os.DirEntry[str]) -> int:
    return entry.stat(follow_symlinks=False).st_mtime_ns


def _failure(error: OSError, relative: str, words: str) -> MalformedError | UnavailableError:
    if error.errno in _LINK:
        return MalformedError(
            f"{relative}: found a link or file on the way, agreed plain directories",
            code="room.link",
            hint="a room holds no links; replace it with the document itself",
        )
    return UnavailableError(
        f"{relative}: {words}: {os.strerror(error.errno or 0)}",
        code="room.unavailable",
        hint="check the room's path, its rights and the space left, then try again",
    )
