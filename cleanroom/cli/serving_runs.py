# SPDX-License-Identifier: Apache-2.0
"""Serve rooms of hubs as a runner, until told to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from cleanroom.cli.acting import chosen_profile
from cleanroom.cli.session import Session
from cleanroom.daemon.serve import RunnerDaemon
from cleanroom.daemon.served_room import ServedRoom
from cleanroom.identity.private_files import exclusive_lock, make_private_directory
from cleanroom.kernel.clock import format_time, system_clock
from cleanroom.mirror.client import split_url
from cleanroom.mirror.login import kept_introduction
from cleanroom.runner.ready import ReadyRunners


def serve_rooms(
    session: Session, urls: Sequence[str], *, at_once: int, ready: int, grace: int
) -> None:
    """Work on the jobs of rooms in the name of the acting party.

    Raises:
        RefusedError: The operator has not signed for a request key.
        UnavailableError: Another runner serves with this profile.
    """
    profile = chosen_profile(session)
    for url in urls:
        split_url(url)
    kept_introduction(profile, at=system_clock())
    home = profile.directory / "runner"
    make_private_directory(home)
    with exclusive_lock(home), ExitStack() as stack:
        rooms = [stack.enter_context(ServedRoom(url, profile)) for url in urls]
        runners = stack.enter_context(ReadyRunners(ready))
        daemon = RunnerDaemon(
            rooms=rooms, at_once=at_once, say=_say, start=runners.runner, grace=grace
        )

        def stop(_number: int, _frame: FrameType | None) -> None:
            daemon.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        session.emit({"operator": profile.name, "rooms": list(urls)}, f"serving {' '.join(urls)}")
        sys.stdout.flush()
        daemon.serve()


def _say(text: str) -> None:
    sys.stderr.write(f"{format_time(system_clock())} {text}\n")
    sys.stderr.flush()
