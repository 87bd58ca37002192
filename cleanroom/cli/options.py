# SPDX-License-Identifier: Apache-2.0
"""Options that several nouns share, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cleanroom.kernel.digest import Digest

room_option = click.option(
    "--room",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="CLEANROOM_ROOM",
    default=Path("room"),
    show_default=True,
    help="The directory that the parties share.",
)

digest_option = click.option(
    "--digest",
    metavar="sha256:…",
    help="What was read; other bytes in the room are refused. Default: what lies there now.",
)

reason_option = click.option("--reason", default="", help="Why, in a sentence; it is signed.")


def chosen_digest(given: str | None, room: Path, relative: str) -> Digest:
    """Return the digest of what is to be signed: the one given, or the room's own.

    Raises:
        MalformedError: It is no digest.
        UnavailableError: There is no such document.
    """
    from cleanroom.contract.layout import RoomDirectory
    from cleanroom.kernel.digest import Digest

    if given is not None:
        return Digest.parse(given, what="--digest")
    return Digest.of(RoomDirectory(path=room).load(relative).data)


def split_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``name=value`` pairs.

    Raises:
        click.BadParameter: A pair without a name or an equals sign, or a name given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{pair!r} is not of the form name=value")
        if name in found:
            raise click.BadParameter(f"the parameter {name!r} is given twice")
        found[name] = value
    return found
