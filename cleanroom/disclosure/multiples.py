# SPDX-License-Identifier: Apache-2.0
"""Numbers that are multiples of each other but for a few units, told by their sketches.

``sum(cost)`` of everybody and ``sum(2 * cost)`` of all but one differ in everybody's
contribution, and tell that one all the same. The factor need not be written down: a UNION of
a table with itself counts everybody twice. Sketches are linear, so a factor of all
contributions is a factor of all buckets, and the ratio of two buckets does not depend on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise

from cleanroom.disclosure.sketch import MODULUS, words

MOST_FACTOR = 2**24  # numerator times denominator; a factor beyond is not told from others
_BITS = 32
_CACHED = 4096


@lru_cache(maxsize=_CACHED)
def ratios(sketch: bytes, *, units: int) -> frozenset[int]:
    """Return what a sketch has in common with its multiples, but for a few units.

    Each is two successive non-empty buckets and the ratio of their contents. Where fewer than
    ``units`` buckets differ, at most so many of the first ratios are spoiled, and the others are
    moved by as many places: of the first ``2 * units`` non-empty buckets of either sketch,
    two successive ones are left alone if more than ``units`` buckets agree.
    """
    filled = [(place, word) for place, word in enumerate(words(sketch)) if word][: 2 * units]
    inverses = _inverses([content for _, content in filled[1:]])
    return frozenset(
        (place << 2 * _BITS) | (after << _BITS) | (content * inverse % MODULUS)
        for ((place, content), (after, _)), inverse in zip(pairwise(filled), inverses, strict=True)
    )


def factor_of(one: bytes, other: bytes, *, units: int) -> tuple[int, int] | None:
    """Say by what one sketch is a multiple of another one of its size, but for a few buckets.

    Fewer than ``units`` buckets may differ, and more must agree than differ: any two vectors of a
    few units are alike in one of them.

    Returns:
        The factor modulo the prime, and how many buckets differ; None if there is none.
    """
    pairs = list(zip(words(one), words(other), strict=True))
    common = [(left, right) for left, right in pairs if left and right]
    inverses = _inverses([right for _, right in common])
    found = Counter(
        left * inverse % MODULUS for (left, _), inverse in zip(common, inverses, strict=True)
    )
    factor, agreeing = max(found.items(), key=lambda item: item[1], default=(0, 0))
    differing = sum(1 for left, right in pairs if left or right) - agreeing
    return (factor, differing) if differing < units and agreeing > differing else None


def fraction_of(factor: int) -> Fraction | None:
    """Return the simplest fraction that a factor modulo the prime can stand for.

    The remainders of Euclid's algorithm give every candidate. None if even the simplest is
    beyond ``MOST_FACTOR``: others would do as well.
    """
    before, now = (MODULUS, 0), (factor, 1)
    found: list[tuple[int, int]] = []
    while now[0]:
        found.append(now)
        times = before[0] // now[0]
        before, now = now, (before[0] - times * now[0], before[1] - times * now[1])
    above, below = min(found, key=lambda pair: abs(pair[0] * pair[1]), default=(MODULUS, 1))
    return Fraction(above, below) if abs(above * below) < MOST_FACTOR else None


def _inverses(numbers: Sequence[int]) -> list[int]:
    """Invert numbers modulo the prime, with one division for all of them."""
    products = [1, *accumulate(numbers, lambda one, other: one * other % MODULUS)]
    inverse = pow(products[-1], -1, MODULUS)
    inverted: list[int] = []
    for number, product in zip(reversed(numbers), reversed(products[:-1]), strict=True):
        inverted.append(inverse * product % MODULUS)
        inverse = inverse * number % MODULUS
    return inverted[::-1]
