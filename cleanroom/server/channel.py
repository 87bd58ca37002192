# SPDX-License-Identifier: Apache-2.0
"""Questions and answers between the process that speaks HTTP and the one that holds the keys.

Sockets without a name connect the two: whoever has one end was given it by the process
that made both. A frame is the length of a line of JSON, the length of what follows it, the
line and the bytes. One question is under way on a socket at a time.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import LifoQueue
from threading import Lock

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.errors import (
    CleanroomError,
    MalformedError,
    UnavailableError,
    from_wire,
    to_wire,
)
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES, MIB
from cleanroom.server.answers import Answer, Answers, Question
from cleanroom.server.outcome import broken, status_of

MAX_HEAD_BYTES = 64 * 1024
# The largest body that any place of a broker takes or gives.
MAX_BODY_BYTES = MAX_STATE_ENTRY_BYTES + 32 * MIB
_LENGTHS = struct.Struct(">IQ")
_REFUSE = "refuse"
_LOG = logging.getLogger("cleanroom.server")

Head = dict[str, str | int]


def write_frame(end: socket.socket, head: Head, body: bytes = b"") -> None:
    """Send one frame.

    Raises:
        OSError: Nobody has the other end any more.
        MalformedError: It is larger than any of ours; nothing of it was sent.
    """
    _send(end, _frame(head, body))


def _frame(head: Head, body: bytes) -> tuple[bytes, bytes]:
    line = json.dumps(head).encode()
    _require_size(len(line), len(body))
    return _LENGTHS.pack(len(line), len(body)) + line, body


def _send(end: socket.socket, frame: tuple[bytes, bytes]) -> None:
    for part in frame:
        if part:
            end.sendall(part)


def read_frame(end: socket.socket) -> tuple[Head, bytes] | None:
    """Return the next frame; nothing if the other end was closed before one began.

    Raises:
        OSError: The other end was closed within a frame.
        MalformedError: A frame is larger than any of ours, or does not begin with an object.
            Where the next one begins is not known then: the socket must be closed.
    """
    start = end.recv(_LENGTHS.size, socket.MSG_WAITALL)
    if not start:
        return None
    if len(start) < _LENGTHS.size:
        raise ConnectionResetError
    line, body = _LENGTHS.unpack(start)
    _require_size(line, body)
    try:
        head = json.loads(_exactly(end, line))
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise MalformedError("channel: a frame without its line", code="format.frame")
    return head, _exactly(end, body)


def _require_size(line: int, body: int) -> None:
    if line > MAX_HEAD_BYTES or body > MAX_BODY_BYTES:
        raise MalformedError(
            "channel: a frame over its limit", code="format.oversize", hint="send less at once"
        )


def _exactly(end: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = end.recv_into(view)
        if not count:
            raise ConnectionResetError
        view = view[count:]
    return bytes(data)


def _nobody() -> None:
    """Tell nobody."""


class RemoteAnswers:
    """A broker of another process; any thread may ask.

    A socket on which a frame did not come whole is closed and never used again: whatever
    came next on it could be the answer to another question.
    """

    def __init__(
        self, ends: Sequence[socket.socket], *, deserted: Callable[[], None] = _nobody
    ) -> None:
        """Ask through these; as many questions as there are may be under way at once.

        Args:
            ends: At least one.
            deserted: Called when none of them is left.
        """
        self._free: LifoQueue[socket.socket | None] = LifoQueue()
        self._left = len(ends)
        self._guard = Lock()
        self._deserted = deserted
        for end in ends:
            self._free.put(end)

    def ask(self, question: Question) -> Answer:
        """Answer a question; an error of our tree is an answer as well.

        Where the other process is gone, the answer is to ask again.
        """
        head: Head = {
            "kind": question.kind,
            "caller": question.caller,
            "place": question.place,
            "start": question.start,
        }
        return self._exchange(head, question.body)

    def refuse(self, error: CleanroomError) -> Answer:
        """Answer with an error that a door found, signed by the broker if a rule says no."""
        return self._exchange({"kind": _REFUSE, **to_wire(error)}, b"")

    def _exchange(self, head: Head, body: bytes) -> Answer:
        try:
            frame = _frame(head, body)
        except MalformedError as oversize:
            return _failed(oversize)
        end = self._free.get()
        if end is None:
            self._free.put(None)
            return _ended()
        answered = None
        try:
            _send(end, frame)
            answered = read_frame(end)
        except (OSError, MalformedError):
            _LOG.error("failed")
        finally:
            # Also where a mistake of ours ends this.
            if answered is None:
                self._lose(end)
            else:
                self._free.put(end)
        if answered is None:
            return _ended()
        told, data = answered
        error = None if told["class"] == "" else _error(told)
        return Answer(body=data, media=str(told["media"]), status=int(told["status"]), error=error)

    def _lose(self, end: socket.socket) -> None:
        end.close()
        with self._guard:
            self._left -= 1
            deserted = not self._left
        if deserted:
            # Whoever waits for a socket, or comes later, is told so.
            self._free.put(None)
            self._deserted()


def _ended() -> Answer:
    # An answer and no exception: whoever retries must not take this for the last word.
    error = UnavailableError(
        "broker: ended before it had answered", code="broker.ended", hint="ask again"
    )
    return _failed(error)


def _failed(error: CleanroomError) -> Answer:
    body = encode_failure(error, refusal=None)
    return Answer(body=body, status=status_of(error), error=error)


class Desk:
    """Answers whatever comes through some sockets, each from a thread of its own."""

    def __init__(self, answers: Answers, ends: Sequence[socket.socket]) -> None:
        """Begin to answer; it ends for each socket when its other end is closed."""
        self._answers = answers
        self._pool = ThreadPoolExecutor(len(ends))
        for end in ends:
            self._begin(end)

    def close(self) -> None:
        """Wait until the other end of every socket was closed."""
        self._pool.shutdown()

    def _begin(self, end: socket.socket) -> None:
        answering = self._pool.submit(answer_all, end, self._answers)
        answering.add_done_callback(partial(self._over, end))

    def _over(self, end: socket.socket, _answering: Future[None]) -> None:
        if end.fileno() < 0:
            return
        # A mistake of ours ends one question and not the socket. Its words stay here.
        _LOG.error("failed")
        with suppress(OSError):
            _write_answer(end, self._answers.refuse(broken()))
        self._begin(end)


def answer_all(end: socket.socket, answers: Answers) -> None:
    """Answer every question until the other end of a socket is closed; then close this one."""
    while (asked := _heard(end)) is not None:
        answer = _answer(asked, answers)
        # Whoever is gone meanwhile hears nothing, and the next look finds out.
        with suppress(OSError):
            _write_answer(end, answer)
    end.close()


def _heard(end: socket.socket) -> tuple[Head, bytes] | None:
    try:
        return read_frame(end)
    except (OSError, MalformedError, MemoryError):
        # Whatever of it was read, the next frame begins nowhere known: the socket ends.
        return None


def _write_answer(end: socket.socket, answer: Answer) -> None:
    kind = {"class": "", "code": ""} if answer.error is None else to_wire(answer.error)
    head: Head = {
        "status": int(answer.status),
        "media": answer.media,
        "class": kind["class"],
        "code": kind["code"],
    }
    write_frame(end, head, answer.body)


def _answer(asked: tuple[Head, bytes], answers: Answers) -> Answer:
    head, body = asked
    if head["kind"] == _REFUSE:
        return answers.refuse(_error(head))
    return answers.ask(
        Question(
            kind=str(head["kind"]),
            caller=str(head["caller"]),
            place=str(head["place"]),
            start=int(head["start"]),
            body=body,
        )
    )


def _error(head: Head) -> CleanroomError:
    return from_wire(
        str(head["class"]),
        code=str(head["code"]),
        message=str(head.get("message", "")),
        hint=str(head.get("hint", "")),
    )
