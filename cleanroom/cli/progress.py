# SPDX-License-Identifier: Apache-2.0
"""How far long work has come: one line on stderr, only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cleanroom.cli.session import Session


class Progress(Protocol):
    """What a long stage calls: bytes or steps done, and in all (0 if unknown)."""

    def __call__(self, done: int, total: int) -> None:
        """Report how far the work has come."""


def say_nothing(done: int, total: int) -> None:
    """Report nothing, for pipes and programs."""
    del done, total


@contextmanager
def progress(session: Session, title: str) -> Iterator[Progress]:
    """Show a bar while the block runs, if a person is watching.

    Args:
        session: Whose output it is; quiet sessions and JSON get no bar.
        title: What is being done, in two or three words.
    """
    if session.quiet or session.json or not sys.stderr.isatty():
        yield say_nothing
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True, no_color=not session.color), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield report
