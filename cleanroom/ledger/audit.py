# SPDX-License-Identifier: Apache-2.0
"""Read a copy of somebody's log and believe only what its key signed.

An auditor has the files and the public key, and no more: every entry is hashed
again, and the tree over them must be the one in the checkpoint.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from cleanroom.errors import IntegrityError
from cleanroom.kernel.record import dataclass
from cleanroom.ledger.checkpoint import Checkpoint, verify_checkpoint
from cleanroom.ledger.edge import stored_subtrees
from cleanroom.ledger.merkle import leaf_hash, peaks_of, root_of
from cleanroom.ledger.paths import consistency_path
from cleanroom.ledger.store import TileStore
from cleanroom.ledger.tiles import WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLog:
    """Every entry of a log, as its key signed them.

    Attributes:
        checkpoint: The tree over the entries.
        entries: All of them, in order.
    """

    checkpoint: Checkpoint
    entries: tuple[bytes, ...]


def audit_log(directory: Path, *, origin: str, public_key: bytes) -> AuditedLog:
    """Return all entries of a log directory after recomputing the tree over them.

    Raises:
        MalformedError: A file is not of its format.
        IntegrityError: A file is missing, an entry changed, or the key did not sign.
        UnavailableError: The checkpoint cannot be read.
    """
    store = TileStore(directory)
    checkpoint = verify_checkpoint(store.read_checkpoint(), origin=origin, public_key=public_key)
    entries: list[bytes] = []
    while len(entries) < checkpoint.size:
        width = min(WIDTH, checkpoint.size - len(entries))
        entries.extend(store.read_entries(len(entries) // WIDTH, width=width))
    root = root_of(peaks_of([leaf_hash(entry) for entry in entries]))
    if not hmac.compare_digest(root, checkpoint.root):
        raise IntegrityError(
            "log: the entries do not lead to the checkpoint", code="ledger.damaged"
        )
    return AuditedLog(checkpoint=checkpoint, entries=tuple(entries))


def consistency_from(directory: Path, *, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Make a consistency proof from a copy of a log; it proves nothing until verified.

    Raises:
        MalformedError: The old tree is larger than the new one, or a tile is malformed.
        IntegrityError: A tile is missing.
    """
    store = TileStore(directory)
    return consistency_path(old_size, new_size, stored_subtrees(store, size=new_size))
