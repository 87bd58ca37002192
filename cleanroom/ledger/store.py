# SPDX-License-Identifier: Apache-2.0
"""The log's directory: whole files, in an order that survives a crash.

Tiles are written and synced before the checkpoint that needs them. Whatever
lies beyond the checkpoint after a crash belongs to no tree that was ever
signed, and the next append overwrites it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.kernel.files import (
    PRIVATE_FILE,
    read_limited,
    sync_directory,
    write_atomic,
    write_in_order,
)
from cleanroom.kernel.limits import MAX_NOTE_BYTES
from cleanroom.ledger.merkle import HASH_BYTES
from cleanroom.ledger.tiles import (
    CHECKPOINT,
    MAX_BUNDLE_BYTES,
    TILE_DIRECTORY,
    WIDTH,
    Bundle,
    Tile,
    split_entries,
    split_hashes,
)

LOCK_FILE = ".lock"


def lock_directory(directory: Path) -> int:
    """Take the log for this process alone; returns a descriptor that holds the lock.

    Two writers would sign two trees of one size, which is what a log must never
    do. The kernel drops the lock when the process dies, so a crash leaves none behind.

    Raises:
        UnavailableError: Another process or object writes this log, or the disk refuses.
    """
    make_directory(directory)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(directory / LOCK_FILE, flags, PRIVATE_FILE)
    except OSError as error:
        raise UnavailableError(
            f"log lock: cannot be opened: {os.strerror(error.errno or 0)}", code="file.unwritable"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UnavailableError(
            "log: another process writes it",
            code="ledger.locked",
            hint="stop the other broker of this party first",
        ) from None
    return descriptor


def make_directory(directory: Path) -> None:
    """Create a directory and everything above it durably.

    A synced file in a directory whose own name was never synced is lost with it.

    Raises:
        UnavailableError: The disk refuses.
    """
    if directory.is_dir():
        return
    make_directory(directory.parent)
    try:
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)
    except OSError as error:
        raise UnavailableError(
            f"log directory {directory.name}: cannot be made: {os.strerror(error.errno or 0)}",
            code="file.unwritable",
        ) from None


# An older copy would forget what others were shown since, and sign a second history.
DAMAGED_HINT = (
    "put no older copy in its place: `cleanroom broker backup` saves the memory, and "
    "`cleanroom broker restore` begins anew from it and the newest log that others hold"
)


class TileStore:
    """Read and write the files of one log; knows nothing of trees."""

    def __init__(self, directory: Path) -> None:
        """Keep the directory; nothing is opened."""
        self._directory = directory

    def is_new(self) -> bool:
        """Tell whether no log was ever here.

        Raises:
            IntegrityError: Tiles without a checkpoint. Starting over would sign a
                second history under the same name.
        """
        if (self._directory / CHECKPOINT).exists():
            return False
        if (self._directory / TILE_DIRECTORY).exists():
            raise IntegrityError(
                "log: tiles without a checkpoint",
                code="ledger.damaged",
                hint=DAMAGED_HINT,
            )
        return True

    def read_checkpoint(self) -> bytes:
        """Return the current signed note."""
        return read_limited(
            self._directory / CHECKPOINT, what="log checkpoint", limit=MAX_NOTE_BYTES
        )

    def write_checkpoint(self, note: bytes) -> None:
        """Write the signed note of a log that has no tiles yet."""
        write_atomic(self._directory / CHECKPOINT, note)

    def write(self, tiles: Sequence[tuple[Tile, bytes]], note: bytes) -> None:
        """Write tiles durably, then replace the signed note, which needs them."""
        files = {self._directory / tile.path: data for tile, data in tiles}
        for path in files:
            make_directory(path.parent)
        write_in_order([files, {self._directory / CHECKPOINT: note}])

    def drop_unfinished(self) -> None:
        """Remove what a writer that was killed had not given its name yet.

        Only under the lock: another writer's files would look the same. A leftover costs
        space and nothing else, so failures are ignored.
        """
        for path in self._directory.rglob(".*.tmp"):
            with suppress(OSError):
                path.unlink()

    def drop_partial(self, tile: Tile) -> None:
        """Remove the partial versions of a full tile, as the layout allows.

        They are copies of a prefix of the full tile: one that cannot be removed
        costs space and nothing else, so failures are ignored.
        """
        shutil.rmtree(self._directory / tile.partial_directory, ignore_errors=True)

    def read_hashes(self, tile: Tile) -> tuple[bytes, ...]:
        """Return the hashes of a tile, from its full version if the partial is gone."""
        what = f"log {tile.path}"
        data, width = self._read(tile, limit=WIDTH * HASH_BYTES)
        return split_hashes(data, width=width, what=what)[: tile.width]

    def read_entries(self, index: int, *, width: int) -> tuple[bytes, ...]:
        """Return the first ``width`` entries of a bundle."""
        tile = Tile(level=Bundle.ENTRIES, index=index, width=width)
        data, held = self._read(tile, limit=MAX_BUNDLE_BYTES)
        return split_entries(data, width=held, what=f"log {tile.path}")[:width]

    def _read(self, tile: Tile, *, limit: int) -> tuple[bytes, int]:
        full = Tile(level=tile.level, index=tile.index, width=WIDTH)
        for candidate in (tile, full):
            path = self._directory / candidate.path
            if path.is_file():
                data = read_limited(path, what=f"log {candidate.path}", limit=limit)
                return data, candidate.width
        raise IntegrityError(
            f"log: {tile.path} is missing",
            code="ledger.damaged",
            hint=DAMAGED_HINT,
        )
