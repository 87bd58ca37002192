# SPDX-License-Identifier: Apache-2.0
"""Tell the story: numbered chapters, one line of explanation each, facts below it.

The story is the output of the demo, so it goes to stdout. With ``--json`` it is
collected and printed as one object at the end.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cleanroom.cli.session import Session

WIDTH = 96
INDENT = "    "


class Narrator:
    """Print chapters as they happen and keep them for programs."""

    def __init__(self, session: Session) -> None:
        """Tell the story in the form that the session wants."""
        self.session = session
        self.chapters: list[dict[str, Any]] = []
        self._shown = not session.json and not session.quiet

    def chapter(self, title: str, why: str) -> None:
        """Begin a chapter: what happens, and why it must."""
        self.chapters.append({"title": title, "why": why, "facts": []})
        if self._shown:
            heading = f"{len(self.chapters):2}. {title}"
            click.echo()
            click.echo(self._styled(heading, bold=True))
            click.echo(textwrap.fill(why, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))

    def fact(self, text: str, *, red: bool = False) -> None:
        """State something that has just been done or found."""
        self.chapters[-1]["facts"].append(text)
        if self._shown:
            for line in text.splitlines():
                click.echo(self._styled(f"{INDENT}{line}", red=red))

    def loud(self, text: str) -> None:
        """Print a warning that nobody may overlook."""
        if not self.session.json:
            bar = "!" * min(WIDTH, len(text) + 4)
            click.echo(self._styled(f"{bar}\n! {text} !\n{bar}", red=True), err=self.session.quiet)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show that something takes a while, if somebody watches."""
        if not self._shown or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        console = Console(stderr=True, no_color=not self.session.color)
        with console.status(what):
            yield

    def _styled(self, text: str, *, bold: bool = False, red: bool = False) -> str:
        if not self.session.color or not sys.stdout.isatty():
            return text
        return click.style(text, bold=bold or red, fg="red" if red else None)
