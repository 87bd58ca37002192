# SPDX-License-Identifier: Apache-2.0
"""Sign a run request, start a runner or ask a hub for one, and verify what comes back."""

from __future__ import annotations

import click

from cleanroom.cli.options import is_in_hub, named_room_option, split_parameters
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Command, current


@click.command(cls=Command, name="run")
@click.argument("query")
@click.option("--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Once a parameter.")
@click.option("--receiver", "receivers", multiple=True, help="Fewer receivers than the query has.")
@click.option("--no-wait", is_flag=True, help="In a hub: leave once the request is in the queue.")
@click.option("--here", is_flag=True, help="In a hub: run on this machine all the same.")
@named_room_option
@passphrase_options
def command(
    *,
    query: str,
    pairs: tuple[str, ...],
    receivers: tuple[str, ...],
    no_wait: bool,
    here: bool,
    room: str,
    source: PassphraseSource,
) -> None:
    """Run QUERY, verify the receipt, and print the result if it is for this party.

    In a room of a hub whose contract names an operator, the request waits for one of
    its runners; everywhere else the runner starts on this machine.
    """
    from cleanroom.cli.running import Wanted, run_here

    session = current()
    wanted = Wanted(query=query, parameters=split_parameters(pairs), receivers=receivers)
    if is_in_hub(room) and not here:
        # Only here: a run on this machine speaks to no hub, and loads nothing that does.
        from cleanroom.cli.queued_runs import has_operator, run_in_hub

        if has_operator(session, room):
            run_in_hub(session, room, wanted, source=source, wait=not no_wait)
            return
    if no_wait:
        raise click.UsageError("--no-wait needs a room in a hub whose contract names an operator")
    run_here(session, room, wanted, source=source)
