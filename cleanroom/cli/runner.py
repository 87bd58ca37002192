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
    """Serve as a runner, look at this host's, and name what a contract lists for it."""


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


@command.command(cls=Command)
@click.option(
    "--room", "rooms", multiple=True, required=True, metavar="URL", help="Once for each room."
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Most runs at a time.",
)
@click.option(
    "--ready",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="How many runners wait, loaded, for the next job; each keeps some 100 MB.",
)
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long runs that hold keys may go on after SIGTERM.",
)
@click.option("--stop-with-stdin", is_flag=True, help="End when standard input is closed.")
def serve(
    rooms: tuple[str, ...], *, at_once: int, ready: int, grace: int, stop_with_stdin: bool
) -> None:
    """Take jobs from the queues of rooms in hubs and run them, until interrupted.

    Acts for a party that the rooms' contracts call operator, with the key of its last
    `cleanroom room login`; no passphrase is asked for and no other key is opened.
    """
    from cleanroom.cli.lifeline import end_with_stdin
    from cleanroom.cli.serving_runs import serve_rooms

    if stop_with_stdin:
        end_with_stdin()
    serve_rooms(current(), rooms, at_once=at_once, ready=ready, grace=grace)
