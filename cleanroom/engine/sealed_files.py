# SPDX-License-Identifier: Apache-2.0
"""Sealed parts as files that DuckDB reads: verified bytes, read-only, nothing else.

DuckDB turns an exception into text and may try again elsewhere. The first error
of a part is therefore kept here, and the query fails by it whatever DuckDB made of it.
"""

from __future__ import annotations

import datetime as dt
import io
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from cleanroom.engine.file_system import AbstractFileSystem
from cleanroom.errors import CleanroomError

PROTOCOL = "sealed"

# DuckDB asks when a file changed, to trust what it cached; a part never changes.
_UNCHANGED = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class RandomAccess(Protocol):
    """Verified bytes that can be read at any place, from any thread."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read verified bytes; raises IntegrityError rather than give others."""


class SealedFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A read-only file system that holds the parts of one query and no other file.

    Attributes:
        failure: The first error that reading a part raised.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, parts: Mapping[str, RandomAccess]) -> None:
        """Offer each part under its path."""
        super().__init__()
        self._parts = dict(parts)
        self._lock = threading.Lock()
        self.failure: CleanroomError | None = None

    def open(self, path: str, mode: str = "rb", **_: Any) -> _SealedFile:  # noqa: ANN401 - fsspec's
        """Open a part for reading."""
        if mode != "rb":
            raise PermissionError("sealed parts are read-only")
        return _SealedFile(self, self._part(path))

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401 - fsspec's
        """Match exact paths only."""
        return [path] if path in self._parts else []

    def exists(self, path: str, **_: Any) -> bool:  # noqa: ANN401 - fsspec's
        """Tell whether a part has this path."""
        return path in self._parts

    isfile = exists

    def isdir(self, path: str) -> bool:  # noqa: ARG002 - fsspec's interface
        """Say that there are no directories to list."""
        return False

    def size(self, path: str) -> int:
        """Length of a part's plaintext."""
        return self._part(path).size

    def modified(self, path: str) -> dt.datetime:  # noqa: ARG002 - fsspec's interface
        """Say that parts never change."""
        return _UNCHANGED

    def record(self, failure: CleanroomError) -> None:
        """Keep the first failure of any thread."""
        with self._lock:
            self.failure = self.failure or failure

    def _part(self, path: str) -> RandomAccess:
        # DuckDB asks for open files by the path that it opened them with.
        if path not in self._parts:
            raise FileNotFoundError("no such sealed part")
        return self._parts[path]


class _SealedFile:
    """An open part with a position of its own for every thread.

    DuckDB shares one file between its threads and seeks before it reads; another
    thread may run between the two calls.
    """

    def __init__(self, files: SealedFiles, part: RandomAccess) -> None:
        self._files = files
        self._part = part
        self._place = threading.local()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._part.size}
        self._place.position = base[whence] + offset
        return base[whence] + offset

    def tell(self) -> int:
        position: int = getattr(self._place, "position", 0)
        return position

    def read(self, length: int = -1) -> bytes:
        position = self.tell()
        wanted = self._part.size - position if length < 0 else length
        try:
            data = self._part.read_at(position, wanted)
        except CleanroomError as error:
            self._files.record(error)
            raise
        self._place.position = position + len(data)
        return data

    def close(self) -> None:
        """Keep the part open: whoever opened it closes it."""
