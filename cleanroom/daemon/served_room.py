# SPDX-License-Identifier: Apache-2.0
"""One room of a hub as a runner sees it: a mirror, the jobs, and in whose name it asks."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from cleanroom.contract import places
from cleanroom.contract.introduction import Introduction
from cleanroom.daemon.journal import Journal
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.hub.job import Lease
from cleanroom.identity.authorities import load_authorities
from cleanroom.identity.private_files import make_private_directory
from cleanroom.identity.profile import Profile
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.jobs import JobClient
from cleanroom.mirror.login import kept_introduction
from cleanroom.mirror.mirror import Mirror
from cleanroom.runner.reach import Reach

BROKER_PATIENCE = dt.timedelta(minutes=3)
HUB_TIMEOUT = dt.timedelta(seconds=20)
_HOME = "runner"
_NAME_DIGITS = 16


class ServedRoom(Closing):
    """A room that this runner works for; safe to use from several threads."""

    def __init__(
        self,
        url: str,
        profile: Profile,
        *,
        patience: dt.timedelta = BROKER_PATIENCE,
        timeout: dt.timedelta = HUB_TIMEOUT,
        clock: Clock = system_clock,
    ) -> None:
        """Prepare to serve a room; nothing is asked before the first call.

        Args:
            url: The room's address.
            profile: The operator's; only its kept request key is used.
            patience: How long a broker that does not answer is asked again.
            timeout: How long the hub may be silent.
            clock: Says when requests are signed.
        """
        home = profile.directory / _HOME / Digest.of(url.encode()).hex[:_NAME_DIGITS]
        make_private_directory(home.parent)
        make_private_directory(home)
        self.url = url
        self.journal = Journal(directory=home / "runs")
        self._mirror = Mirror(path=home / "room", profile=profile, clock=clock)
        self._profile = profile
        self._patience = patience
        self._timeout = timeout
        self._clock = clock
        self._pulling = Lock()
        self._turn = Lock()
        self._clients = ExitStack()
        self._known: tuple[bytes, JobClient] | None = None

    @property
    def path(self) -> Path:
        """Where the room is mirrored."""
        return self._mirror.path

    def pull(self) -> None:
        """Bring the mirror up to date, sealed parts included.

        Raises:
            CleanroomError: As :meth:`cleanroom.mirror.mirror.Mirror.clone`.
        """
        with self._pulling:
            self._mirror.clone(self.url, data=True)

    def reach(self) -> Reach:
        """Return what a run needs to ask brokers.

        Raises:
            RefusedError: The operator's request key has expired.
        """
        return Reach(
            caller=self._introduction(),
            authorities=load_authorities(self._profile.directory.parent),
            patience=self._patience,
        )

    def take(self) -> Lease | None:
        """Ask for work.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return self._jobs().take()

    def beat(self, lease: Lease, *, stage: str) -> None:
        """Say that a job goes on.

        Raises:
            CleanroomError: The lease counts no more, or the hub does not answer.
        """
        self._jobs().beat(lease, stage=stage)

    def give_up(self, lease: Lease, error: CleanroomError, *, again: bool) -> None:
        """Say that there will be no result.

        Raises:
            CleanroomError: The lease counts no more, or the hub does not answer.
        """
        self._jobs().give_up(lease, error, again=again)

    def has_result(self, run: str) -> bool:
        """Tell whether a run that happened here ended with a receipt, which comes last."""
        return (self.path / places.receipt_file(run)).exists()

    def deliver(self, run: str) -> None:
        """Bring the result that lies in the mirror.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        receipt, result = (
            read_limited(self.path / place, what=place, limit=places.limit_of(place))
            for place in (places.receipt_file(run), places.result_file(run))
        )
        self._jobs().deliver(run, receipt=receipt, result=result)

    def close(self) -> None:
        """Close all connections."""
        self._clients.close()

    def _introduction(self) -> Introduction:
        # Read each time: the operator signs for a new key while the runner serves.
        return kept_introduction(self._profile, at=self._clock())

    def _jobs(self) -> JobClient:
        caller = self._introduction()
        with self._turn:
            if self._known is None or self._known[0] != caller.document:
                client = HubClient(
                    self.url,
                    caller=caller,
                    authorities=load_authorities(self._profile.directory.parent),
                    timeout=self._timeout,
                    clock=self._clock,
                )
                self._known = caller.document, JobClient(client=self._clients.enter_context(client))
            return self._known[1]


def is_passing(error: CleanroomError) -> bool:
    """Tell whether waiting may help: something does not answer, or the operator must sign in."""
    return isinstance(error, UnavailableError) or error.code == "request.key-absent"
