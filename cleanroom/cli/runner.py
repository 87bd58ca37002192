# SPDX-License-Identifier: Apache-2.0
"""The runner of this host: what an owner can watch before its data comes here."""

from __future__ import annotations

import click

from cleanroom.cli.session import Command, current

LEVELS = ("self", "full")


@click.group(name="runner")
def command() -> None:
    """Look at the runner of this host."""


@command.command(cls=Command, name="self-test")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help="Test this level alone; refused where the host does not offer it.",
)
@click.pass_context
def self_test(ctx: click.Context, level: str | None) -> None:
    """Make every escape attempt at every level; exits with 1 if one reaches anything.

    Each attempt also runs without a kernel sandbox where that harms nothing: a block is
    worth most where the same attempt reaches something unconfined.
    """
    from cleanroom.cli.self_testing import watch_self_test

    ctx.exit(0 if watch_self_test(current(), level=level) else 1)
