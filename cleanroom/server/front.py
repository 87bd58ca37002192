# SPDX-License-Identifier: Apache-2.0
"""Keep a process in front of a broker: it speaks HTTP and verifies who asks, without any key.

The broker's own process never reads a byte of HTTP, and whoever speaks to the network never
had a key in its memory: it is a new program, not a copy of this one. Both end together. If
the one in front ends by itself, so does the broker, and whoever watches it starts both anew.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from cleanroom.errors import UnavailableError, from_wire
from cleanroom.kernel.record import dataclass
from cleanroom.server.answers import Answers
from cleanroom.server.channel import Desk, read_frame, write_frame

DOORKEEPER = (sys.executable, "-P", "-m", "cleanroom.server.doorkeeper")
CHANNELS = 32  # as many questions are decided together


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontSettings:
    """What the process in front is told; nothing in it is secret.

    Attributes:
        home: The broker's home, for the requests that were heard and the keys taken back.
        pins: Directory of the pinned party documents.
        published: The address in the owner's party document.
        local: Unix socket of the owner's own user; empty for none.
        listen: ``HOST:PORT`` for other machines; empty for none.
        certificate: PEM chain for TLS there; empty for none.
        certificate_key: PEM key of the certificate.
        metrics: ``HOST:PORT`` for numbers; empty for none.
        verbosity: Value of a :class:`~cleanroom.server.journal.Verbosity`.
    """

    home: str
    pins: str
    published: str
    local: str
    listen: str
    certificate: str
    certificate_key: str
    metrics: str
    verbosity: str


def serve_behind_front(
    answers: Answers,
    settings: FrontSettings,
    *,
    started: Callable[[], None],
    program: Sequence[str] = DOORKEEPER,
) -> None:
    """Answer what a process in front asks until SIGINT or SIGTERM; call it from the main thread.

    Args:
        answers: Of the broker of this process.
        settings: For the process in front.
        started: Called once requests are answered.
        program: What to start; gets a descriptor as its last argument.

    Raises:
        CleanroomError: What kept the process in front from starting.
        UnavailableError: It ended by itself.
    """
    told = _Signals()
    with ExitStack() as stack, told.passed_on():
        line, ends, theirs, process = _start(stack, program)
        told.pass_on_to(process)
        desk = Desk(answers, ends)
        if _is_ready(line, settings, theirs):
            started()
        process.wait()
        desk.close()
        if not told.asked:
            raise _ended()


def _start(
    stack: ExitStack, program: Sequence[str]
) -> tuple[socket.socket, list[socket.socket], list[int], subprocess.Popen[bytes]]:
    pairs = [socket.socketpair() for _ in range(CHANNELS + 1)]
    for mine, _ in pairs:
        stack.enter_context(closing(mine))
    with ExitStack() as theirs:
        for _, other in pairs:
            theirs.enter_context(closing(other))
        numbers = [other.fileno() for _, other in pairs]
        process = subprocess.Popen(  # noqa: S603 - a program of ours
            [*program, str(numbers[0])],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches this process alone, which passes it on when the other
            # one can end in order; before that, Python itself would answer with a traceback.
            process_group=0,
        )
    stack.callback(_end, process)
    (line, _), *others = pairs
    return line, [mine for mine, _ in others], numbers[1:], process


def _is_ready(line: socket.socket, settings: FrontSettings, ends: Sequence[int]) -> bool:
    """Tell the process in front what to do and wait for it; false when it ended without a word.

    Raises:
        CleanroomError: What kept it from starting.
    """
    fields = {name: getattr(settings, name) for name in FrontSettings.__slots__}
    try:
        write_frame(line, {**fields, "ends": " ".join(str(number) for number in ends)})
        heard = read_frame(line)
    except OSError:
        heard = None
    if heard is None:
        return False
    head, _ = heard
    if head["class"] != "":
        raise from_wire(
            str(head["class"]),
            code=str(head["code"]),
            message=str(head["message"]),
            hint=str(head["hint"]),
        )
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    process.wait()


def _ended() -> UnavailableError:
    return UnavailableError(
        "broker: its process that speaks HTTP ended",
        code="broker.front",
        hint="start the broker again; its operator reads the log",
    )


class _Signals:
    """Pass on what asks this process to end; it ends after whoever still answers."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.asked = False

    def pass_on_to(self, process: subprocess.Popen[bytes]) -> None:
        """Ask this process to end when asked to, or at once if that was earlier."""
        self._process = process
        if self.asked:
            process.terminate()

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while the block runs."""
        before = {
            number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, _number: int, _frame: Any) -> None:  # noqa: ANN401 - as the library passes it
        self.asked = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
