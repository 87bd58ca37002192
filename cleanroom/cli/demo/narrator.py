# SPDX-License-Identifier: Apache-2.0
"""Tell the story: numbered chapters, one line of explanation each, facts below it.

The story is the output of the demo, so it goes to stdout. With ``--json`` it is
collected and printed as one object at the end.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cleanroom.cli.session import Session

if TYPE_CHECKING:
    from rich.status import Status

WIDTH = 96
INDENT = "    "


class Narrator:
    """Print chapters as they happen and keep them for programs."""

    def __init__(self, session: Session) -> None:
        """Tell the story in the form that the session wants."""
        self.session = session
        self.chapters: list[dict[str, Any]] = []
        self._shown = not session.json and not session.quiet
        self._status: Status | None = None

    def chapter(self, title: str, why: str) -> None:
        """Begin a chapter: what happens, and why it must."""
        self.chapters.append({"title": title, "why": why, "facts": []})
        if self._shown:
            heading = f"{len(self.chapters):2}. {title}"
            with self._aside():
                click.echo()
                click.echo(self._styled(heading, bold=True))
                click.echo(_filled(f"{INDENT}{why}", _columns()))

    def fact(self, text: str, *, red: bool = False) -> None:
        """State something that has just been done or found."""
        self.chapters[-1]["facts"].append(text)
        if self._shown:
            # A pipe gets every line as it is.
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
            with self._aside():
                for line in text.splitlines():
                    click.echo(self._styled(_filled(f"{INDENT}{line}", width), red=red))

    def loud(self, text: str) -> None:
        """Print a warning that nobody may overlook."""
        if not self.session.json:
            bar = "!" * min(_columns(), len(text) + 4)
            with self._aside():
                said = self._styled(f"{bar}\n! {text} !\n{bar}", red=True)
                click.echo(said, err=self.session.quiet)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show that something takes a while, if somebody watches."""
        if not self._shown or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        console = Console(stderr=True, no_color=not self.session.color)
        with console.status(what) as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    @contextmanager
    def _aside(self) -> Iterator[None]:
        # The spinner stands on stderr, on the line where stdout would go on: whoever
        # writes takes it away first.
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()

    def _styled(self, text: str, *, bold: bool = False, red: bool = False) -> str:
        if not self.session.color or not sys.stdout.isatty():
            return text
        return click.style(text, bold=bold or red, fg="red" if red else None)


def _columns() -> int:
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def _filled(line: str, width: int) -> str:
    """Break a line between words, under its own indent; a digest stays whole."""
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
