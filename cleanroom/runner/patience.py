# SPDX-License-Identifier: Apache-2.0
"""Ask a broker again that does not answer, for as long as the run's operator has patience.

Every question is safe to repeat: the same runtime data get the same release and the
same receipt the same countersignature, so a broker that starts again in the middle
of a run costs no second use.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from cleanroom.contract.broker_requests import (
    Challenge,
    ChallengeRequest,
    CommitRequest,
    ReleaseRequest,
)
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.errors import UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.brokers import Broker

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientBroker:
    """A broker that is asked again while it does not answer.

    Attributes:
        broker: Who is asked.
        patience: How long one question may take in all.
        seconds: A clock that never goes back.
        rest: Waits so many seconds.
    """

    broker: Broker
    patience: dt.timedelta
    seconds: Callable[[], float] = time.monotonic
    rest: Callable[[float], None] = time.sleep

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Give a nonce.

        Raises:
            CleanroomError: As the broker's own.
        """
        return self._ask(lambda: self.broker.challenge(request))

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Give keys, or refuse.

        Raises:
            CleanroomError: As the broker's own.
        """
        return self._ask(lambda: self.broker.release(request))

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Countersign, or refuse.

        Raises:
            CleanroomError: As the broker's own.
        """
        return self._ask(lambda: self.broker.commit(request))

    def entries(self, digests: Sequence[Digest]) -> tuple[bytes, ...]:
        """Give sealed state entries, in this order.

        Raises:
            CleanroomError: As the broker's own.
        """
        return self._ask(lambda: self.broker.entries(digests))

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        until = self.seconds() + self.patience.total_seconds()
        pause = FIRST_PAUSE
        while self.seconds() + pause < until:
            with contextlib.suppress(UnavailableError):
                return question()
            self.rest(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return question()
