# SPDX-License-Identifier: Apache-2.0
"""How our short-lived processes begin and end: without work that only a long life repays."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from typing import NoReturn


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Load modules without looking for garbage among them; they stay until the end.

    A tenth of the time that hundreds of modules take to load is such looking.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Load modules as if some others were not installed; what is loaded already stays.

    Args:
        modules: Full names of modules that libraries take where they find them.
    """
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        # The import system's own way to say that there is none.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def leave(status: int) -> NoReturn:
    """End the process at once, after what was written has left.

    Everything that must be undone was undone by the block that did it. Taking modules apart one by
    one, which :func:`sys.exit` does, would only let whoever waits wait 0.1 s longer.

    Args:
        status: The exit status; 120, as Python gives it, if standard output is gone.
    """
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(status)
