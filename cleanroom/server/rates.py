# SPDX-License-Identifier: Apache-2.0
"""How often one caller may ask: a token bucket for each.

Whoever asks too often is told to come back; everybody else is answered as if
nothing had happened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from cleanroom.errors import UnavailableError
from cleanroom.kernel.record import dataclass

MAX_CALLERS = 4096
TOO_MANY = "broker.too-many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often one caller may ask.

    Attributes:
        per_second: Requests a second, on average.
        burst: Requests at once, after a rest.
    """

    per_second: float
    burst: int


class RateLimit:
    """One bucket a caller; the callers that asked longest ago are forgotten first."""

    def __init__(self, rate: Rate, *, seconds: Callable[[], float]) -> None:
        """Begin with full buckets.

        Args:
            rate: How often each caller may ask.
            seconds: A clock that never goes back.
        """
        self._rate = rate
        self._seconds = seconds
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._turn = Lock()

    def take(self, caller: str) -> None:
        """Count one request of a caller.

        Raises:
            UnavailableError: It has asked too often.
        """
        with self._turn:
            now = self._seconds()
            left, since = self._buckets.pop(caller, (float(self._rate.burst), now))
            left = min(float(self._rate.burst), left + (now - since) * self._rate.per_second)
            allowed = left >= 1
            self._buckets[caller] = (left - 1 if allowed else left, now)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        if not allowed:
            raise UnavailableError(
                f"request: more than {self._rate.per_second:g} requests a second from one caller",
                code=TOO_MANY,
                hint="try again in a few seconds",
            )
