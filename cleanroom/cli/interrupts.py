# SPDX-License-Identifier: Apache-2.0
"""Tell a person's control-C from a failure.

The engine checks for signals while it works, and then reports an error of its own in
place of the interrupt. Only whoever received the signal knows what it was.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cleanroom.errors import CleanroomError


@contextmanager
def told_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for whatever an interrupt was turned into.

    Raises:
        KeyboardInterrupt: The body failed after a control-C.
    """
    with _noticing() as noticed:
        try:
            yield
        except (CleanroomError, RuntimeError):
            if not noticed:
                raise
        else:
            return
    # Raised outside the handler: an engine's error could carry a cell.
    raise KeyboardInterrupt


@contextmanager
def _noticing() -> Iterator[list[int]]:
    noticed: list[int] = []

    def notice(number: int, frame: FrameType | None) -> None:
        noticed.append(number)
        signal.default_int_handler(number, frame)

    # Whoever ignores or handles interrupts already goes on doing so.
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield noticed
        return
    signal.signal(signal.SIGINT, notice)
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
