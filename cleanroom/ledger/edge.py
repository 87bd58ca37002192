# SPDX-License-Identifier: Apache-2.0
"""The right edge of the tree: everything that one more entry can change.

Full tiles never change again. What is left is at most 255 hashes a level and
the entries of one bundle, so an append costs the same in a large log as in a
small one.
"""

from __future__ import annotations

import functools
import hmac

from cleanroom.errors import IntegrityError
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.checkpoint import Checkpoint
from cleanroom.ledger.merkle import leaf_hash, peaks_of, root_of
from cleanroom.ledger.paths import Subtree
from cleanroom.ledger.store import DAMAGED_HINT, TileStore
from cleanroom.ledger.tiles import LEVEL_BITS, WIDTH, Bundle, Tile, join_entries

# Of one tree: some kilobytes each, and some hundred bytes.
_TILES_AT_ONCE = 16
_SUBTREES_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What stands right of the last full tile on each level.

    Attributes:
        size: How many entries the tree has.
        entries: Entries of the bundle that is not full.
        levels: For each level, the hashes of the tile that is not full.
    """

    size: int
    entries: tuple[bytes, ...]
    levels: tuple[tuple[bytes, ...], ...]

    def root(self) -> bytes:
        """Compute the root of the whole tree."""
        return root_of([peak for level in reversed(self.levels) for peak in peaks_of(level)])

    def add(self, entry: bytes) -> tuple[Edge, tuple[tuple[Tile, bytes], ...]]:
        """Return the edge with one more entry, and the files that must be written first.

        Raises:
            MalformedError: The entry is longer than the format can carry.
        """
        index, entries = self.size // WIDTH, (*self.entries, entry)
        bundle = Tile(level=Bundle.ENTRIES, index=index, width=len(entries))
        files = [(bundle, join_entries(entries))]
        levels: list[tuple[bytes, ...]] = []
        carried = [leaf_hash(entry)]
        for level, hashes in enumerate((*self.levels, ())):
            grown = (*hashes, *carried)
            carried = []
            if len(grown) > len(hashes):
                tile = Tile(level=level, index=self._tile_index(level), width=len(grown))
                files.append((tile, b"".join(grown)))
            if len(grown) == WIDTH:
                carried, grown = peaks_of(grown), ()
            levels.append(grown)
        if not levels[-1]:
            levels.pop()
        kept = entries if len(entries) < WIDTH else ()
        return Edge(size=self.size + 1, entries=kept, levels=tuple(levels)), tuple(files)

    def _tile_index(self, level: int) -> int:
        return self.size >> LEVEL_BITS * (level + 1)


def load_edge(store: TileStore, tree: Checkpoint) -> Edge:
    """Read the edge of a signed tree back from its files.

    Raises:
        IntegrityError: A file is missing, or the tiles do not lead to the tree's root.
        MalformedError: A file is not of its format.
    """
    count = tree.size
    entries: tuple[bytes, ...] = ()
    levels: list[tuple[bytes, ...]] = []
    if count % WIDTH:
        entries = store.read_entries(count // WIDTH, width=count % WIDTH)
    while count:
        tile = Tile(level=len(levels), index=count // WIDTH, width=count % WIDTH)
        levels.append(store.read_hashes(tile) if tile.width else ())
        count //= WIDTH
    edge = Edge(size=tree.size, entries=entries, levels=tuple(levels))
    _require_whole(edge, tree)
    return edge


def stored_subtrees(store: TileStore, *, size: int) -> Subtree:
    """Look hashes of complete subtrees up in the tiles of a tree of this size.

    One proof asks for up to eight subtrees of the same tile, which is read once; proofs of
    neighbours ask for nearly the same subtrees, which are hashed once.
    """
    read = functools.lru_cache(maxsize=_TILES_AT_ONCE)(store.read_hashes)

    @functools.lru_cache(maxsize=_SUBTREES_AT_ONCE)
    def subtree(height: int, index: int) -> bytes:
        level, above = divmod(height, LEVEL_BITS)
        place, offset = divmod(index << above, WIDTH)
        filled = (size >> LEVEL_BITS * level) - place * WIDTH
        tile = Tile(level=level, index=place, width=min(WIDTH, filled))
        return root_of(peaks_of(read(tile)[offset : offset + (1 << above)]))

    return subtree


def _require_whole(edge: Edge, tree: Checkpoint) -> None:
    # Going on from a directory that was changed or restored in part would sign a
    # second history.
    leaves = edge.levels[0] if edge.levels else ()
    entries = tuple(leaf_hash(entry) for entry in edge.entries)
    if entries != leaves or not hmac.compare_digest(edge.root(), tree.root):
        raise IntegrityError(
            "log: the tiles do not lead to the checkpoint",
            code="ledger.damaged",
            hint=DAMAGED_HINT,
        )
