# SPDX-License-Identifier: Apache-2.0
"""The C2SP tile layout: which hashes and entries stand in which file.

A tile holds 256 hashes of one level; level 0 holds leaf hashes, level n the
hashes of full tiles below. Bundles hold the entries themselves. Names are
computed, never taken from a request without matching the same grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_LOG_ENTRY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.merkle import HASH_BYTES

WIDTH = 256
LEVEL_BITS = 8  # a tile is a subtree of 2**8 hashes
CHECKPOINT = "checkpoint"
TILE_DIRECTORY = "tile"
MAX_BUNDLE_BYTES = WIDTH * (MAX_LOG_ENTRY_BYTES + 2)

_INDEX = r"(?:x[0-9]{3}/){0,5}[0-9]{3}"
_PARTIAL = r"(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_PUBLISHED = re.compile(rf"checkpoint|tile/(?:entries|[0-7])/{_INDEX}{_PARTIAL}")


class Bundle(Enum):
    """The kind of tile that holds entries instead of hashes."""

    ENTRIES = "entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a tile or a bundle is kept.

    Attributes:
        level: Level of its hashes, or ``Bundle.ENTRIES``.
        index: Its position within the level.
        width: How many of its 256 places are filled.
    """

    level: int | Bundle
    index: int
    width: int

    @property
    def path(self) -> str:
        """Path below the log's directory, for example ``tile/0/x001/234.p/12``."""
        level = self.level.value if isinstance(self.level, Bundle) else str(self.level)
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"{TILE_DIRECTORY}/{level}/{'/'.join(groups)}{partial}"

    @property
    def partial_directory(self) -> str:
        """Directory of this tile's partial versions, which a full tile replaces."""
        full = Tile(level=self.level, index=self.index, width=WIDTH)
        return f"{full.path}.p"


def is_published(path: str) -> bool:
    """Tell whether a path is one that a log serves; nothing else may be read for a peer."""
    return bool(_PUBLISHED.fullmatch(path))


def split_hashes(data: bytes, *, width: int, what: str) -> tuple[bytes, ...]:
    """Read a hash tile of an exact width.

    Raises:
        MalformedError: Another length.
    """
    if len(data) != width * HASH_BYTES:
        raise MalformedError(
            f"{what}: found {len(data)} bytes against {width * HASH_BYTES}", code="ledger.tile"
        )
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


def join_entries(entries: Iterable[bytes]) -> bytes:
    """Write an entry bundle: each entry after its length in two bytes.

    Raises:
        MalformedError: An entry longer than two bytes can say.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_LOG_ENTRY_BYTES:
            raise MalformedError(
                f"log entry: found {len(entry)} bytes against a limit of {MAX_LOG_ENTRY_BYTES}",
                code="format.oversize",
            )
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def split_entries(data: bytes, *, width: int, what: str) -> tuple[bytes, ...]:
    """Read an entry bundle that holds an exact number of entries.

    Raises:
        MalformedError: Truncated, trailing bytes, or another number of entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    # An entry that is cut off leaves ``at`` beyond the end.
    if at != len(data) or len(entries) != width:
        raise MalformedError(f"{what}: not {width} entries", code="ledger.bundle")
    return tuple(entries)
