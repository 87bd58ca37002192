# SPDX-License-Identifier: Apache-2.0
"""How much of a service one party may take at once, so that no party takes all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cleanroom.errors import UnavailableError


class Turns:
    """How many requests of each party are being answered."""

    def __init__(self, most: int) -> None:
        """Let each have at most so many."""
        self._most = most
        self._open: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def take(self, room: str, party: str) -> Iterator[None]:
        """Count one request while the block runs.

        Raises:
            UnavailableError: The party has too many open.
        """
        key = room, party
        if self._open[key] >= self._most:
            raise UnavailableError(
                f"hub: more than {self._most} requests of one party at once",
                code="hub.at-once",
                hint="try again in a few seconds",
            )
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
