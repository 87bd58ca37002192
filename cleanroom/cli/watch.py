# SPDX-License-Identifier: Apache-2.0
"""Follow a run that waits or works in a hub's queue."""

from __future__ import annotations

import click

from cleanroom.cli.options import named_room_option
from cleanroom.cli.session import Command, current


@click.command(cls=Command, name="watch")
@click.argument("run")
@click.option("--cancel", is_flag=True, help="End it, as its submitter.")
@named_room_option
def command(run: str, room: str, *, cancel: bool) -> None:
    """Show the stages of RUN in a hub's queue as they come, until it ends.

    What a hub tells is its word; the receipt is proof. Exits as the run did.
    """
    from cleanroom.cli.queued_runs import watch_run

    watch_run(current(), room, run, cancel=cancel)
