# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or absent, and reads that cannot be made huge.

A process can be killed between any two system calls. Writing to a temporary
name in the same directory, syncing and renaming leaves either the old file or the new one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from cleanroom.errors import MalformedError, UnavailableError

_WRONG_PLACE = frozenset({errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS})
_OTHER_PLACE = "name a file in a directory that this user may write to"
_MORE_SPACE = "free some space or choose another directory, then run the command again"

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
PUBLIC_FILE = 0o644


def read_limited(path: Path, *, what: str, limit: int) -> bytes:
    """Read a regular file that must not exceed ``limit`` bytes.

    Raises:
        UnavailableError: The file is absent or cannot be read.
        MalformedError: It is not a regular file, or larger than the limit.
    """
    try:
        data = _read(path, limit=limit)
    except FileNotFoundError:
        raise UnavailableError(
            f"{what}: no such file", code="file.absent", hint="check the path"
        ) from None
    except NotADirectoryError:
        data = None
    except OSError as error:
        raise UnavailableError(
            f"{what}: cannot be read: {os.strerror(error.errno or 0)}",
            code="file.unreadable",
            hint="check its permissions, and those of the directories above it",
        ) from None
    if data is None:
        raise MalformedError(
            f"{what}: not a regular file, agreed one", code="file.kind", hint="name the file itself"
        )
    if len(data) > limit:
        raise MalformedError(
            f"{what}: found larger than {limit} bytes, agreed at most that",
            code="format.oversize",
            hint="check that it is the file that was meant",
        )
    return data


def _read(path: Path, *, limit: int) -> bytes | None:
    # O_NONBLOCK: opening a named pipe must not wait for a writer (T-18).
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, *, mode: int = PUBLIC_FILE) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half.

    Raises:
        UnavailableError: The disk is full, read-only or otherwise refuses.
    """
    write_in_order([{path: data}], mode=mode)


def write_in_order(steps: Sequence[Mapping[Path, bytes]], *, mode: int = PUBLIC_FILE) -> None:
    """Write files of several steps, each whole or absent whatever happens.

    No file of a step gets its name before all files of the earlier steps are on disk under
    theirs. Bytes of all steps are synced before the first name is given, because a disk is
    waited for once for many files where it would be waited for once for each.

    Args:
        steps: What to write; none of them is empty.
        mode: Of every file.

    Raises:
        UnavailableError: The disk is full, read-only or otherwise refuses.
    """
    temporary: dict[Path, Path] = {}
    path = Path()
    try:
        with ExitStack() as opened:
            written: list[BinaryIO] = []
            for path, data in ((path, data) for step in steps for path, data in step.items()):
                temporary[path] = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
                path.parent.mkdir(parents=True, exist_ok=True)
                file = opened.enter_context(_open_new(temporary[path], mode=mode))
                file.write(data)
                file.flush()
                written.append(file)
            for file in written:
                os.fsync(file.fileno())
        for step in steps:
            for path in step:
                temporary[path].replace(path)
            for directory in dict.fromkeys(path.parent for path in step):
                sync_directory(directory)
    except OSError as error:
        # What refused to be written may also refuse to be removed; the first reason counts.
        for left in temporary.values():
            with suppress(OSError):
                left.unlink()
        raise UnavailableError(
            f"{path.name}: cannot be written: {os.strerror(error.errno or 0)}",
            code="file.unwritable",
            hint=_OTHER_PLACE if error.errno in _WRONG_PLACE else _MORE_SPACE,
        ) from None


def _open_new(path: Path, *, mode: int) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")


def sync_directory(directory: Path) -> None:
    """Make a rename durable: sync the directory that holds the name."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
