# SPDX-License-Identifier: Apache-2.0
"""What carries a request to a broker and its answer back, unread: a socket here, or a network.

A Unix socket needs an HTTP client without connections to keep, TLS, proxies and redirects: the
one of the standard library. It loads in a tenth of the time that the other takes, which every
run on one machine would wait for.
"""

from __future__ import annotations

import datetime as dt
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Protocol

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

CONNECT_TIMEOUT = dt.timedelta(seconds=5)
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What came back, by whomever it was said.

    Attributes:
        status: Of HTTP.
        kind: Content type; empty if it names none.
        data: The body, whole and within its limit.
    """

    status: int
    kind: str
    data: bytes


class Carrier(Protocol):
    """A way to one broker."""

    def send(self, method: str, path: str, body: bytes, *, limit: int) -> Carried:
        """Carry a request there and the answer back.

        Raises:
            UnavailableError: There was no whole answer.
            MalformedError: It is larger than the limit.
        """

    def close(self) -> None:
        """Give back what is held."""


class SocketCarrier:
    """Carry requests to a Unix socket, each over a connection of its own.

    None is left that a broker might close while a query computes.
    """

    def __init__(self, path: str, *, timeout: dt.timedelta) -> None:
        """Take where the broker listens, and how long it may be silent."""
        self._path = path
        self._timeout = timeout

    def send(self, method: str, path: str, body: bytes, *, limit: int) -> Carried:
        """Carry a request there and the answer back.

        Raises:
            UnavailableError: There was no whole answer.
            MalformedError: It is larger than the limit.
        """
        connection = _UnixConnection(self._path, timeout=self._timeout.total_seconds())
        try:
            # Who has heard enough answers and closes; what was said counts.
            with suppress(BrokenPipeError):
                connection.request(method, path, body=body or None)
            with connection.getresponse() as response:
                data = _read(response, limit=limit)
                kind = response.getheader("content-type", "")
        except (HTTPException, OSError) as error:
            raise unreachable(f"unix:{self._path}") from error
        finally:
            connection.close()
        return Carried(status=response.status, kind=kind, data=data)

    def close(self) -> None:
        """Nothing is kept between two requests."""


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__("broker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path instead of a host."""
        # Kept before it is connected: whoever closes this closes it, wherever it fails.
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT.total_seconds())
        self.sock.connect(self._path)
        self.sock.settimeout(self.timeout)


def _read(response: HTTPResponse, *, limit: int) -> bytes:
    data = bytearray()
    while chunk := response.read(_READ_BYTES):
        data += chunk
        if len(data) > limit:
            raise too_large(limit)
    # The library does not say that a body ended before its stated length.
    if response.length:
        raise HTTPException
    return bytes(data)


def unreachable(address: str) -> UnavailableError:
    """Make the error for a broker that gives no whole answer."""
    return UnavailableError(
        f"broker {address}: does not answer",
        code="broker.unreachable",
        hint="on its owner's machine: cleanroom broker serve",
    )


def too_large(limit: int) -> MalformedError:
    """Make the error for an answer beyond its limit."""
    return MalformedError(f"broker answer: larger than {limit} bytes", code="format.oversize")
