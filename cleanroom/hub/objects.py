# SPDX-License-Identifier: Apache-2.0
"""Objects on the disk: bytes under the name of their digest, whole or absent, never replaced."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PRIVATE_DIRECTORY, PRIVATE_FILE, read_limited, sync_directory

_TEMPORARY = "incoming"
_BLOCK_BYTES = 4096  # of every disk that takes memory as it lies
_DIRECTORIES = 256


class ObjectStore:
    """The objects of one room."""

    def __init__(self, home: Path) -> None:
        """Open the store of a room's directory; what a crash left half-written is removed.

        Raises:
            UnavailableError: The disk refuses.
        """
        self._home = home / "objects"
        self._incoming = home / _TEMPORARY
        self._turn = Lock()
        self._has_directories = False
        with _writing():
            for directory in (self._home, self._incoming):
                directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            for left in self._incoming.iterdir():
                left.unlink()

    @contextmanager
    def receive(self, digest: Digest) -> Iterator[IncomingObject]:
        """Take an object in pieces; nothing is left unless it is finished.

        Raises:
            UnavailableError: The disk refuses.
        """
        path = self._incoming / secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _writing():
            file = os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb", buffering=0)
        try:
            with file:
                yield IncomingObject(file, digest=digest, keep=lambda: self._keep(path, digest))
        finally:
            with suppress(FileNotFoundError):
                path.unlink()

    def path(self, digest: Digest) -> Path:
        """Return where an object lies."""
        return self._home / digest.hex[:2] / digest.hex

    def local_path(self, digest: Digest) -> Path | None:
        """Return where an object lies, if it lies on this machine."""
        return self.path(digest)

    def holds(self, digest: Digest) -> bool:
        """Tell whether there is an object of that name.

        Raises:
            UnavailableError: It cannot be known.
        """
        return self.path(digest).is_file()

    def read(self, digest: Digest) -> bytes:
        """Return an object's bytes.

        Raises:
            UnavailableError: There is none, or it cannot be read.
        """
        return read_limited(self.path(digest), what="hub object", limit=OBJECT_BYTES)

    def _keep(self, path: Path, digest: Digest) -> None:
        target = self.path(digest)
        with _writing():
            self._make_directories()
            path.replace(target)
            sync_directory(target.parent)

    def _make_directories(self) -> None:
        # All with the first object: the disk is waited for once, not once for each of them.
        with self._turn:
            if not self._has_directories:
                for number in range(_DIRECTORIES):
                    directory = self._home / f"{number:02x}"
                    directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
                sync_directory(self._home)
                self._has_directories = True


Storage = Callable[[Path, str], ObjectStore]


def local_storage(home: Path, _room: str) -> ObjectStore:
    """Keep the objects of a room in its own directory."""
    return ObjectStore(home)


class IncomingObject:
    """An object on its way."""

    def __init__(self, file: BinaryIO, *, digest: Digest, keep: Callable[[], None]) -> None:
        """Take an open file, and what puts it in its place in the end."""
        self._file = file
        self._digest = digest
        self._keep = keep
        self._hash = hashlib.sha256()
        self._direct = False
        self._refuses_direct = False
        self.size = 0

    def write(self, *pieces: bytes | memoryview) -> None:
        """Add bytes, in as many pieces as they came in.

        Raises:
            MalformedError: More than an object may have.
            UnavailableError: The disk refuses.
        """
        for piece in pieces:
            self.size += len(piece)
            if self.size > OBJECT_BYTES:
                raise MalformedError(
                    f"hub object: larger than {OBJECT_BYTES} bytes", code="format.oversize"
                )
            self._hash.update(piece)
            with _writing():
                self._write(memoryview(piece))

    def finish(self) -> None:
        """Put the object in its place, durably.

        Raises:
            IntegrityError: These are other bytes.
            UnavailableError: The disk refuses.
        """
        found = Digest(self._hash.digest())
        if found != self._digest:
            raise IntegrityError(
                f"hub object: found {found}, agreed {self._digest}",
                code="hub.object-digest",
                hint="send it again; something changed it on the way",
            )
        with _writing():
            os.fsync(self._file.fileno())
        self._keep()

    def _write(self, view: memoryview) -> None:
        # Whole pages of memory go to the disk past the page cache, which costs a third of
        # the processor and leaves less to wait for in the end.
        whole = isinstance(view.obj, mmap.mmap) and not len(view) % _BLOCK_BYTES
        self._set_direct(wanted=whole and not self._refuses_direct)
        while view:
            try:
                view = view[self._file.write(view) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._refuses_direct = True
                self._set_direct(wanted=False)

    def _set_direct(self, *, wanted: bool) -> None:
        if wanted == self._direct:
            return
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._file, fcntl.F_SETFL, flags ^ os.O_DIRECT)
            self._direct = wanted
        except OSError:
            # A file system without it, such as one in memory.
            self._refuses_direct = True


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"hub: cannot write: {os.strerror(error.errno or 0)}",
            code="hub.disk",
            hint="the hub's operator frees some space or checks the disk",
        ) from None
