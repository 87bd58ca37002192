# SPDX-License-Identifier: Apache-2.0
"""What holds for one call of the command line: profile, form of output, colour.

The four global options may stand before or after the command's name, because
people append ``--json`` to the line they have just run.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The global options of one call.

    Attributes:
        profile: Name of the profile asked for; empty means the only one there is.
        json: Print one JSON object on stdout instead of text.
        quiet: Print no notes on stderr.
        color: Colours are allowed where the output is a terminal.
    """

    profile: str = ""
    json: bool = False
    quiet: bool = False
    color: bool = True

    @property
    def config(self) -> Path:
        """The directory that holds this user's profiles."""
        from cleanroom.identity.homes import config_directory

        return config_directory(os.environ)

    @property
    def interactive(self) -> bool:
        """Whether somebody can be asked something."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.json

    def emit(self, value: Mapping[str, Any], text: str) -> None:
        """Print the result of a command: JSON for programs, text for people."""
        if self.json:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2))
        elif text:
            click.echo(text)

    def note(self, text: str) -> None:
        """Tell a person what happens; never part of the command's data."""
        if not self.quiet and not self.json:
            click.echo(text, err=True)


def current() -> Session:
    """Return the session of the command that runs now."""
    found: Session = click.get_current_context().obj
    return found


def colour_allowed(environ: Mapping[str, str]) -> bool:
    """Obey ``NO_COLOR`` (any non-empty value) and dumb terminals."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Command(click.Command):
    """A command that also takes the global options after its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as click declares it
        """Append the global options to the command's own."""
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())


class Group(click.Group):
    """A noun: a group whose commands take the global options."""

    command_class = Command


def global_options() -> list[click.Option]:
    """Make the four options that every command understands."""
    return [
        click.Option(
            ["-p", "--profile"],
            envvar="CLEANROOM_PROFILE",
            metavar="NAME",
            expose_value=False,
            callback=_set("profile"),
            help="Profile to act as; needed only if there are several.",
        ),
        _switch("--json", _set("json"), "Print one JSON object on stdout, errors too."),
        _switch("-q", _set("quiet"), "Print results and errors only.", "--quiet"),
        _switch("--no-color", _clear_color, "Never colour the output."),
    ]


_Callback = Callable[[click.Context, click.Parameter, Any], None]


def _switch(name: str, callback: _Callback, text: str, *names: str) -> click.Option:
    return click.Option(
        [name, *names], is_flag=True, expose_value=False, callback=callback, help=text
    )


def _session_of(ctx: click.Context) -> Session:
    if isinstance(ctx.obj, Session):
        return ctx.obj
    return Session(color=colour_allowed(os.environ))


def _set(field: str) -> _Callback:
    def callback(ctx: click.Context, _param: click.Parameter, value: Any) -> None:  # noqa: ANN401
        session = _session_of(ctx)
        ctx.obj = replace(session, **{field: value}) if value else session

    return callback


def _clear_color(ctx: click.Context, _param: click.Parameter, value: Any) -> None:  # noqa: ANN401
    session = _session_of(ctx)
    ctx.obj = replace(session, color=False) if value else session
