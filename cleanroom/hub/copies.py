# SPDX-License-Identifier: Apache-2.0
"""Copies of a hub: made while it serves, put back whole or not at all.

A copy holds what parties can bring again, and saves them the trouble. An old copy that is
put back hides nothing: mirrors notice that the room went back, and push what it lacks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.hub.hub import hub_home, room_home, room_names
from cleanroom.hub.index import INDEX_FILE, RoomIndex
from cleanroom.hub.objects import ObjectStore, Storage
from cleanroom.hub.stored_room import MEMBERS
from cleanroom.identity.private_files import (
    exclusive_lock,
    make_private_directory,
    write_new_private_file,
)
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PRIVATE_FILE, read_limited, sync_directory
from cleanroom.kernel.limits import MAX_PARTY_BYTES, MIB
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * MIB
_WEBHOOK_KEY = "webhook.key"
_PIECE = MIB
_FORMAT = "cleanroom.hub-copy.v0"


class _ManifestWire(WireModel):
    format: Literal["cleanroom.hub-copy.v0"]
    files: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]{0,255}$")], str]


def copy_hub(directory: Path, target: Path, *, storage: Storage) -> tuple[str, ...]:
    """Copy a hub to a new directory; it may be serving.

    Args:
        directory: The hub's.
        target: Made; nothing may be there.
        storage: Where the hub keeps objects.

    Returns:
        The names of the rooms.

    Raises:
        RefusedError: The target exists.
        IntegrityError: An object is not what its name says.
        UnavailableError: The disk or the store refuses, or something is missing.
    """
    with _growing(target) as growing:
        for room in room_names(directory):
            _copy_room(directory, growing, room, storage=storage)
        key = hub_home(directory) / _WEBHOOK_KEY
        if key.is_file():
            make_private_directory(hub_home(growing))
            write_new_private_file(hub_home(growing) / _WEBHOOK_KEY, key.read_bytes())
        files = {str(path.relative_to(growing)): path for path in _files(growing)}
        manifest = {place: str(_digest_of(path)) for place, path in sorted(files.items())}
        write_new_private_file(
            growing / MANIFEST, canonical_json({"format": _FORMAT, "files": dict(manifest)})
        )
    return room_names(target)


def restore_hub(copy: Path, directory: Path, *, storage: Storage) -> tuple[str, ...]:
    """Make a hub of a copy, in a directory that does not exist yet.

    Raises:
        MalformedError: No copy of a hub.
        IntegrityError: Something in it was changed, is missing, or was added.
        RefusedError: The directory exists.
        UnavailableError: The disk or the store refuses.
    """
    data = read_limited(copy / MANIFEST, what=MANIFEST, limit=MAX_MANIFEST_BYTES)
    written = parse_json(data, what=MANIFEST, limit=MAX_MANIFEST_BYTES)
    wire = validate_shape(_ManifestWire, written, what=MANIFEST)
    with _growing(directory) as growing:
        for place, agreed in wire.files.items():
            if ".." in place.split("/"):
                raise MalformedError(f"{MANIFEST}: a place outside", code="hub.copy")
            make_private_directory((growing / place).parent)
            shutil.copyfile(copy / place, growing / place)
            (growing / place).chmod(PRIVATE_FILE)
            # What was copied is judged, not what lay there a moment before.
            Digest.parse(agreed, what=MANIFEST).require(_digest_of(growing / place), what=place)
        for room in room_names(growing):
            home = room_home(growing, room)
            for digest in _listed(home / INDEX_FILE):
                move_object(digest, ObjectStore(home), storage(home, room))
    return room_names(directory)


def migrate_hub(directory: Path, *, source: Storage, target: Storage) -> int:
    """Bring all objects of a hub into another store; what the old one holds stays there.

    The hub must not be serving. Whatever was interrupted goes on when it is called again.

    Returns:
        How many objects there are.

    Raises:
        IntegrityError: An object is not what its name says.
        UnavailableError: The hub is serving, or a store refuses.
    """
    moved = 0
    make_private_directory(hub_home(directory))
    with exclusive_lock(hub_home(directory)):
        for room in room_names(directory):
            home = room_home(directory, room)
            RoomIndex(home).close()  # brings its tables to the present form
            here, there = source(home, room), target(home, room)
            for digest in _listed(home / INDEX_FILE):
                move_object(digest, here, there)
                moved += 1
    return moved


def move_object(digest: Digest, source: ObjectStore, target: ObjectStore) -> None:
    """Bring one object into another store, unless it is there.

    Raises:
        IntegrityError: It is not what its name says.
        UnavailableError: A store refuses.
    """
    if target.holds(digest):
        return
    with target.receive(digest) as incoming:
        incoming.write(source.read(digest))
        incoming.finish()


def _copy_room(directory: Path, growing: Path, room: str, *, storage: Storage) -> None:
    home, copied = room_home(directory, room), room_home(growing, room)
    make_private_directory(copied / MEMBERS)
    for document in sorted((home / MEMBERS).glob("*.toml")):
        data = read_limited(document, what=document.name, limit=MAX_PARTY_BYTES)
        write_new_private_file(copied / MEMBERS / document.name, data)
    if not (home / INDEX_FILE).is_file():
        return
    # SQLite's own copy: whole at one moment, whatever is written meanwhile.
    with (
        closing(sqlite3.connect(f"{(home / INDEX_FILE).as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copied / INDEX_FILE)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    (copied / INDEX_FILE).chmod(PRIVATE_FILE)
    here, there = storage(home, room), ObjectStore(copied)
    for digest in _listed(copied / INDEX_FILE):
        move_object(digest, here, there)


def _listed(index: Path) -> list[Digest]:
    if not index.is_file():
        return []
    with closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT digest FROM object ORDER BY digest").fetchall()
    return [Digest(raw) for (raw,) in rows]


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _digest_of(path: Path) -> Digest:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    return Digest(hashed.digest())


@contextmanager
def _growing(target: Path) -> Iterator[Path]:
    """Make a directory beside its place, which it takes whole when the block ends."""
    if os.path.lexists(target):
        raise RefusedError(
            f"{target.name}: exists already",
            code="file.exists",
            hint="choose another place; nothing is written over",
        )
    growing = target.with_name(f".{target.name}.new")
    shutil.rmtree(growing, ignore_errors=True)
    try:
        make_private_directory(growing)
        yield growing
        growing.rename(target)
        sync_directory(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise UnavailableError(
            f"{target.name}: cannot be written, or its source not read",
            code="hub.copy-disk",
            hint="check the disk and the space left, then begin again",
        ) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
