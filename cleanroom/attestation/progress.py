# SPDX-License-Identifier: Apache-2.0
"""Which checks held before one did not, for whoever reads a refusal.

A verifier returns claims or raises; how far it came would be lost with the exception.
It names each step of its numbered list as the step holds. Nobody decides anything by
that: without a listener the words go nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LISTENER: ContextVar[list[str] | None] = ContextVar("steps", default=None)


def held(step: str) -> None:
    """Name a step that held."""
    steps = _LISTENER.get()
    if steps is not None:
        steps.append(step)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the steps that hold meanwhile, in order."""
    steps: list[str] = []
    token = _LISTENER.set(steps)
    try:
        yield steps
    finally:
        _LISTENER.reset(token)
