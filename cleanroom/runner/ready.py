# SPDX-License-Identifier: Apache-2.0
"""Runners that have loaded before there is a job for them.

Loading is most of what a small query costs. A runner that waits knows nothing, holds
nothing and serves one job like any other; its code was measured when it loaded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from cleanroom.runner.launch import WaitingRunner, ready_runner


class ReadyRunners:
    """Keeps some runners waiting, from the beginning of the block to its end."""

    def __init__(
        self,
        count: int,
        *,
        start: Callable[[], AbstractContextManager[WaitingRunner]] = ready_runner,
    ) -> None:
        """Take how many wait.

        Args:
            count: How many; none means that each job starts its own.
            start: Starts a runner and ends it with its block.
        """
        self._count = count
        self._start = start
        self._guard = Lock()
        self._waiting: deque[tuple[ExitStack, WaitingRunner]] = deque()
        self._is_open = False

    def __enter__(self) -> Self:
        """Start them; they load while the caller goes on."""
        self._is_open = True
        self._fill()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End those that wait; a runner at work ends with its own block."""
        with self._guard:
            self._is_open = False
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        for life, _ in waiting:
            life.close()

    @contextmanager
    def runner(self) -> Iterator[WaitingRunner]:
        """Give a runner for one job; another takes its place when the job has ended."""
        life, runner = self._take()
        try:
            with life:
                yield runner
        finally:
            # Not before: while it loads, it would take the processor from the job.
            self._fill()

    def _take(self) -> tuple[ExitStack, WaitingRunner]:
        with self._guard:
            while self._waiting:
                life, runner = self._waiting.popleft()
                if runner.is_alive:
                    return life, runner
                life.close()
        return self._started()

    def _fill(self) -> None:
        with self._guard:
            while self._is_open and len(self._waiting) < self._count:
                self._waiting.append(self._started())

    def _started(self) -> tuple[ExitStack, WaitingRunner]:
        life = ExitStack()
        return life, life.enter_context(self._start())
