# SPDX-License-Identifier: Apache-2.0
"""The runner of this host: what an owner can watch before its data comes here."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.session import Command, current

LEVELS = ("self", "full")
_path = click.Path(path_type=Path)


@click.group(name="runner")
def command() -> None:
    """Look at the runner of this host, and name what a contract lists for it."""


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


@command.command(cls=Command)
@click.option("--lock", type=_path, help="The lock file it was installed from.")
@click.option("--image", type=_path, help="The image it runs in: a kernel image, an archive.")
@click.option("--files", is_flag=True, help="List every measured file with its digest.")
def measure(*, lock: Path | None, image: Path | None, files: bool) -> None:
    """Print the digests of this runner; any machine with the same versions prints the same."""
    from cleanroom.cli.measuring import print_measurement

    print_measurement(current(), lock=lock, image=image, files=files)
