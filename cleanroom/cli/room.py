# SPDX-License-Identifier: Apache-2.0
"""Mirrors of rooms in a hub: directories that are pulled, used and pushed."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import named_room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Group, current

_directory = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
_data = click.option("--without-data", is_flag=True, help="Leave sealed parts in the hub.")


@click.group(cls=Group, name="room")
def command() -> None:
    """Clone, pull and push a room that a hub keeps, and hear what happens there."""


@command.command()
@passphrase_options
def login(source: PassphraseSource) -> None:
    """Sign for a key that asks hubs in this party's name for twelve hours."""
    from cleanroom.cli.acting import chosen_profile, unlock_signer
    from cleanroom.kernel.clock import format_time, system_clock
    from cleanroom.mirror.login import log_in

    session = current()
    profile = chosen_profile(session)
    expires = log_in(profile, unlock_signer(profile, source), at=system_clock())
    value = {"party": profile.name, "expires": format_time(expires)}
    session.emit(value, f"{profile.name} until {format_time(expires)}")


@command.command()
@click.argument("url")
@_directory
@_data
def clone(url: str, directory: Path, *, without_data: bool) -> None:
    """Make DIRECTORY a mirror of the room at URL, and put this party's document there."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.mirror.mirror import Mirror

    mirror = Mirror(path=directory, profile=chosen_profile(current()))
    _tell(mirror.clone(url, data=not without_data))


@command.command()
@_directory
@_data
@click.option("--again", is_flag=True, help="Compare everything; after a hub was restored.")
def pull(directory: Path, *, without_data: bool, again: bool) -> None:
    """Take what is new in the hub, if it verifies."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.mirror.mirror import Mirror

    mirror = Mirror(path=directory, profile=chosen_profile(current()))
    _tell(mirror.pull(data=not without_data, again=again))


@command.command()
@_directory
def push(directory: Path) -> None:
    """Give the hub what this party made in DIRECTORY."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.mirror.mirror import Mirror

    mirror = Mirror(path=directory, profile=chosen_profile(current()))
    _tell(mirror.push())


@command.command()
@named_room_option
@click.option("--after", type=click.IntRange(min=0), help="Begin after this event; else now.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many.")
def events(room: str, *, after: int | None, count: int | None) -> None:
    """Tell what happens in a room of a hub as it happens: kinds, names and digests.

    Nothing of it is signed: an event says where to look. With --json one object a line.
    """
    from cleanroom.cli.hearing import tell_events

    tell_events(current(), room, after=after, most=count)


def _tell(changed: tuple[str, ...]) -> None:
    session = current()
    session.emit({"changed": list(changed)}, "\n".join(changed))
    session.note(f"{len(changed)} files")
