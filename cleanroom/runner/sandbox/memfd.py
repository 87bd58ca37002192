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
    descriptor = _create(name)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            write(cast("BinaryIO", file))
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def _create(name: str) -> int:
    with suppress(OSError):  # before Linux 6.3
        return os.memfd_create(name, _FLAGS | _NOEXEC_SEAL)
    return os.memfd_create(name, _FLAGS)
