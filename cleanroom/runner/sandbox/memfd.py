# SPDX-License-Identifier: Apache-2.0
"""Hand a table to a child as memory that nobody can change any more.

The runner writes Arrow IPC into a file in memory, seals it, and lets the child inherit
the descriptor. The child maps it and reads without a copy; seals hold for both sides,
so neither can change a table that the other has checked.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

# linux/memfd.h; the standard library does not know the last one yet.
_NOEXEC_SEAL = 0x0008
_FLAGS = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@contextmanager
def sealed_memory(name: str, write: Callable[[BinaryIO], object]) -> Iterator[int]:
    """Let somebody write into fresh memory, seal it, and give its descriptor for the block.

    Args:
        name: What ``/proc`` shows it as; says nothing about its content.
        write: Called once with the open file.
    """
    with open_memory(name) as descriptor:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            write(cast("BinaryIO", file))
        seal_memory(descriptor)
        yield descriptor


@contextmanager
def open_memory(name: str) -> Iterator[int]:
    """Give fresh memory that a child may write, until :func:`seal_memory`, for the block."""
    descriptor = _create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def copied_memory(descriptor: int) -> Iterator[int]:
    """Give a sealed copy of some memory for the block.

    Two processes that inherit one open file share its position, and whoever moves it tells
    the other something.
    """

    def copy(file: BinaryIO) -> None:
        place, size = 0, os.fstat(descriptor).st_size
        while place < size:
            place += os.sendfile(file.fileno(), descriptor, place, size - place)

    with sealed_memory("copy", copy) as copied:
        yield copied


def seal_memory(descriptor: int) -> None:
    """Make sure that nobody changes this memory any more, whoever holds it.

    Raises:
        OSError: Somebody still has it mapped for writing.
    """
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def _create(name: str) -> int:
    with suppress(OSError):  # before Linux 6.3
        return os.memfd_create(name, _FLAGS | _NOEXEC_SEAL)
    return os.memfd_create(name, _FLAGS)
