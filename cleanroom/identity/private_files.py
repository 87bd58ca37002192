# SPDX-License-Identifier: Apache-2.0
"""Files that only their owner may read, and directories that appear whole or not at all.

A key file that a group can read is refused, not repaired: whoever could read it
may have done so, and the owner has to know.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.files import PRIVATE_DIRECTORY, PRIVATE_FILE, sync_directory

READABLE_BY_OTHERS = 0o077
WRITABLE_BY_OTHERS = 0o022


def read_private_file(path: Path, *, limit: int, forbidden: int = READABLE_BY_OTHERS) -> bytes:
    """Read a file of ours that nobody else may reach.

    Checks and read use one descriptor, so the file cannot be exchanged between them.

    Args:
        path: The file; its last component must not be a link.
        limit: Largest accepted length in bytes.
        forbidden: Permission bits that must not be set.

    Raises:
        UnavailableError: The file is absent or cannot be read.
        RefusedError: A link, another user's file, or open to others.
        MalformedError: Not a regular file, or too large.
    """
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_status(os.fstat(file.fileno()), path=path, forbidden=forbidden)
            data = file.read(limit + 1)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refuse_link(path) from None
        raise UnavailableError(
            f"{path.name}: cannot be read: {os.strerror(error.errno or 0)}",
            code="file.absent" if isinstance(error, FileNotFoundError) else "file.unreadable",
        ) from None
    if len(data) > limit:
        raise MalformedError(f"{path.name}: larger than {limit} bytes", code="format.oversize")
    return data


def require_private_directory(path: Path, *, forbidden: int = READABLE_BY_OTHERS) -> None:
    """Raise unless this is a directory of ours that nobody else may reach.

    Raises:
        UnavailableError: There is no such directory.
        RefusedError: A link, another user's directory, or open to others.
        MalformedError: Not a directory.
    """
    try:
        status = path.lstat()
    except OSError:
        raise UnavailableError(f"{path.name}: no such directory", code="file.absent") from None
    if stat.S_ISLNK(status.st_mode):
        raise _refuse_link(path)
    if not stat.S_ISDIR(status.st_mode):
        raise MalformedError(f"{path.name}: not a directory", code="file.kind")
    _check_owner(status, path=path, forbidden=forbidden)


@contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; the system drops it when the process dies.

    Raises:
        UnavailableError: Another process holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory / ".lock", flags, PRIVATE_FILE)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def install_directory(target: Path, files: Mapping[str, bytes], *, empty: tuple[str, ...]) -> None:
    """Write a directory of private files so that a crash leaves all of it or nothing.

    Args:
        target: The directory to appear; its parent exists.
        files: Relative path to content.
        empty: Relative paths of directories that start out empty.

    Raises:
        RefusedError: The target is there already.
        UnavailableError: The disk refuses, or another process is at it.
    """
    try:
        with exclusive_lock(target.parent):
            if os.path.lexists(target):
                raise RefusedError(f"{target.name}: exists already", code="file.exists")
            _discard_leftovers(target)
            temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
            try:
                _fill_directory(temporary, files, empty=empty)
                temporary.rename(target)
            except OSError:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            sync_directory(target.parent)
    except OSError as error:
        raise UnavailableError(
            f"{target.name}: cannot be written: {os.strerror(error.errno or 0)}",
            code="file.unwritable",
            hint="free some space or choose another directory, then run the command again",
        ) from None


def make_private_directory(path: Path) -> None:
    """Make a directory that only we may enter, unless it is there.

    Raises:
        UnavailableError: The disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
        path.mkdir(exist_ok=True, mode=PRIVATE_DIRECTORY)
    except OSError as error:
        raise UnavailableError(
            f"{path.name}: cannot be made: {os.strerror(error.errno or 0)}",
            code="file.unwritable",
        ) from None


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnavailableError(
            f"{directory.name}: another command is changing it", code="file.locked"
        ) from None


def _fill_directory(directory: Path, files: Mapping[str, bytes], *, empty: tuple[str, ...]) -> None:
    directory.mkdir(mode=PRIVATE_DIRECTORY)
    wanted = {directory / name for name in empty} | {(directory / name).parent for name in files}
    for folder in sorted(wanted - {directory}):
        folder.mkdir(mode=PRIVATE_DIRECTORY)
    for name, data in files.items():
        write_new_private_file(directory / name, data)
    for folder in wanted | {directory}:
        sync_directory(folder)


def write_new_private_file(path: Path, data: bytes) -> None:
    """Write a file that was not there, for our eyes only, and sync it.

    Raises:
        OSError: The file exists, or the disk refuses; the caller knows which to expect.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _discard_leftovers(target: Path) -> None:
    # A killed process left these; the lock says that it is gone.
    for leftover in target.parent.glob(f".{target.name}.*.new"):
        shutil.rmtree(leftover)


def _check_status(status: os.stat_result, *, path: Path, forbidden: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MalformedError(f"{path.name}: not a regular file", code="file.kind")
    _check_owner(status, path=path, forbidden=forbidden)


def _check_owner(status: os.stat_result, *, path: Path, forbidden: int) -> None:
    if status.st_uid != os.geteuid():
        raise RefusedError(
            f"{path.name}: belongs to another user",
            code="file.owner",
            hint=f"run the command as the user who owns {path}, with sudo -u for example",
        )
    if status.st_mode & forbidden:
        raise RefusedError(
            f"{path.name}: open to other users, mode {stat.S_IMODE(status.st_mode):04o}",
            code="file.mode",
            hint=f"think about who may have read or changed it, then: chmod go= {path}",
        )


def _refuse_link(path: Path) -> RefusedError:
    return RefusedError(
        f"{path.name}: a symbolic link",
        code="file.link",
        hint="name the file itself, so that its owner and mode can be checked",
    )
