# SPDX-License-Identifier: Apache-2.0
"""The pins of a directory, read again whenever anything about it changed.

A broker asks for its owner's pins four times a release, and reading and checking them took
0.2 ms each time. Whether they are as they were is told by the directory and the entries
in it: names, inodes, sizes, modes, owners and the times that the system itself sets.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TypeAlias

from cleanroom.identity.pins import Pins, load_pins
from cleanroom.kernel.clock import Clock, system_clock

# The system writes times in ticks of some milliseconds, some file systems in seconds. What
# changed so recently could change once more and look the same.
SETTLED = dt.timedelta(seconds=5)

# Name, device, inode, mode, owner, size, time of writing, and time of the last change.
_Sign: TypeAlias = tuple[str, int, int, int, int, int, int, int]


class WatchedPins:
    """Reads the pinned party documents of a directory; call it for each request."""

    def __init__(self, directory: Path, *, clock: Clock = system_clock) -> None:
        """Keep the directory; nothing is read yet.

        Args:
            directory: As :func:`~cleanroom.identity.pins.load_pins` takes it.
            clock: The clock by which files are dated.
        """
        self._directory = directory
        self._clock = clock
        self._known: tuple[tuple[_Sign, ...], Pins] | None = None

    def __call__(self) -> Pins:
        """Return the pins as they are now.

        Raises:
            CleanroomError: As :func:`~cleanroom.identity.pins.load_pins`; nothing that was
                known before is used then.
        """
        at = self._clock()
        signs = _signs(self._directory)
        known = self._known
        if known is not None and signs and known[0] == signs:
            return known[1]
        self._known = None
        pins = load_pins(self._directory)
        # What is read after a look is at least as new: the next look tells whether it still is.
        if _is_settled(signs, at=at):
            self._known = signs, pins
        return pins


def _signs(directory: Path) -> tuple[_Sign, ...]:
    """Say what would differ if anything had changed; nothing if that cannot be told."""
    try:
        with os.scandir(directory) as entries:
            found = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
        return tuple(_sign(name, status) for name, status in [("", directory.lstat()), *found])
    except OSError:
        return ()


def _sign(name: str, status: os.stat_result) -> _Sign:
    return (
        name,
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_size,
        status.st_mtime_ns,
        # Nobody but the system sets it, at every change of content, name or mode.
        status.st_ctime_ns,
    )


def _is_settled(signs: tuple[_Sign, ...], *, at: dt.datetime) -> bool:
    before = (at - SETTLED).timestamp() * 1_000_000_000
    return bool(signs) and all(sign[-1] < before for sign in signs)
