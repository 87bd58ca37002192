# SPDX-License-Identifier: Apache-2.0
"""Objects straight from a file to a hub's socket: a large body is copied by nobody.

The HTTP library hands a body on in small pieces, which costs a client three times what the
bytes themselves do. Nothing else is sent this way, and nothing at all over TLS, whose library
must see every byte.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import BinaryIO, cast

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.record import dataclass

FILE_CHANGED = "mirror.file-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a hub answered.

    Attributes:
        status: Of HTTP.
        kind: The media type.
        data: The body.
    """

    status: int
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePiece:
    """Some bytes of a file.

    Attributes:
        path: The file.
        start: Where they begin.
        size: How many they are.
    """

    path: Path
    start: int
    size: int

    def open(self) -> BinaryIO:
        """Open the file.

        Raises:
            IntegrityError: It is gone, or cannot be read.
        """
        try:
            return cast("BinaryIO", self.path.open("rb", buffering=0))
        except OSError:
            raise _changed() from None

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            IntegrityError: There are not so many.
        """
        with self.open() as file:
            data = os.pread(file.fileno(), self.size, self.start)
        if len(data) != self.size:
            raise _changed()
        return data


class StraightLines(Closing):
    """Connections to one hub, each for one request at a time; for several threads."""

    def __init__(self, host: str, port: int, *, seconds: float) -> None:
        """Prepare; connections are made when they are needed.

        Args:
            host: Name or address.
            port: Of TCP.
            seconds: How long the hub may be silent.
        """
        self._place = host, port
        self._seconds = seconds
        self._idle: list[HTTPConnection] = []

    def put(self, path: str, fields: Mapping[str, str], piece: FilePiece, *, limit: int) -> Answer:
        """Send a piece of a file.

        Args:
            path: Where to.
            fields: Header fields, but for the length.
            piece: What to send.
            limit: Largest answer, in bytes.

        Raises:
            IntegrityError: The file is gone, or shorter.
            MalformedError: The answer is larger.
            OSError: The hub does not answer.
            HTTPException: What it answers is no HTTP.
        """
        with piece.open() as file, self._line() as line:
            line.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
            for name, value in fields.items():
                line.putheader(name, value)
            line.putheader("content-length", str(piece.size))
            # A hub that refuses may close before it has read everything; it says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                line.endheaders()
                if line.sock.sendfile(file, piece.start, piece.size) != piece.size:
                    raise _changed()
            return _read(line.getresponse(), limit=limit)

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _line(self) -> Iterator[HTTPConnection]:
        line = self._take()
        try:
            yield line
        except BaseException:
            line.close()
            raise
        self._idle.append(line)

    def _take(self) -> HTTPConnection:
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                host, port = self._place
                line = HTTPConnection(host, port, timeout=self._seconds)
                line.connect()
                return line
            # What can be read before anything was asked is the end of the connection.
            if line.sock is not None and not _readable(line):
                return line
            line.close()


def _changed() -> IntegrityError:
    return IntegrityError(
        "file: shorter than when it was hashed, or gone",
        code=FILE_CHANGED,
        hint="restore it from a backup, or seal again",
    )


def _readable(line: HTTPConnection) -> bool:
    poll = select.poll()
    poll.register(line.sock, select.POLLIN)
    return bool(poll.poll(0))


def _read(response: HTTPResponse, *, limit: int) -> Answer:
    data = response.read(limit + 1)
    if len(data) > limit:
        raise MalformedError(f"hub answer: larger than {limit} bytes", code="format.oversize")
    if response.length:
        raise IncompleteRead(data, response.length)
    response.close()
    return Answer(status=response.status, kind=response.getheader("content-type", ""), data=data)
