# SPDX-License-Identifier: Apache-2.0
"""``python -m cleanroom.server.doorkeeper``: speak HTTP for a broker whose keys are elsewhere.

Started by the broker's own process, with a socket to it as an open descriptor: the last
argument says which. It opens the doors, verifies who asks, and hands every question on.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

from cleanroom.errors import CleanroomError, UnavailableError, to_wire
from cleanroom.identity.watched_pins import WatchedPins
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.keybroker.taken_back import RecordedRevocations
from cleanroom.server.answers import Question
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import Limits, NetworkDoor
from cleanroom.server.certificate import CertificateFiles
from cleanroom.server.channel import Head, RemoteAnswers, read_frame, write_frame
from cleanroom.server.doors import Network, OpenDoor, open_local, open_network
from cleanroom.server.front import FrontSettings
from cleanroom.server.journal import Verbosity
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore
from cleanroom.server.serve import AppServer
from cleanroom.server.watching import WatchOptions, watching

# A run asks each broker some ten times; a monitor asks once a second.
RATE = Rate(per_second=50, burst=200)
_READY: Head = {"class": ""}


def main(*, clock: Clock = system_clock, rate: Rate = RATE) -> int:
    """Serve until told to stop; returns the exit status.

    Args:
        clock: By which requests are fresh.
        rate: How often one party, and one address, may ask.
    """
    line = socket.socket(fileno=int(sys.argv[-1]))
    told = read_frame(line)
    if told is None:
        return UnavailableError.exit_code
    settings, ends = _settings(told[0])
    # However the broker's process ends, this one does.
    Thread(target=_end_with, args=(line,), daemon=True).start()
    try:
        _serve(settings, RemoteAnswers(ends, deserted=_stop), line=line, clock=clock, rate=rate)
    except CleanroomError as error:
        write_frame(line, {**to_wire(error)})
        return error.exit_code
    return 0


def _serve(
    settings: FrontSettings,
    answers: RemoteAnswers,
    *,
    line: socket.socket,
    clock: Clock,
    rate: Rate,
) -> None:
    def require_ready() -> None:
        error = answers.ask(Question(kind="ready")).error
        if error is not None:
            raise error

    options = WatchOptions(metrics=settings.metrics, verbosity=Verbosity(settings.verbosity))
    with (
        _open_doors(settings, clock=clock, rate=rate) as doors,
        watching("broker", options) as watch,
    ):
        apps = [(door, make_broker_app(answers, door=door.door)) for door in doors]
        beside = watch.over(apps, require_ready=require_ready)
        AppServer([*apps, *beside], started=lambda: write_frame(line, _READY)).run()


@contextmanager
def _open_doors(settings: FrontSettings, *, clock: Clock, rate: Rate) -> Iterator[list[OpenDoor]]:
    with ExitStack() as stack:
        doors: list[OpenDoor] = []
        if settings.local:
            doors.append(open_local(settings.local))
            stack.callback(doors[-1].leave)
        if settings.listen:
            doors.append(_open_network(settings, stack, clock=clock, rate=rate))
            stack.callback(doors[-1].leave)
        yield doors


def _open_network(
    settings: FrontSettings, stack: ExitStack, *, clock: Clock, rate: Rate
) -> OpenDoor:
    home, pins = Path(settings.home), WatchedPins(Path(settings.pins))
    replays = ReplayStore(home)
    stack.callback(replays.close)
    revocations = stack.enter_context(RecordedRevocations(home, pins=pins, clock=clock))
    guard = NetworkDoor(
        settings.published,
        pins=pins,
        is_revoked=revocations.is_revoked,
        clock=clock,
        replays=replays,
        limits=Limits(
            strangers=RateLimit(rate, seconds=time.monotonic),
            parties=RateLimit(rate, seconds=time.monotonic),
        ),
    )
    certificate = None
    if settings.certificate:
        certificate = CertificateFiles(
            chain=Path(settings.certificate), key=Path(settings.certificate_key)
        )
    network = Network(listen=settings.listen, certificate=certificate)
    return open_network(network, published=settings.published, door=guard)


def _settings(head: Head) -> tuple[FrontSettings, list[socket.socket]]:
    fields = {name: str(head[name]) for name in FrontSettings.__slots__}
    ends = [socket.socket(fileno=int(number)) for number in str(head["ends"]).split()]
    return FrontSettings(**fields), ends


def _stop() -> None:
    # Open requests are finished; whoever watches the broker starts both processes anew.
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with(line: socket.socket) -> None:
    while line.recv(1):
        continue
    # At once: nobody is left who could answer, and the doors must be free for the next one.
    os._exit(UnavailableError.exit_code)


if __name__ == "__main__":
    sys.exit(main())
