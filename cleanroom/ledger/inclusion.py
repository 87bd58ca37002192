# SPDX-License-Identifier: Apache-2.0
"""A statement's place in a log: index, proof, and the checkpoint it leads to.

This is what a broker returns beside each signed statement and what a receipt
carries, so that anyone can check offline that the statement was logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_NOTE_BYTES, MAX_PROOF_HASHES, MAX_SAFE_INTEGER
from cleanroom.ledger.checkpoint import Checkpoint, verify_checkpoint
from cleanroom.ledger.merkle import leaf_hash, verify_inclusion

_MEMBERS = frozenset({"index", "checkpoint", "proof"})
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """An unverified claim that an entry stands in a log.

    Attributes:
        index: Position of the entry.
        checkpoint: Signed note of a tree that contains it.
        proof: RFC 6962 audit path.
    """

    index: int
    checkpoint: bytes
    proof: tuple[bytes, ...]

    def to_json(self) -> dict[str, JSONValue]:
        """Write the wire form."""
        return {
            "index": self.index,
            "checkpoint": self.checkpoint.decode("utf-8"),
            "proof": [value.hex() for value in self.proof],
        }


def statement_entry(payload: bytes) -> bytes:
    """Write the log entry that stands for a signed statement.

    One line with the digest of the exact payload: a log may be shown to
    anybody, while statements name queries and parties.
    """
    return f"{Digest.of(payload)}\n".encode("ascii")


def parse_inclusion(value: object) -> Inclusion:
    """Read a strictly parsed ``log`` object.

    Raises:
        MalformedError: Another shape, or over a limit.
    """
    if not isinstance(value, Mapping) or set(value) != _MEMBERS:
        raise MalformedError(
            "log: not an object of index, checkpoint and proof", code="ledger.shape"
        )
    return Inclusion(
        index=_index(value["index"]),
        checkpoint=_checkpoint(value["checkpoint"]),
        proof=_proof(value["proof"]),
    )


def verify_entry(
    inclusion: Inclusion, *, entry: bytes, origin: str, public_key: bytes
) -> Checkpoint:
    """Return the verified checkpoint of a log that holds ``entry``.

    Raises:
        MalformedError: The checkpoint or the proof is not well-formed.
        IntegrityError: A signature or the proof does not match.
    """
    checkpoint = verify_checkpoint(inclusion.checkpoint, origin=origin, public_key=public_key)
    verify_inclusion(
        leaf_hash(entry),
        index=inclusion.index,
        size=checkpoint.size,
        proof=inclusion.proof,
        root=checkpoint.root,
    )
    return checkpoint


def _index(value: Any) -> int:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_SAFE_INTEGER:
        raise MalformedError("log index: not a position", code="ledger.shape")
    return value


def _checkpoint(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > MAX_NOTE_BYTES:
        raise MalformedError("log checkpoint: not a signed note", code="ledger.shape")
    return value.encode("utf-8", "surrogatepass")


def _proof(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF_HASHES:
        raise MalformedError(
            f"log proof: not a list of at most {MAX_PROOF_HASHES}", code="ledger.shape"
        )
    if not all(isinstance(item, str) and _HASH.fullmatch(item) for item in value):
        raise MalformedError("log proof: not hexadecimal hashes", code="ledger.shape")
    return tuple(bytes.fromhex(item) for item in value)
