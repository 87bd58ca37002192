# SPDX-License-Identifier: Apache-2.0
"""Sketches of who contributed how much, small and comparable, whoever the units are.

A vector says what each unit contributes to one number. Its sketch has B buckets; a unit
falls into the bucket that a keyed hash of its identifier names, and the bucket holds
the sum over its units of weight times contribution modulo a prime, where the weight comes
from the same hash.

Units that contribute alike leave their buckets alike. So if two vectors differ in fewer
than d units, their sketches differ in fewer than d buckets: **no pair below d is missed,
whatever the hash does**. The hash decides only how often vectors that differ in d units
or a few more look closer than they are. The sketch is linear: the sketch of a sum is the
sum of the sketches, so a total can be compared with the sum of its parts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import ne

MODULUS = 2**31 - 1  # prime, so that a power of ten can be divided out
WORD_BYTES = 4
LEAST_BUCKETS = 128
BUCKETS_A_UNIT = 8
_BITS = 32
_FILLED_BYTES = 8
_CONTENT = 2**_BITS - 1


def buckets_for(difference: int) -> int:
    """Choose how many buckets: a power of two, at least eight for each unit of difference."""
    buckets = LEAST_BUCKETS
    while buckets < BUCKETS_A_UNIT * difference:
        buckets *= 2
    return buckets


def inverse_power(scale: int) -> int:
    """Return what divides ``10**scale`` out of a bucket.

    Contributions are counted in units of ``10**-scale``; without them, a sum of a column of
    ones is the same vector as a count.
    """
    return pow(pow(10, scale, MODULUS), -1, MODULUS)


def from_filled(text: str, *, buckets: int) -> bytes:
    """Make a sketch from its filled buckets: content and number of each, in any order.

    Each has 16 hexadecimal digits: the highest bit, then the bucket, then 32 bits of content.
    The sketch has a big-endian word for every bucket.
    """
    packed = bytes.fromhex(text)
    count = len(packed) // _FILLED_BYTES
    filled = sorted(struct.unpack(f">{count}Q", packed))
    if count == buckets:
        return bytes(memoryview(struct.pack(f">{count}Q", *filled)).cast("I")[1::2])
    contents = [0] * buckets
    for word in filled:
        contents[(word >> _BITS) & (_CONTENT >> 1)] = word & _CONTENT
    return _packed(contents)


def words(sketch: bytes) -> tuple[int, ...]:
    """Return the contents of all buckets."""
    return struct.unpack(f">{len(sketch) // WORD_BYTES}I", sketch)


def distance(one: bytes, other: bytes) -> int:
    """Count the buckets in which two sketches of one size differ."""
    if one == other:
        return 0
    return sum(map(ne, memoryview(one).cast("I"), memoryview(other).cast("I")))


def added(sketches: Iterable[bytes]) -> bytes:
    """Return the sketch of the sum of vectors; there is at least one, all of one size."""
    columns = zip(*map(words, sketches), strict=True)
    return _packed([sum(column) % MODULUS for column in columns])


def subtracted(one: bytes, other: bytes) -> bytes:
    """Return the sketch of the difference of two vectors, of one size."""
    pairs = zip(words(one), words(other), strict=True)
    return _packed([(left - right) % MODULUS for left, right in pairs])


def multiplied(sketch: bytes, factor: int) -> bytes:
    """Return the sketch of a vector times a factor modulo the prime."""
    return _packed([word * factor % MODULUS for word in words(sketch)])


def folded(sketch: bytes, *, buckets: int) -> bytes:
    """Return the sketch that fewer buckets would have given; buckets are powers of two."""
    size = WORD_BYTES * buckets
    if len(sketch) <= size:
        return sketch
    return added(sketch[start : start + size] for start in range(0, len(sketch), size))


def first_filled(sketch: bytes, *, count: int) -> list[int]:
    """Name the first so many non-empty buckets with their contents, each as one number.

    Let fewer than ``count`` buckets of two sketches differ. Then at most ``count - 1`` of either's
    non-empty buckets are not in the other, so these first ones have one in common, unless both
    sketches have fewer than ``count`` of them.
    """
    words = memoryview(sketch).cast("I")
    head = words[:count].tolist()
    if all(head):
        return [place << _BITS | word for place, word in enumerate(head)]
    return [*islice((place << _BITS | word for place, word in enumerate(words) if word), count)]


def _packed(contents: Sequence[int]) -> bytes:
    return struct.pack(f">{len(contents)}I", *contents)
