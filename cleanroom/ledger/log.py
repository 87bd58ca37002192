# SPDX-License-Identifier: Apache-2.0
"""An append-only log in one directory, durable before an append returns.

One process writes it; anybody may read the files. Each append signs a new
checkpoint, so an answer can carry the proof that it was logged before it left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.errors import UnavailableError
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.checkpoint import Checkpoint, verify_checkpoint
from cleanroom.ledger.edge import Edge, load_edge, stored_subtrees
from cleanroom.ledger.merkle import EMPTY_ROOT
from cleanroom.ledger.paths import Subtree, consistency_path, inclusion_path
from cleanroom.ledger.store import TileStore, lock_directory
from cleanroom.ledger.tiles import WIDTH, Bundle, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """Where an entry stands, with a checkpoint and a proof that belong together."""

    index: int
    checkpoint: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Current:
    """What the directory holds now: the edge, the signed note over it, and how to prove it."""

    edge: Edge
    note: bytes
    subtree: Subtree


class TileLog(Closing):
    """A log that one process appends to.

    A failed write leaves the process unsure what is on disk, so the next use
    reads the directory again instead of signing a second tree of the same size.
    """

    def __init__(self, directory: Path, *, origin: str, key: Ed25519PrivateKey) -> None:
        """Open the log, or start one where none ever was.

        Args:
            directory: The log's own directory.
            origin: Name of the log, part of every checkpoint.
            key: The key that signs checkpoints.

        Raises:
            UnavailableError: Another process writes it, or the disk refuses.
            IntegrityError: The directory is not what its checkpoint says, or the
                checkpoint is not by this key.
        """
        self._origin = origin
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._store = TileStore(directory)
        self._current: _Current | None = None
        # What was last known to be on disk: proofs under it need not wait for who appends.
        self._proven: _Current | None = None
        self._guard = threading.RLock()
        self._lock = lock_directory(directory)
        self._store.drop_unfinished()
        try:
            self._current = self._load()
        except BaseException:
            # Or nobody could open it again before this object is collected.
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many entries the log holds."""
        with self._opened() as current:
            return current.edge.size

    def append(self, entry: bytes) -> int:
        """Add an entry and return its index, once entry and checkpoint are on disk.

        Raises:
            MalformedError: The entry is longer than the format can carry.
            UnavailableError: The disk refuses. Whether the entry is logged is then
                unknown until the log is read again.
        """
        return self.extend([entry])

    def extend(self, entries: Sequence[bytes]) -> int:
        """Add entries under one checkpoint and return the first one's index.

        Raises:
            MalformedError: An entry is longer than the format can carry; none is added.
            UnavailableError: The disk refuses. Which of them are logged is then unknown
                until the log is read again.
        """
        with self._opened() as current:
            grown = current.edge
            # Of a tile that grows more than once, only its last width is in the tree.
            files: dict[tuple[int | Bundle, int], tuple[Tile, bytes]] = {}
            for entry in entries:
                grown, changed = grown.add(entry)
                files.update({(tile.level, tile.index): (tile, data) for tile, data in changed})
            # From here until the checkpoint is on disk nobody knows what is.
            self._current = None
            tree = Checkpoint(origin=self._origin, size=grown.size, root=grown.root())
            note = tree.sign(self._key)
            self._store.write(list(files.values()), note)
            self._current = self._now(grown, note)
            for tile, _ in files.values():
                if tile.width == WIDTH:
                    self._store.drop_partial(tile)
            return current.edge.size

    def checkpoint(self) -> bytes:
        """Return the signed note over everything appended so far."""
        with self._opened() as current:
            return current.note

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Prove an entry against the current checkpoint.

        Raises:
            MalformedError: There is no such entry.
        """
        with self._opened() as current:
            return inclusion_path(index, current.edge.size, current.subtree)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Prove that the current checkpoint extends an older one.

        Raises:
            MalformedError: The log was never that large.
        """
        with self._opened() as current:
            return consistency_path(old_size, current.edge.size, current.subtree)

    def logged(self, index: int) -> LoggedEntry:
        """Return checkpoint and proof for an entry, taken at one moment.

        Between two separate calls another thread could append, and the proof
        would lead to a root that the checkpoint does not name.

        Raises:
            MalformedError: There is no such entry.
        """
        proven = self._proven
        if proven is not None and index < proven.edge.size:
            return _placed(index, proven)
        with self._opened() as current:
            return _placed(index, current)

    def close(self) -> None:
        """Give the directory back; a second call does nothing."""
        with self._guard:
            descriptor, self._lock = self._lock, -1
            self._current = self._proven = None
            if descriptor >= 0:
                os.close(descriptor)

    @contextmanager
    def _opened(self) -> Iterator[_Current]:
        with self._guard:
            if self._lock < 0:
                raise UnavailableError("log: closed", code="ledger.closed")
            if self._current is None:
                self._current = self._load()
            yield self._current

    def _load(self) -> _Current:
        if self._store.is_new():
            empty = Checkpoint(origin=self._origin, size=0, root=EMPTY_ROOT)
            self._store.write_checkpoint(empty.sign(self._key))
        note = self._store.read_checkpoint()
        tree = verify_checkpoint(note, origin=self._origin, public_key=self._public)
        return self._now(load_edge(self._store, tree), note)

    def _now(self, edge: Edge, note: bytes) -> _Current:
        # Tiles of one tree never change, so proofs under one checkpoint share what they read.
        subtree = stored_subtrees(self._store, size=edge.size)
        self._proven = _Current(edge=edge, note=note, subtree=subtree)
        return self._proven


def _placed(index: int, current: _Current) -> LoggedEntry:
    proof = inclusion_path(index, current.edge.size, current.subtree)
    return LoggedEntry(index=index, checkpoint=current.note, proof=proof)
