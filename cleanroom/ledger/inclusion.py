# SPDX-License-Identifier: Apache-2.0
"""Check offline that an entry stands in a log that somebody vouched for."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.ledger.checkpoint import Checkpoint, verify_checkpoint
from cleanroom.ledger.merkle import leaf_hash, verify_inclusion


def verify_entry(
    entry: bytes,
    *,
    index: int,
    proof: Sequence[bytes],
    checkpoint: bytes,
    origin: str,
    public_key: bytes,
) -> Checkpoint:
    """Return the verified checkpoint of a log that holds ``entry`` at ``index``.

    Args:
        entry: The entry's exact bytes, for example a statement's digest as a line.
        index: Where it is said to stand.
        proof: RFC 6962 audit path.
        checkpoint: Signed note that the proof leads to.
        origin: The log that is expected.
        public_key: The log's raw Ed25519 public key.

    Raises:
        MalformedError: The checkpoint or the proof is not well-formed.
        IntegrityError: A signature or the proof does not match.
    """
    verified = verify_checkpoint(checkpoint, origin=origin, public_key=public_key)
    verify_inclusion(
        leaf_hash(entry), index=index, size=verified.size, proof=proof, root=verified.root
    )
    return verified
