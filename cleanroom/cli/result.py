# SPDX-License-Identifier: Apache-2.0
"""Results that were sealed for the acting party."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Group, current


@click.group(cls=Group, name="result")
def command() -> None:
    """Open a sealed result that was made for this party."""


@command.command()
@click.argument("run")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A .csv or .json file.")
@room_option
@passphrase_options
def get(run: str, output: Path | None, room: Path, source: PassphraseSource) -> None:
    """Verify the receipt of RUN, then open its result."""
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_seeds
    from cleanroom.cli.results import describe, receipt_of, render_result, save_result
    from cleanroom.identity.pins import load_pins

    session = current()
    profile = chosen_profile(session)
    seeds = unlock_seeds(profile, source)
    trust = load_pins(profile.pins_directory)
    verified = line.verify(receipt_of(room, run), trust=trust)
    table = line.open_result(profile, seeds, verified, room=room)
    if output is not None:
        save_result(table, output)
        session.note(f"written to {output}")
        return
    session.emit({"run": run, **describe(table)}, render_result(session, table))
