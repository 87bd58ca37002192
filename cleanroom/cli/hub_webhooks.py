# SPDX-License-Identifier: Apache-2.0
"""Who is told of a room's events, entered by the hub's operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from cleanroom.hub.hub import hub_home, room_home, room_names
from cleanroom.hub.index import RoomIndex
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.server.webhook_sender import key_name, open_webhook_key


def enter(directory: Path, room: str, url: str, *, remove: bool, private: bool) -> None:
    """Enter an address, or strike it out."""
    with _index(directory, room) as index, index.changing() as change:
        if remove:
            change.remove_webhook(url)
        else:
            change.add_webhook(url, private=private)


def tell(session: Session, directory: Path, room: str) -> None:
    """Print who is told how far, and the key by which they know the hub."""
    with _index(directory, room) as index:
        hooks = index.webhooks()
    key = open_webhook_key(hub_home(directory))
    public = encode_base64(key.public_key().public_bytes_raw())
    told = [{"url": hook.url, "after": hook.after, "failures": hook.failures} for hook in hooks]
    lines = [f"{hook.url} after {hook.after} failures {hook.failures}" for hook in hooks]
    value = {"room": room, "key": public, "keyid": key_name(key), "webhooks": told}
    session.emit(value, "\n".join([f"key ed25519:{public}", f"keyid {key_name(key)}", *lines]))


@contextmanager
def _index(directory: Path, room: str) -> Iterator[RoomIndex]:
    if room not in room_names(directory):
        raise UnavailableError(
            "hub: no such room", code="hub.no-room", hint="cleanroom hub admit makes it"
        )
    index = RoomIndex(room_home(directory, room))
    try:
        yield index
    finally:
        index.close()
