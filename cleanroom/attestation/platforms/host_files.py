# SPDX-License-Identifier: Apache-2.0
"""The few things that a collector does with a machine's file system, below any root.

Kernel interfaces such as configfs answer a ``mkdir`` with files of their own, so
collectors speak to this interface and tests put a faithful fake behind it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from cleanroom.kernel.record import dataclass

MAX_DEVICE_BYTES = 1024 * 1024


class HostFiles(Protocol):
    """A file system with paths from its root, such as ``sys/kernel/config``."""

    def exists(self, path: str) -> bool:
        """Tell whether something is there."""

    def make_directory(self, path: str) -> None:
        """Make one directory; raises OSError."""

    def remove_directory(self, path: str) -> None:
        """Remove one directory; raises OSError."""

    def write(self, path: str, data: bytes) -> None:
        """Write all of it in one call, as kernel attributes want it; raises OSError."""

    def read(self, path: str) -> bytes:
        """Read up to ``MAX_DEVICE_BYTES``; raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFiles:
    """The file system of this machine, or of a directory that looks like one.

    Attributes:
        root: Where ``/`` is.
    """

    root: Path

    def exists(self, path: str) -> bool:
        """Tell whether something is there."""
        return (self.root / path).exists()

    def make_directory(self, path: str) -> None:
        """Make one directory, for its owner alone."""
        (self.root / path).mkdir(mode=0o700)

    def remove_directory(self, path: str) -> None:
        """Remove one directory; configfs takes its own files along."""
        (self.root / path).rmdir()

    def write(self, path: str, data: bytes) -> None:
        """Write all of it in one call."""
        descriptor = os.open(self.root / path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if written != len(data):
            raise OSError(0, "short write")

    def read(self, path: str) -> bytes:
        """Read a file that may not know its size beforehand."""
        with (self.root / path).open("rb", buffering=0) as file:
            pieces = []
            while piece := file.read(MAX_DEVICE_BYTES):
                pieces.append(piece)
                if sum(map(len, pieces)) > MAX_DEVICE_BYTES:
                    raise OSError(0, "endless file")
        return b"".join(pieces)
