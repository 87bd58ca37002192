# SPDX-License-Identifier: Apache-2.0
"""Ask before an act that cannot be taken back."""

from __future__ import annotations

import click

from cleanroom.cli.failure import NoTerminalError
from cleanroom.cli.session import Session


def confirm_by_typing(session: Session, what: str, *, answer: str, yes: bool) -> None:
    """Let a person type the name of what will be gone; a key pressed by habit is not enough.

    Raises:
        click.Abort: Something else was typed.
        click.UsageError: There is no terminal and ``--yes`` was not given.
    """
    if yes:
        return
    if not session.interactive:
        raise NoTerminalError("confirmation", hint="add --yes if you are sure")
    typed: str = click.prompt(f"This cannot be taken back. Type {answer} to go on", err=True)
    if typed.strip() != answer:
        click.echo(f"not confirmed: {what}", err=True)
        raise click.Abort
