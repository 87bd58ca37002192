# SPDX-License-Identifier: Apache-2.0
"""Results that were sealed for the acting party."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import room_option
from cleanroom.cli.passphrase import PassphraseSource, opening_options
from cleanroom.cli.session import Group, current


@click.group(cls=Group, name="result")
def command() -> None:
    """Open a sealed result that was made for this party."""


@command.command()
@click.argument("run")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A .csv or .json file.")
@click.option(
    "--spreadsheet", is_flag=True, help="In a .csv: no text of the data becomes a formula."
)
@room_option
@opening_options
def get(
    run: str, output: Path | None, room: Path, source: PassphraseSource, *, spreadsheet: bool
) -> None:
    """Verify the receipt of RUN, then open its result.

    A .csv holds text as it was released, for programs. --spreadsheet puts an apostrophe before
    text that a spreadsheet would take for a formula.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_seeds
    from cleanroom.cli.results import deliver, receipt_of
    from cleanroom.identity.pins import load_pins

    session = current()
    profile = chosen_profile(session)
    seeds = unlock_seeds(profile, source)
    trust = load_pins(profile.pins_directory)
    verified = line.verify(receipt_of(room, run), trust=trust)
    table = line.open_result(profile, seeds, verified, room=room)
    deliver(
        session,
        table,
        run=run,
        banner=verified.body.banner,
        output=output,
        for_spreadsheet=spreadsheet,
    )
