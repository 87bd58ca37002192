# SPDX-License-Identifier: Apache-2.0
"""Watch a service while it serves: its journal, its numbers, and a door for its operator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock

from fastapi import FastAPI

from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.record import dataclass
from cleanroom.server.doors import OpenDoor
from cleanroom.server.journal import Journal, Verbosity, heard_through
from cleanroom.server.observing import Metrics, Observer, observe
from cleanroom.server.watch_app import make_watch_app, open_watch_door

_TURN = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What an operator asked for.

    Attributes:
        metrics: ``HOST:PORT`` of this machine for numbers and readiness; empty for none.
        verbosity: Whether every request is written to standard error, or trouble alone.
    """

    metrics: str = ""
    verbosity: Verbosity = Verbosity.TROUBLE


def watched(metrics: str, *, log: bool) -> WatchOptions:
    """Return what an operator asked for by two options."""
    verbosity = Verbosity.REQUESTS if log else Verbosity.TROUBLE
    return WatchOptions(metrics=metrics, verbosity=verbosity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Somebody who watches, and the door through which it is asked.

    Attributes:
        observer: Hears of every request.
        door: For numbers; absent where nobody asked for them.
    """

    observer: Observer
    door: OpenDoor | None

    def over(
        self, apps: Sequence[tuple[OpenDoor, FastAPI]], *, require_ready: Callable[[], None]
    ) -> list[tuple[OpenDoor, FastAPI]]:
        """Watch applications, and return what is served beside them."""
        for _, app in apps:
            observe(app, self.observer)
        if self.door is None:
            return []
        return [(self.door, make_watch_app(self.observer.metrics, require_ready=require_ready))]


@contextmanager
def watching(
    service: str, options: WatchOptions, *, clock: Clock = system_clock
) -> Iterator[Watch]:
    """Watch a service of this process while the block runs.

    Raises:
        MalformedError: Not a place to listen on.
        RefusedError: Other machines could reach the numbers.
        UnavailableError: The place is in use.
    """
    journal = Journal(write_line, service=service, clock=clock, verbosity=options.verbosity)
    observer = Observer(journal=journal, metrics=Metrics(service))
    with ExitStack() as stack:
        door = open_watch_door(options.metrics) if options.metrics else None
        if door is not None:
            stack.callback(door.leave)
        stack.enter_context(heard_through(journal))
        observer.started()
        yield Watch(observer=observer, door=door)
        journal.say("ended")


@contextmanager
def overheard(
    service: str, options: WatchOptions, *, clock: Clock = system_clock
) -> Iterator[None]:
    """Let libraries of a process that serves nobody speak through a journal meanwhile."""
    journal = Journal(write_line, service=service, clock=clock, verbosity=options.verbosity)
    with heard_through(journal):
        yield


def write_line(line: str) -> None:
    """Write a line to standard error; a service goes on when nobody reads it any more."""
    with _TURN, suppress(OSError, ValueError):
        sys.stderr.write(line)
        sys.stderr.flush()
