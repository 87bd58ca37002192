# SPDX-License-Identifier: Apache-2.0
"""Processes as an operator sees them: from outside."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Peak:
    """The most memory that any one process held.

    Attributes:
        mib: Its resident memory, in MiB.
    """

    mib: float = 0


@contextmanager
def peak_memory_of_children(*, every: float = 0.02) -> Iterator[Peak]:
    """Watch every process that this one starts, and theirs, until the block ends.

    The kernel remembers the most that a process ever held, so looking now and then is enough.
    Until a child has begun its own program, what is remembered is what this process held.
    """
    peak, stop, mine = Peak(), threading.Event(), _program(os.getpid())

    def watch() -> None:
        while not stop.wait(every):
            for process in _descendants(os.getpid()):
                if _program(process) != mine:
                    peak.mib = max(peak.mib, _most_held(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def _descendants(process: int) -> Iterator[int]:
    with suppress(OSError):
        for listed in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, listed.read_text().split()):
                yield child
                yield from _descendants(child)


def _program(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _most_held(process: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0
