# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 Merkle trees: hashes, and the two proofs, checked without any log.

Leaves and inner nodes are hashed under different prefixes, so that an inner
node can never be passed off as an entry. Both checks raise; neither returns a
truth value that a caller could forget.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Sequence

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.limits import MAX_PROOF_HASHES, MAX_SAFE_INTEGER

HASH_BYTES = 32
BLOCK = 16  # hashes that are joined once and remembered
_BLOCK_HEIGHT = 4
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash one log entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into the tree above them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks_of(hashes: Sequence[bytes]) -> list[bytes]:
    """Join equally high subtrees into the fewest whole ones, largest first.

    Carries like a binary counter: one pass, and a stack of at most 64 hashes.
    """
    stack: list[tuple[int, bytes]] = []
    whole = len(hashes) - len(hashes) % BLOCK
    # An append changes one block of a tile; the others were joined before.
    for start in range(0, whole, BLOCK):
        _carry(stack, _block(tuple(hashes[start : start + BLOCK])), height=_BLOCK_HEIGHT)
    for value in hashes[whole:]:
        _carry(stack, value, height=0)
    return [value for _, value in stack]


def _carry(stack: list[tuple[int, bytes]], top: bytes, *, height: int) -> None:
    while stack and stack[-1][0] == height:
        top = node_hash(stack.pop()[1], top)
        height += 1
    stack.append((height, top))


@functools.lru_cache(maxsize=256)
def _block(hashes: tuple[bytes, ...]) -> bytes:
    stack: list[tuple[int, bytes]] = []
    for value in hashes:
        _carry(stack, value, height=0)
    return stack[0][1]


def root_of(peaks: Sequence[bytes]) -> bytes:
    """Compute the root over whole subtrees, as :func:`peaks_of` returns them."""
    if not peaks:
        return EMPTY_ROOT
    *larger, root = peaks
    for peak in reversed(larger):
        root = node_hash(peak, root)
    return root


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise unless the leaf hash stands at ``index`` of the tree with this root.

    RFC 9162 section 2.1.3.2, which decides the length of the proof from index
    and size: a proof too long or too short is refused, not read as far as it goes.

    Raises:
        MalformedError: Sizes or hashes that no tree has.
        IntegrityError: The proof leads to another root.
    """
    _check_hashes(leaf, root, *proof)
    _check_sizes(index, size)
    if index >= size:
        raise MalformedError("log proof: index outside the tree", code="ledger.index")
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise IntegrityError("log inclusion: proof too long", code="ledger.inclusion")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(computed, root):
        raise IntegrityError(
            "log inclusion: the proof does not lead to the checkpoint's root",
            code="ledger.inclusion",
        )


def verify_consistency(
    *,
    old_size: int,
    old_root: bytes,
    new_size: int,
    new_root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Raise unless the new tree only added entries to the old one.

    RFC 9162 section 2.1.4.2. A log that rewrote or dropped an entry cannot pass.

    Raises:
        MalformedError: Sizes or hashes that no pair of trees has.
        IntegrityError: The trees do not share the old one's entries.
    """
    _check_hashes(old_root, new_root, *proof)
    _check_sizes(old_size, new_size)
    if old_size > new_size:
        raise IntegrityError("log consistency: the log shrank", code="ledger.consistency")
    if old_size in (0, new_size):
        _require_trivial(old_size, old_root, new_root if old_size else EMPTY_ROOT, proof)
        return
    computed_old, computed_new = _climb(old_size, old_root, new_size, proof)
    same = hmac.compare_digest(computed_old, old_root)
    if not (same & hmac.compare_digest(computed_new, new_root)):
        raise IntegrityError(
            "log consistency: the new checkpoint does not extend the old one",
            code="ledger.consistency",
            hint="keep both checkpoints: together they prove that the log was rewritten",
        )


def _require_trivial(
    old_size: int, old_root: bytes, expected: bytes, proof: Sequence[bytes]
) -> None:
    if proof or not hmac.compare_digest(old_root, expected):
        raise IntegrityError(
            f"log consistency: two roots or a proof for {old_size} entries where none can differ",
            code="ledger.consistency",
        )


def _climb(
    old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    # A power of two is a whole subtree: its root is the starting point and is left out.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        raise IntegrityError("log consistency: proof too short", code="ledger.consistency")
    computed_old = computed_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise IntegrityError("log consistency: proof too long", code="ledger.consistency")
        if node & 1 or node == last:
            computed_old = node_hash(sibling, computed_old)
            computed_new = node_hash(sibling, computed_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed_new = node_hash(computed_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise IntegrityError("log consistency: proof too short", code="ledger.consistency")
    return computed_old, computed_new


def _check_hashes(*hashes: bytes) -> None:
    if len(hashes) > MAX_PROOF_HASHES + 2:
        raise MalformedError("log proof: too many hashes", code="format.oversize")
    if any(len(value) != HASH_BYTES for value in hashes):
        raise MalformedError(f"log proof: a hash is not {HASH_BYTES} bytes", code="ledger.hash")


def _check_sizes(*sizes: int) -> None:
    if any(not 0 <= size <= MAX_SAFE_INTEGER for size in sizes):
        raise MalformedError("log proof: a size outside 0 to 2**53 - 1", code="ledger.size")
