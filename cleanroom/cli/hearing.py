# SPDX-License-Identifier: Apache-2.0
"""Tell what happens in a hub's room as it happens, one line an event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import click

from cleanroom.cli.acting import chosen_profile
from cleanroom.cli.options import require_hub
from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from cleanroom.hub.events import Event
from cleanroom.identity.authorities import load_authorities
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.clock import system_clock
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.events import Position, follow
from cleanroom.mirror.login import kept_introduction

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
Hear = Callable[[int | None], Iterator[Event | Position]]


def tell_events(session: Session, room: str, *, after: int | None, most: int | None) -> None:
    """Print a room's events until so many were told, or for ever.

    Raises:
        MalformedError: The room is a directory.
        UnavailableError: The hub does not answer the first time.
        CleanroomError: The hub refuses.
    """
    require_hub(room)
    profile = chosen_profile(session)
    caller = kept_introduction(profile, at=system_clock())
    authorities = load_authorities(profile.directory.parent)
    with HubClient(room, caller=caller, authorities=authorities) as client:
        heard = again_and_again(
            lambda last: follow(client, after=last), after=after, tell=session.note
        )
        left = most
        while left is None or left > 0:
            item = next(heard)
            if isinstance(item, Position):
                _tell_position(session, item)
                continue
            _tell_event(session, item)
            left = None if left is None else left - 1


def again_and_again(
    hear: Hear,
    *,
    after: int | None,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event | Position]:
    """Hear one stream after another, each from where the last one ended.

    A hub ends every stream after some minutes, and is away while it restarts; only one
    that never answered at all is an error.

    Args:
        hear: Opens a stream after an event; ``None`` begins now.
        after: Where to begin.
        tell: Takes a sentence when the hub is away.
        sleep: Waits.

    Raises:
        UnavailableError: The hub did not answer the first time.
    """
    last, pause, answered = after, FIRST_PAUSE, False
    while True:
        try:
            for item in hear(last):
                answered, pause = True, FIRST_PAUSE
                last = item.after if isinstance(item, Position) else item.number
                yield item
        except UnavailableError as error:
            if not answered:
                raise
            tell(f"{error.message}; asking again")
        # Also after an orderly end: a hub that ends every stream at once is not flooded.
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _tell_position(session: Session, position: Position) -> None:
    if position.gap:
        session.note(
            f"events up to {position.after} are gone: `cleanroom room pull` takes what they told"
        )


def _tell_event(session: Session, event: Event) -> None:
    digest = "" if event.digest is None else str(event.digest)
    if session.json:
        value: dict[str, JSONValue] = {
            "number": event.number,
            "kind": event.kind.value,
            "subject": event.subject,
            "digest": digest,
            "at": event.at,
        }
        click.echo(json.dumps(value))
        return
    words = (str(event.number), event.at, event.kind.value, event.subject, digest)
    click.echo(" ".join(word for word in words if word))
