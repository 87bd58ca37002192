# SPDX-License-Identifier: Apache-2.0
"""Sign a run request, start a runner, and verify what it hands back."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import data_room_option, split_parameters
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Command, current


@click.command(cls=Command, name="run")
@click.argument("query")
@click.option("--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Once a parameter.")
@click.option("--receiver", "receivers", multiple=True, help="Fewer receivers than the query has.")
@data_room_option
@passphrase_options
def command(
    *,
    query: str,
    pairs: tuple[str, ...],
    receivers: tuple[str, ...],
    room: Path,
    source: PassphraseSource,
) -> None:
    """Run QUERY, verify the receipt, and print the result if it is for this party."""
    from cleanroom.runner.launch import waiting_runner

    session, parameters = current(), split_parameters(pairs)
    # Runner, keys and this process's own modules load side by side.
    with waiting_runner() as runner:
        from cleanroom.cli.acting import chosen_profile, opening_keys

        profile = chosen_profile(session)
        with opening_keys(profile, source) as keys:
            from cleanroom import room as line
            from cleanroom.cli.running import RunPrinter

            printer = RunPrinter(session)
            verified = line.run_query(
                profile,
                keys.signer(),
                room=room,
                query=query,
                parameters=parameters,
                receivers=receivers,
                progress=printer.stage,
                runner=runner,
            )
            printer.finish(verified, profile=profile, keys=keys, room=room)
