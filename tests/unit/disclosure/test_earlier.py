# SPDX-License-Identifier: Apache-2.0
"""Sketches and their index: no pair of close vectors is missed, and nothing else is invented."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.multiples import factor_of
from cleanroom.disclosure.past import PastNumber, PastRow, PastTable
from cleanroom.disclosure.sketch import (
    MODULUS,
    added,
    buckets_for,
    distance,
    first_filled,
    folded,
    from_filled,
    inverse_power,
    subtracted,
)
from cleanroom.errors import DisclosureRefusedError
from tests.support.gate_disclosure import number, sketch

UNITS = st.integers(0, 60)
VECTOR = st.dictionaries(UNITS, st.integers(1, 5), max_size=60)
CHANGES = st.dictionaries(UNITS, st.integers(0, 5), max_size=9)


def changed(vector, changes):
    return {unit: value for unit, value in (vector | changes).items() if value}


def differing(one, other) -> int:
    return sum(one.get(unit, 0) != other.get(unit, 0) for unit in one | other)


@settings(max_examples=150, deadline=None)
@given(VECTOR, CHANGES)
def test_vectors_that_differ_in_few_units_differ_in_no_more_buckets(vector, changes):
    other = changed(vector, changes)
    assert distance(sketch(vector), sketch(other)) <= differing(vector, other)


@settings(max_examples=100, deadline=None)
@given(st.lists(VECTOR, max_size=8), VECTOR, CHANGES, st.integers(3, 9))
def test_the_index_finds_exactly_what_comparing_with_everything_finds(history, vector, changes, d):
    earlier = Earlier(units=d, buckets=128)
    numbers = [number(past) for past in (*history, changed(vector, changes))]
    for past in numbers:
        earlier.add(past)
    asked = number(vector)
    sketches = [(past, past.sketches["pid"], asked.sketches["pid"]) for past in numbers]
    close = [past for past, one, other in sketches if distance(one, other) < d]
    multiples = [past for past, one, other in sketches if factor_of(other, one, units=d)]
    found = earlier.nearest(asked.sketches)
    if close:
        assert found == close[0]
    elif not multiples:
        assert found is None


@settings(max_examples=100, deadline=None)
@given(VECTOR, CHANGES)
def test_no_pair_below_the_difference_is_missed(vector, changes):
    earlier = Earlier(units=10, buckets=128)
    earlier.add(number(changed(vector, changes)))
    assert earlier.nearest(number(vector).sketches) is not None


def test_pairs_far_apart_are_hardly_ever_taken_for_close():
    everybody = dict.fromkeys(range(2000), 1)
    taken = 0
    for first in range(200):
        left = {unit: 1 for unit in everybody if not first <= unit < first + 14}
        taken += distance(sketch(everybody), sketch(left)) < 10
    assert taken < 10


@settings(max_examples=100, deadline=None)
@given(VECTOR, VECTOR)
def test_sketches_add_up_like_the_vectors_do(one, other):
    total = {unit: one.get(unit, 0) + other.get(unit, 0) for unit in one | other}
    assert added([sketch(one), sketch(other)]) == sketch(total)
    assert subtracted(sketch(total), sketch(other)) == sketch(one)
    assert folded(sketch(one, buckets=512), buckets=128) == sketch(one)
    assert folded(sketch(one), buckets=512) == sketch(one)


def test_a_sum_of_ones_on_any_grid_is_a_count():
    cents = dict.fromkeys(range(30), 100)
    text = "".join(
        f"{1 << 63 | place << 32 | word * inverse_power(2) % MODULUS:016x}"
        for place, word in enumerate(int.from_bytes(sketch(cents)[4 * i : 4 * i + 4], "big")
                                     for i in range(128))
    )  # fmt: skip
    assert from_filled(text, buckets=128) == sketch(dict.fromkeys(range(30), 1))


def test_buckets_are_a_power_of_two_and_eight_for_each_unit():
    assert [buckets_for(d) for d in (3, 16, 17, 32, 100)] == [128, 128, 256, 256, 1024]


def test_the_first_filled_buckets_are_few_when_few_are_filled():
    assert first_filled(sketch({}), count=3) == []
    assert len(first_filled(sketch(dict.fromkeys(range(50), 1)), count=3)) == 3


def test_the_first_filled_buckets_are_the_same_wherever_the_empty_ones_are():
    first = struct.pack("=128I", *range(1, 129))
    assert first_filled(first, count=3) == [1, 1 << 32 | 2, 2 << 32 | 3]
    later = struct.pack("=128I", 9, 0, *range(1, 127))
    assert first_filled(later, count=3) == [9, 2 << 32 | 1, 3 << 32 | 2]


def test_the_earliest_answers():
    earlier = Earlier(units=10, buckets=128)
    first = dict.fromkeys(range(100), 1)
    second = dict.fromkeys(range(88), 1)
    for vector in (first, second):
        earlier.add(number(vector))
    between = dict.fromkeys(range(94), 1)
    assert earlier.nearest(number(between).sketches).total == 100


def test_other_namespaces_are_other_people():
    earlier = Earlier(units=10, buckets=128)
    vector = dict.fromkeys(range(50), 1)
    earlier.add(number(vector, space="pk"))
    assert earlier.nearest(number(vector).sketches) is None


def test_two_kinds_of_unit_are_close_if_one_is():
    earlier = Earlier(units=10, buckets=128)
    one, other = dict.fromkeys(range(50), 1), dict.fromkeys(range(500, 550), 1)
    both = {"pid": sketch(one), "pk": sketch(other)}
    earlier.add(PastNumber(total=50, scale=0, sketches=both))
    assert earlier.nearest({"pid": sketch({}), "pk": sketch(other)}) is not None
    assert earlier.nearest({"pid": sketch({}), "pk": sketch({})}) is None


def test_an_earlier_release_of_another_rule_is_compared_on_the_coarser_sketch():
    fine, coarse = Earlier(units=10, buckets=128), Earlier(units=20, buckets=256)
    vector = dict.fromkeys(range(50), 1)
    fine.add(PastNumber(total=50, scale=0, sketches={"pid": sketch(vector, buckets=256)}))
    coarse.add(number(vector))
    assert fine.nearest({"pid": sketch(vector)}) is not None
    assert coarse.nearest({"pid": sketch(vector, buckets=256)}) is not None


def test_a_release_remembered_too_coarsely_for_todays_rule_ends_the_run():
    earlier = Earlier(units=33, buckets=512)
    with pytest.raises(DisclosureRefusedError, match=r"^difference:"):
        earlier.add(number({1: 1}))


def test_a_published_row_is_found_by_its_key_and_all_its_numbers():
    earlier = Earlier(units=10, buckets=128)
    vector, other = dict.fromkeys(range(30), 1), dict.fromkeys(range(30), 7)
    row = PastRow(parts=(b"k",), numbers=(number(vector), number(other)))
    earlier.add_table(PastTable(rows=(row,)), [((), number({9: 9}))])
    few = [number(dict.fromkeys(range(25), value)).sketches for value in (1, 7)]
    assert earlier.row_like((b"k",), few) == row.numbers
    assert earlier.row_like((b"k",), few[::-1]) == row.numbers[::-1]
    assert earlier.row_like((b"other",), few) == ()
    assert earlier.row_like((b"k",), [few[0], sketch_of_others()]) == ()
    assert earlier.has_row((b"k",))
    assert not earlier.has_row((b"other",))


def sketch_of_others():
    return number(dict.fromkeys(range(900, 930), 1)).sketches


def test_numbers_of_one_row_are_the_same_or_far_apart():
    earlier = Earlier(units=10, buckets=128)
    whole, most = dict.fromkeys(range(60), 1), dict.fromkeys(range(57), 1)
    half = dict.fromkeys(range(30), 1)
    assert earlier.are_apart([number(whole), number(whole), number(half)])
    assert not earlier.are_apart([number(whole), number(most)])
    other_total = PastNumber(total=1, scale=0, sketches=number(whole).sketches)
    assert not earlier.are_apart([number(whole), other_total])
    assert earlier.are_apart([number(whole), number(most, space="pk")])
