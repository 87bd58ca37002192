# SPDX-License-Identifier: Apache-2.0
"""Two released numbers never differ in a few units, however many others there are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.difference import conflicts, too_close
from tests.support.gate_disclosure import cell, vector

K = 10


@pytest.mark.parametrize(("gone", "close"), [(0, False), (1, True), (9, True), (10, False)])
def test_members_differ_in_none_or_in_enough(gone, close):
    whole = vector(range(100), members=True)
    part = vector(range(gone, 100), members=True)
    assert too_close(whole, part, units=K) is close
    assert too_close(part, whole, units=K) is close


@pytest.mark.parametrize(("changed", "close"), [(0, False), (1, True), (9, True), (10, False)])
def test_contributions_differ_in_none_or_in_enough(changed, close):
    whole = vector(range(100))
    other = vector([*range(changed, 100), *range(1000, 1000 + changed)])
    assert too_close(whole, other, units=K) is close
    assert too_close(other, whole, units=K) is close


def test_who_is_in_a_group_is_not_compared_with_a_number():
    assert not too_close(vector(range(100), members=True), vector(range(1, 100)), units=K)


def test_a_new_cell_close_to_a_past_one_is_withheld():
    past = cell(vector(range(100)))
    assert conflicts([cell(vector(range(1, 100)))], [past], units=K) == {0}
    assert conflicts([cell(vector(range(100)))], [past], units=K) == set()
    assert conflicts([cell(vector(range(50, 150)))], [past], units=K) == set()


def test_both_of_two_close_new_cells_are_withheld():
    cells = [cell(vector(range(100))), cell(vector(range(500, 600))), cell(vector(range(2, 100)))]
    assert conflicts(cells, [], units=K) == {0, 2}


def test_units_of_other_identifiers_are_not_compared():
    one = cell(vector(range(100), namespace="pid"))
    other = cell(vector(range(1, 100), namespace="pk"))
    assert conflicts([one], [other], units=K) == set()


def test_vectors_of_one_cell_are_the_splits_rules_business():
    assert conflicts([cell(vector(range(100)), vector(range(1, 100)))], [], units=K) == set()


def test_a_cell_of_fewer_units_than_the_difference_is_close_to_nothing_at_all():
    assert conflicts([cell(vector(range(9)))], [], units=K) == {0}


@settings(max_examples=80, deadline=None)
@given(
    st.sets(st.integers(0, 400), min_size=4, max_size=60),
    st.sets(st.integers(0, 400), max_size=8),
    st.sets(st.integers(401, 800), max_size=8),
    st.integers(3, 6),
)
def test_the_index_never_misses_a_pair_that_differs_in_few_units(base, gone, added, units):
    other = (base - gone) | added
    differing = len(base ^ other)
    if min(len(base), len(other)) < units:
        return
    members = conflicts(
        [cell(vector(base, members=True))], [cell(vector(other, members=True))], units=units
    )
    assert members == ({0} if 0 < differing < units else set())
    if differing and max(len(base - other), len(other - base)) < units:
        assert conflicts([cell(vector(base))], [cell(vector(other))], units=units) == {0}
