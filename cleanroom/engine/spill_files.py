# SPDX-License-Identifier: Apache-2.0
"""Temporary files as DuckDB wants them, kept as sealed pieces in scratch space.

DuckDB writes whole blocks at multiples of their size and reads them back as it
wrote them, so a file is a table of pieces by offset. Names, sizes and order of
blocks stay in memory; the disk sees pieces that it cannot read.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from cleanroom.engine.file_system import AbstractFileSystem
from cleanroom.errors import CleanroomError

PROTOCOL = "spill"
DIRECTORY = f"{PROTOCOL}://run"

Piece = TypeVar("Piece")


class Scratch(Protocol[Piece]):
    """Scratch space that gives back exactly what it was given, or raises."""

    def write(self, data: bytes) -> Piece:
        """Keep some bytes."""

    def read(self, piece: Piece) -> bytes:
        """Give them back."""

    def free(self, piece: Piece) -> None:
        """Forget them."""


class SpillFiles(AbstractFileSystem, Generic[Piece]):  # type: ignore[misc]  # fsspec has no types
    """A file system of one directory that exists for one query.

    Attributes:
        failure: The first error that writing or reading scratch space raised.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, scratch: Scratch[Piece]) -> None:
        """Keep everything in this scratch space."""
        super().__init__()
        self._scratch = scratch
        self._files: dict[str, dict[int, tuple[int, Piece]]] = {}
        self._lock = threading.Lock()
        self.failure: CleanroomError | None = None

    def open(self, path: str, mode: str = "rb", **_: Any) -> _SpillFile[Piece]:  # noqa: ANN401, ARG002 - fsspec's
        """Open a temporary file, which is made if it is not there."""
        if not path.startswith(DIRECTORY + "/"):
            raise PermissionError("scratch space has one directory")
        with self._lock:
            self._files.setdefault(path, {})
        return _SpillFile(self, path)

    def exists(self, path: str, **_: Any) -> bool:  # noqa: ANN401 - fsspec's
        """Tell whether there is such a file."""
        return self.isfile(path) or self.isdir(path)

    def isfile(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return path in self._files

    def isdir(self, path: str) -> bool:
        """Tell whether this is the one directory."""
        return path.rstrip("/") == DIRECTORY

    def mkdir(self, path: str, **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Accept: the one directory is always there."""

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002, ANN401, ARG002 - fsspec's
        """List nothing: every file in it is this query's own."""
        return []

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401 - fsspec's
        """Match exact paths only."""
        return [path] if path in self._files else []

    def size(self, path: str) -> int:
        """Length to which a file was written."""
        with self._lock:
            return max((end for end in _ends(self._files[path])), default=0)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:  # noqa: FBT001, FBT002, ANN401 - fsspec's
        """Keep everything: DuckDB means to cut a file here and does not say where."""

    def rm(self, path: str, recursive: bool = False, **_: Any) -> None:  # noqa: FBT001, FBT002, ANN401, ARG002 - fsspec's
        """Forget a file, and let others take its space."""
        with self._lock:
            pieces = self._files.pop(path, {})
        for _length, piece in pieces.values():
            self._scratch.free(piece)

    def put(self, path: str, offset: int, data: bytes) -> None:
        """Keep a block; the space of an earlier one at this place becomes free first."""
        with self._lock:
            earlier = self._files[path].pop(offset, None)
        if earlier is not None:
            self._scratch.free(earlier[1])
        with self._recorded():
            piece = self._scratch.write(data)
        with self._lock:
            self._files[path][offset] = (len(data), piece)

    def get(self, path: str, offset: int, length: int) -> bytes:
        """Read a block as it was written.

        Raises:
            OSError: No block of this length was written there.
        """
        with self._lock:
            written, piece = self._files[path].get(offset, (-1, None))
        if written != length or piece is None:
            raise OSError("scratch space: read otherwise than written")
        with self._recorded():
            return self._scratch.read(piece)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        # DuckDB turns an exception into text and may go on without the block.
        try:
            yield
        except CleanroomError as failure:
            with self._lock:
                self.failure = self.failure or failure
            raise


class _SpillFile(Generic[Piece]):
    """An open temporary file with a position of its own for every thread."""

    def __init__(self, files: SpillFiles[Piece], path: str) -> None:
        self._files = files
        self._path = path
        self._place = threading.local()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell()}.get(whence)
        self._place.position = (self._files.size(self._path) if base is None else base) + offset
        return self.tell()

    def tell(self) -> int:
        position: int = getattr(self._place, "position", 0)
        return position

    def read(self, length: int) -> bytes:
        data = self._files.get(self._path, self.tell(), length)
        self._place.position = self.tell() + length
        return data

    def write(self, data: bytes) -> int:
        self._files.put(self._path, self.tell(), data)
        self._place.position = self.tell() + len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing here has to outlive the process."""

    def close(self) -> None:
        """Keep the blocks: DuckDB opens the file again."""


def _ends(pieces: dict[int, tuple[int, Any]]) -> Iterator[int]:
    return (offset + length for offset, (length, _) in pieces.items())
