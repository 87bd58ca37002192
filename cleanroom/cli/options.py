# SPDX-License-Identifier: Apache-2.0
"""Options that several nouns share, and how their values are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cleanroom.cli.session import current
from cleanroom.errors import CleanroomError, MalformedError

if TYPE_CHECKING:
    from cleanroom.kernel.digest import Digest

Function = Callable[..., None]
_ROOM = re.compile(r"\bROOM(?=/parties/)")

_room_directory = click.Path(path_type=Path, file_okay=False)
directory_option = click.option(
    "--room",
    type=_room_directory,
    envvar="CLEANROOM_ROOM",
    default=Path("room"),
    show_default=True,
    help="The directory that the parties share.",
)


def room_option(function: Function) -> Function:
    """Give a command a room: a directory, or one in a hub, which is mirrored meanwhile."""
    return _with_room(function, data=False)


def data_room_option(function: Function) -> Function:
    """Give a command a room with its sealed parts; others leave those in the hub."""
    return _with_room(function, data=True)


named_room_option = click.option(
    "--room",
    metavar="DIRECTORY|URL",
    envvar="CLEANROOM_ROOM",
    default="room",
    show_default=True,
    help="The directory that the parties share, or a room in a hub.",
)


def _with_room(function: Function, *, data: bool) -> Function:
    @named_room_option
    @wraps(function)
    def command(*args: Any, room: str, **kwargs: Any) -> None:  # noqa: ANN401 - the command's own
        with opened_room(room, data=data) as directory, hints_naming(directory):
            function(*args, room=directory, **kwargs)

    return command


@contextmanager
def hints_naming(room: Path) -> Iterator[None]:
    """Let hints of refusals name this room where they say ROOM, so that they run as typed."""
    try:
        yield
    except CleanroomError as error:
        error.hint = naming(room, error.hint)
        raise


def naming(room: Path, hint: str) -> str:
    """Write a room's path where a hint says ROOM."""
    return _ROOM.sub(lambda _: shlex.quote(str(room)), hint)


def is_in_hub(room: str) -> bool:
    """Tell whether a room is named by its address."""
    return room.startswith(("http://", "https://"))


def require_hub(room: str) -> None:
    """Refuse a directory where only a hub will do.

    Raises:
        MalformedError: It is a directory.
    """
    if not is_in_hub(room):
        raise MalformedError(
            "--room: a directory, agreed a room in a hub",
            code="room.url",
            hint="only a hub has a queue and events: --room https://hub.example:8443/ROOM",
        )


@contextmanager
def opened_room(room: str, *, data: bool) -> Iterator[Path]:
    """Give a room as a directory; one in a hub is pulled before and pushed after.

    Raises:
        CleanroomError: As :func:`cleanroom.mirror.mirror.mirrored`.
    """
    if not is_in_hub(room):
        directory: Path = _room_directory.convert(room, None, click.get_current_context())
        yield directory
        return
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.mirror.mirror import mirrored

    with mirrored(room, chosen_profile(current()), data=data) as directory:
        yield directory


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
