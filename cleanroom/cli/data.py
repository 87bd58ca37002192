# SPDX-License-Identifier: Apache-2.0
"""Datasets of the acting party: sealed into the room, opened at home."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.progress import progress
from cleanroom.cli.session import Group, current

_path = click.Path(path_type=Path)


@click.group(cls=Group, name="data")
def command() -> None:
    """Seal, open, list, inspect and delete datasets."""


@command.command()
@click.argument("files", nargs=-1, required=True, type=_path)
@click.option("--policy", "policies", multiple=True, required=True, type=_path, help="One a file.")
@click.option("--normalise", multiple=True, metavar="COLUMN=RULE", help="Identifier rule.")
@room_option
@passphrase_options
def seal(
    *,
    files: tuple[Path, ...],
    policies: tuple[Path, ...],
    normalise: tuple[str, ...],
    room: Path,
    source: PassphraseSource,
) -> None:
    """Seal CSV or Parquet FILES, each under its output policy.

    A file goes with the policy of the same table name, or else in the order given.
    Rules: email-sha256, phone-e164-sha256, trim-lower; TABLE.COLUMN=RULE names one table.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_profile
    from cleanroom.cli.sealing import describe_all, plan

    session = current()
    orders = plan(files, policies, normalise)
    profile = chosen_profile(session)
    unlocked = unlock_profile(profile, source)
    sealed = []
    for order in orders:
        with progress(session, f"sealing {order.source.name}") as report:
            dataset = line.seal(
                profile,
                unlocked,
                source=order.source,
                policy=order.policy,
                room=room,
                normalisation=order.normalisation,
                progress=report,
            )
        sealed.append(dataset)
    describe_all(session, sealed)
