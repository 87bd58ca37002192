# SPDX-License-Identifier: Apache-2.0
"""Turn whatever stopped a command into two lines and an exit status.

People get ``error:`` and ``hint:`` on stderr. With ``--json``, programs get the
same words as one object on stdout. Nothing here adds a word to an error's own
message, because messages are composed where it is known that they hold no data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from traceback import walk_tb
from types import FrameType

import click

from cleanroom.cli.next_steps import next_step
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.kernel.plain_text import printable

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130


class NoTerminalError(click.UsageError):
    """Something must be asked, and there is nobody to ask."""

    def __init__(self, subject: str, *, hint: str) -> None:
        """Say what would have been asked, and how to give it without a prompt."""
        super().__init__(f"{subject}: not given, and there is no terminal to ask on")
        self.hint = hint


def wants_json(args: Sequence[str]) -> bool:
    """Tell whether errors go out as JSON.

    The raw arguments are read instead of the parsed ones, because a line that
    cannot be parsed must be answered in the form its writer asked for as well.
    """
    before_separator = list(args)[: list(args).index("--")] if "--" in args else args
    return "--json" in before_separator


def report_refusal(error: CleanroomError, *, as_json: bool) -> int:
    """Print an error of ours and return its exit status."""
    _report(
        code=error.code,
        message=error.message,
        hint=next_step(error),
        details=_details(error),
        as_json=as_json,
    )
    return error.exit_code


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Print what was wrong with the command line itself and return its status."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE_STATUS
    hint = str(getattr(error, "hint", "")) or _usage_hint(error)
    _report(code="usage", message=_first_lower(error), hint=hint, as_json=as_json)
    return USAGE_STATUS


def report_system(error: OSError, *, as_json: bool) -> int:
    """Print an operating system's refusal without the path that it names."""
    text = os.strerror(error.errno) if error.errno else "failed"
    unavailable = UnavailableError(
        f"system: {text[:1].lower()}{text[1:]}",
        code="system.failed",
        hint="cleanroom doctor",
    )
    return report_refusal(unavailable, as_json=as_json)


def report_defect(error: Exception, *, as_json: bool) -> int:
    """Say where the program itself failed; its own words may quote a value and are left out."""
    frames = [f"{frame.f_globals.get('__name__')} line {line}" for frame, line in _frames(error)]
    ours = [place for place in frames if place.startswith("cleanroom.")]
    defect = CleanroomError(
        f"program: {type(error).__name__} in {(ours or frames)[-1]}, agreed none",
        code="program.defect",
        hint="a defect of this program: report these two lines; they hold no data",
    )
    return report_refusal(defect, as_json=as_json)


def _frames(error: Exception) -> Iterator[tuple[FrameType, int]]:
    return walk_tb(error.__traceback__)


def report_interrupt(*, as_json: bool) -> int:
    """Say that the person stopped the command."""
    _report(code="interrupted", message="interrupted", hint="", as_json=as_json)
    return INTERRUPTED_STATUS


def _details(error: CleanroomError) -> dict[str, str]:
    # A refused query also says where, about which column, and which grant would admit it.
    found = {name: getattr(error, name, None) for name in ("place", "column", "grant")}
    return {name: str(value) for name, value in found.items() if value}


def _report(
    *, code: str, message: str, hint: str, as_json: bool, details: Mapping[str, str] | None = None
) -> None:
    more = details or {}
    if as_json:
        body = {"error": {"code": code, "message": message, "hint": hint, **more}}
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
        return
    # Others' words may stand in an error: a reason, a name in a room, what a service said.
    click.echo(f"error: {_shown(message)}", err=True)
    if hint:
        click.echo(f"hint: {_shown(hint)}", err=True)
    if "grant" in more:
        click.echo(f"grant: {more['grant']}", err=True)


def _shown(words: str) -> str:
    return "\n".join(printable(line) for line in words.split("\n"))


def _first_lower(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else "cleanroom --help"
