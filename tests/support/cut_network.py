# SPDX-License-Identifier: Apache-2.0
"""A network between a runner and a broker, which loses requests or answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Thread

_PIECE = 65536


class Cut(Enum):
    """What becomes of a connection once a request is on its way."""

    CLOSED_BEFORE = "closed before the request arrived"
    CLOSED_AFTER = "closed after the request had its effect"
    SILENT_BEFORE = "half-open: the request is lost, and nobody says so"
    SILENT_AFTER = "half-open: the answer is lost, and nobody says so"

    @property
    def arrives(self) -> bool:
        """Whether the request reaches whom it is for."""
        return self in (Cut.CLOSED_AFTER, Cut.SILENT_AFTER)

    @property
    def is_silent(self) -> bool:
        """Whether the connection stays open for whoever asked."""
        return self in (Cut.SILENT_BEFORE, Cut.SILENT_AFTER)


@dataclass
class CutNetwork:
    """Carries requests to a Unix socket, except those that it cuts.

    Attributes:
        target: Path of the socket behind it.
        path: The HTTP path whose requests are cut.
        cut: How.
        times: How often; afterwards everything gets through.
    """

    target: str
    path: str
    cut: Cut
    times: int
    done: int = 0

    def carry(self, asking: socket.socket) -> None:
        """Carry one connection until either end closes it."""
        with asking, socket.socket(socket.AF_UNIX) as serving, suppress(OSError):
            serving.connect(self.target)
            back = Thread(target=_copy, args=(serving, asking), name="back")
            started = False
            while piece := asking.recv(_PIECE):
                if f" {self.path} ".encode() in piece and self.done < self.times:
                    self.done += 1
                    self._lose(asking, piece)
                    break
                if not started:
                    back.start()
                    started = True
                serving.sendall(piece)
            _shut(serving)
            _shut(asking)
            if started:
                back.join()

    def _lose(self, asking: socket.socket, piece: bytes) -> None:
        if self.cut.arrives:
            self._let_arrive(asking, piece)
        if self.cut.is_silent:
            # Nobody hears of it: whoever asked waits for as long as it wants to.
            with suppress(OSError):
                while asking.recv(_PIECE):
                    """What comes after a lost request is lost as well."""

    def _let_arrive(self, asking: socket.socket, piece: bytes) -> None:
        """Send a request on, whole, and take the answer to it."""
        whole = piece
        while len(whole) < _length(whole):
            whole += asking.recv(_PIECE)
        with socket.socket(socket.AF_UNIX) as alone:
            alone.connect(self.target)
            alone.sendall(whole)
            assert alone.recv(_PIECE), "the request had no effect"


def _length(request: bytes) -> int:
    head, _, _ = request.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return len(head) + 4


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_network(
    directory: Path, target: str, *, path: str, cut: Cut, times: int = 1
) -> Iterator[tuple[str, CutNetwork]]:
    """Stand before a Unix socket while the block runs; returns the address to ask."""
    network = CutNetwork(target=target.removeprefix("unix:"), path=path, cut=cut, times=times)
    at = directory / f"cut-{len(list(directory.iterdir()))}.sock"
    with ExitStack() as stack, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(at))
        listening.listen()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    asking, _ = listening.accept()
                    stack.callback(_shut, asking)
                    carrier = Thread(target=network.carry, args=(asking,), name="carrier")
                    carrier.start()
                    stack.callback(carrier.join)

        acceptor = Thread(target=accept, name="network")
        acceptor.start()
        try:
            yield f"unix:{at}", network
        finally:
            _shut(listening)
            acceptor.join()
