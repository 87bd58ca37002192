# SPDX-License-Identifier: Apache-2.0
"""C2SP checkpoints: which log, how many entries, which root; signed by the log."""

from __future__ import annotations

import hmac
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.limits import MAX_SAFE_INTEGER
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.ledger.merkle import EMPTY_ROOT, HASH_BYTES
from cleanroom.ledger.note import NoteKey, sign_note, verify_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree that a log's key has vouched for.

    Attributes:
        origin: Which log.
        size: How many entries it holds.
        root: RFC 6962 root over them.
    """

    origin: str
    size: int
    root: bytes

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """Write the checkpoint as a signed note; the key's name is the origin."""
        root = encode_base64(self.root)
        return sign_note(f"{self.origin}\n{self.size}\n{root}\n", name=self.origin, key=key)


def log_origin(party: str) -> str:
    """Name the log of one party's broker."""
    return f"cleanroom/log/v0/{party}"


def verify_checkpoint(data: bytes, *, origin: str, public_key: bytes) -> Checkpoint:
    """Return the tree of a checkpoint that this log signed.

    Args:
        data: The note's exact bytes.
        origin: The log that is expected; also the name of its key.
        public_key: The log's raw Ed25519 public key.

    Raises:
        MalformedError: Not a checkpoint.
        IntegrityError: Not signed by that key, or the checkpoint of another log.
    """
    text = verify_note(data, key=NoteKey(name=origin, public=public_key))
    checkpoint = _parse_text(text)
    if checkpoint.origin != origin:
        raise IntegrityError(
            f"checkpoint: of log {checkpoint.origin[:80]!r}, expected {origin!r}",
            code="ledger.origin",
        )
    return checkpoint


def require_same_tree(first: Checkpoint, second: Checkpoint) -> None:
    """Refuse two checkpoints of one size whose roots differ: a split view.

    Raises:
        IntegrityError: The log showed two different histories.
    """
    if first.size == second.size and not hmac.compare_digest(first.root, second.root):
        raise IntegrityError(
            f"checkpoint: two different trees of {first.size} entries from {first.origin[:80]!r}",
            code="ledger.split-view",
            hint="keep both checkpoints: together they prove that the log lied",
        )


def _parse_text(text: str) -> Checkpoint:
    # Extension lines are allowed by the format and audited by nobody, so ours has none.
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != _LINES or not lines[0]:
        raise MalformedError("checkpoint: not three lines", code="ledger.checkpoint")
    origin, size, encoded = lines
    if not _SIZE.fullmatch(size) or int(size) > MAX_SAFE_INTEGER:
        raise MalformedError("checkpoint: not a tree size", code="ledger.checkpoint")
    root = decode_base64(encoded, what="checkpoint root")
    if len(root) != HASH_BYTES:
        raise MalformedError("checkpoint: not a root hash", code="ledger.checkpoint")
    if int(size) == 0 and root != EMPTY_ROOT:
        raise MalformedError("checkpoint: a root over no entries", code="ledger.checkpoint")
    return Checkpoint(origin=origin, size=int(size), root=root)
