# SPDX-License-Identifier: Apache-2.0
"""How many disjoint sets of people differ in all that anybody differs in."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.lattice import Lattice, Ways, disjoint_sets

ENOUGH = 4


def sets_of(*people, complete=True):
    return disjoint_sets(Ways(people=people, complete=complete), enough=ENOUGH)


@pytest.mark.parametrize(
    ("people", "found"),
    [
        ([(3, (1, 0))], ENOUGH),
        ([(9, (1, 0)), (9, (0, 1))], ENOUGH),
        ([(9, (1, 0)), (3, (0, 1))], 3),
        # Three kinds of people with two of three conditions, and one with one.
        ([(9, (1, 1, 0)), (9, (1, 0, 1)), (9, (0, 1, 1))], ENOUGH),
        ([(9, (1, 1, 0)), (9, (1, 0, 1)), (9, (0, 1, 1)), (1, (1, 0, 0))], 1),
        # Everybody has an even number but one; then as many as are needed.
        ([(9, (0,)), (9, (2,)), (9, (4,)), (1, (3,))], 1),
        ([(9, (0,)), (9, (2,)), (9, (4,)), (4, (3,))], ENOUGH),
        # Nobody is like another, and any few of them tell all.
        ([(1, (number, number**2 % 7)) for number in range(30)], ENOUGH),
        ([(9, (0,)), (2, (6,)), (2, (10,)), (2, (15,))], 2),
        ([(9, (6,)), (9, (0,)), (9, (4,))], ENOUGH),
    ],
)
def test_people_are_put_aside_as_often_as_they_tell_everything(people, found):
    assert sets_of(*people) == found


def test_of_more_people_than_are_looked_at_the_others_must_differ_in_everything():
    pairs = [(9, (number, number)) for number in range(4)]
    assert sets_of(*pairs) == ENOUGH
    assert sets_of(*pairs, complete=False) == 0
    assert sets_of(*pairs, (9, (1, 2)), complete=False) == ENOUGH
    assert sets_of((9, (1, 2)), complete=False) == 0


def test_a_lattice_is_told_by_its_size():
    lattice = Lattice()
    assert lattice.add((2, 4))
    assert lattice.add((0, 3))
    assert not lattice.add((2, 7))
    assert not lattice.add((0, 0))
    assert lattice.size == ((0, 2), (1, 3))
    assert lattice.add((3, 0))
    assert lattice.size == ((0, 1), (1, 3))
    assert lattice.add((0, -2))
    assert lattice.size == ((0, 1), (1, 1))


VECTORS = st.lists(
    st.tuples(st.integers(1, 3), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    min_size=1,
    max_size=8,
    unique_by=lambda item: item[1],
)


@settings(max_examples=200, deadline=None)
@given(VECTORS)
def test_no_combination_is_the_same_for_all_but_a_few_where_enough_sets_are_found(people):
    if sets_of(*people) < ENOUGH:
        return
    for left, right, modulus in product(range(-3, 4), range(-3, 4), (0, 2, 3, 4, 5, 6)):
        values = [(n, left * a + right * b) for n, (a, b) in people]
        values = [(n, value % modulus if modulus else value) for n, value in values]
        kinds = {value: sum(n for n, other in values if other == value) for _, value in values}
        others = sum(kinds.values()) - max(kinds.values())
        assert others == 0 or others >= ENOUGH
