# SPDX-License-Identifier: Apache-2.0
"""Make RFC 6962 proofs from the hashes of complete subtrees.

A log stores every complete subtree's hash once and for ever. Whoever can look
one up can prove inclusion and consistency for any size that the log ever had.
"""

from __future__ import annotations

from collections.abc import Callable

from cleanroom.errors import MalformedError
from cleanroom.ledger.merkle import EMPTY_ROOT, node_hash

# (height, index) to the hash over leaves [index << height, (index + 1) << height).
Subtree = Callable[[int, int], bytes]


def tree_root(size: int, subtree: Subtree) -> bytes:
    """Compute the root of the first ``size`` leaves."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Prove that leaf ``index`` is in the tree of ``size`` leaves.

    Raises:
        MalformedError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise MalformedError("log proof: index outside the tree", code="ledger.index")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, subtree))
            high = middle
        else:
            path.append(_range_root(low, middle, subtree))
            low = middle
    return tuple(reversed(path))


def consistency_path(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Prove that the tree of ``new`` leaves extends the tree of ``old`` leaves.

    Raises:
        MalformedError: The old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise MalformedError("log proof: the old tree is larger", code="ledger.size")
    if old in (0, new):
        return ()
    path: list[bytes] = []
    low, high = 0, new
    # Walk down to the subtree that ends where the old tree ends.
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_root(middle, high, subtree))
            high = middle
        else:
            path.append(_range_root(low, middle, subtree))
            low = middle
    # Starting at leaf 0 it is the old root itself, which the verifier already has.
    if low:
        path.append(_range_root(low, high, subtree))
    return tuple(reversed(path))


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(low: int, high: int, subtree: Subtree) -> bytes:
    count = high - low
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return subtree(height, low >> height)
    middle = low + _split(count)
    return node_hash(_range_root(low, middle, subtree), _range_root(middle, high, subtree))
