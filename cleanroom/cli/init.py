# SPDX-License-Identifier: Apache-2.0
"""Create a party: its keys, its profile and its broker's home, then publish its document."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import directory_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options, read_new_passphrase
from cleanroom.cli.session import Command, current

_path = click.Path(path_type=Path)


@click.command(cls=Command, name="init")
@click.argument("name")
@directory_option
@click.option("--title", help="What people call the organisation; NAME if absent.")
@click.option("--signing-key", type=_path, help="Sign with this SSH key file.")
@click.option("--agent-key", type=_path, help="Sign with the ssh-agent's key of this .pub file.")
@click.option("--broker-address", help="Where the broker will listen; a Unix socket if absent.")
@passphrase_options
def command(
    *,
    name: str,
    room: Path,
    title: str | None,
    signing_key: Path | None,
    agent_key: Path | None,
    broker_address: str | None,
    source: PassphraseSource,
) -> None:
    """Create a party's keys and profile, and publish its document in the room."""
    from cleanroom import room as line
    from cleanroom.cli import new_party

    session = current()
    profile = found = new_party.find(session.config, name)
    if profile is None:
        new_party.require_free(room, name)
        passphrase = read_new_passphrase(source, subject=name)
        profile = line.create_party(
            session.config,
            name=name,
            title=title or name,
            passphrase=passphrase,
            broker_address=broker_address or new_party.default_address(session.config / name),
            signing=new_party.signing_choice(signing_key, agent_key, source, passphrase),
        )
    line.publish_party(profile, room)
    new_party.tell(session, profile, created=found is None)
