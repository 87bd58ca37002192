# SPDX-License-Identifier: Apache-2.0
"""What is eliminated once for many sketches says the same as one elimination for each of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.combinations import KEPT_BYTES, Basis, Combination, orders_of
from cleanroom.disclosure.sketch import MODULUS, words

BUCKETS, UNITS = 16, 3
WORD = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, MODULUS - 1))
SKETCH = st.lists(WORD, min_size=BUCKETS, max_size=BUCKETS)
FACTOR = st.one_of(st.just(0), st.integers(0, MODULUS - 1))


def packed(contents: Sequence[int]) -> bytes:
    return struct.pack(f">{len(contents)}I", *(word % MODULUS for word in contents))


@st.composite
def asked(draw) -> tuple[list[bytes], list[bytes], bytes]:
    """Draw sketches, of which some follow from others, and one that may be made of them."""
    drawn = draw(st.lists(SKETCH, min_size=2, max_size=7))
    if draw(st.booleans()):
        drawn.insert(draw(st.integers(0, 2)), [3 * word for word in drawn[0]])
    factors = draw(st.lists(FACTOR, min_size=len(drawn), max_size=len(drawn)))
    one = [
        sum(factor * contents[place] for factor, contents in zip(factors, drawn, strict=True))
        for place in range(BUCKETS)
    ]
    for place in draw(st.sets(st.integers(0, BUCKETS - 1), max_size=UNITS + 1)):
        one[place] += draw(st.integers(0, MODULUS - 1))
    sketches = [packed(contents) for contents in drawn]
    common = draw(st.integers(1, len(sketches)))
    return sketches[:common], sketches[common:], packed(one)


def one_by_one(sketches: Sequence[bytes], one: bytes, *, most: int) -> Combination | None:
    """Eliminate one sketch after the other in integers, anew for each that is asked about."""
    columns = [words(sketch) for sketch in (*sketches, one)]
    for order in orders_of(BUCKETS, columns=most, units=UNITS).tolist():
        rows = [[column[bucket] for column in columns] for bucket in order]
        deciding: list[int] = []
        for place in range(len(sketches)):
            left = [n for n, row in enumerate(rows) if row[place] and n not in deciding]
            deciding.append(left[0] if left else -1)
            if not left:
                continue
            inverse = pow(rows[left[0]][place], -1, MODULUS)
            mine = rows[left[0]] = [word * inverse % MODULUS for word in rows[left[0]]]
            for n, row in enumerate(rows):
                if n != left[0]:
                    times = row[place]
                    rows[n] = [(a - times * b) % MODULUS for a, b in zip(row, mine, strict=True)]
        free = [row[-1] for n, row in enumerate(rows) if n not in deciding]
        differing = sum(map(bool, free))
        if differing < UNITS and len(free) - differing > differing:
            factors = tuple(rows[n][-1] if n >= 0 else 0 for n in deciding)
            if is_borne_out(columns, factors):
                return Combination(factors=factors, differing=differing)
    return None


def is_borne_out(columns: Sequence[Sequence[int]], factors: Sequence[int]) -> bool:
    used = [place for place, factor in enumerate(factors) if factor]
    told = [row for row in zip(*columns, strict=True) if row[-1] or any(row[n] for n in used)]
    left = [(row[-1] - sum(factors[n] * row[n] for n in used)) % MODULUS for row in told]
    differing = sum(map(bool, left))
    return bool(used) and differing < UNITS and len(told) - differing - len(used) > differing


@settings(max_examples=80, deadline=None, derandomize=True)
@given(asked(), st.data())
def test_one_elimination_for_all_says_what_one_for_each_says(drawn, data):
    common, more, one = drawn
    most = len(common) + data.draw(st.integers(0, 9))
    at_first = data.draw(st.integers(1, len(common)))
    kept = data.draw(st.sampled_from([0, KEPT_BYTES]))
    basis = Basis(common[:at_first], units=UNITS, most=most, kept=kept)
    if data.draw(st.booleans()):
        basis.combination_of(one, more)  # before others come to it
    for sketch in common[at_first:]:
        basis.add(sketch)
    expected = one_by_one([*common, *more], one, most=most)
    assert basis.combination_of(one, more) == expected
    # What was eliminated of these before is not eliminated again.
    assert basis.combination_of(one, more) == expected
