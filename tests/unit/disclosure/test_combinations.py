# SPDX-License-Identifier: Apache-2.0
"""Sums and differences of numbers: found but for a few units, and told from chance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.combinations import combination_of, is_any_made, is_hiding
from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.makers import NO_ANSWER
from cleanroom.disclosure.past import PastNumber, PastRow
from cleanroom.disclosure.past import PastTable as Table
from cleanroom.disclosure.sketch import MODULUS
from tests.support.gate_disclosure import number, sketch

D = 10
PEOPLE = range(90)
DAYS = {unit: 1 + unit * unit % 7 for unit in PEOPLE}
COST = {unit: 100 + unit**3 % 991 for unit in PEOPLE}
VISITS = {unit: 1 + unit * 5 % 4 for unit in PEOPLE}
FACTORS = st.integers(-99, 99).filter(bool)


def made(*terms):
    return {unit: sum(factor * vector[unit] for factor, vector in terms) for unit in PEOPLE}


def without(vector, gone):
    return {unit: value for unit, value in vector.items() if unit not in gone}


def known(*vectors):
    return [sketch(vector) for vector in vectors]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(FACTORS, FACTORS, st.sets(st.sampled_from(PEOPLE), max_size=D - 1))
def test_what_others_add_up_to_is_found_but_for_a_few(one, other, gone):
    asked = sketch(without(made((one, DAYS), (other, COST)), gone))
    found = combination_of(asked, known(DAYS, COST, VISITS), units=D)
    assert found is not None
    assert found.factors == (one % MODULUS, other % MODULUS, 0)
    assert bool(gone) >= bool(found.differing)
    assert found.differing <= len(gone)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(FACTORS, FACTORS, st.sets(st.sampled_from(PEOPLE), max_size=D - 1))
def test_one_elimination_overlooks_no_number_that_is_made_of_those_before_it(one, other, gone):
    asked = without(made((one, DAYS), (other, COST)), gone)
    assert is_any_made(known(DAYS, VISITS, COST, asked), known=3, units=D)
    assert is_any_made(known(DAYS, COST, asked, VISITS), known=2, units=D)
    assert is_any_made(known(DAYS, COST, asked), known=0, units=D)


def test_of_known_numbers_nothing_is_asked():
    total = made((1, DAYS), (1, COST))
    assert not is_any_made(known(DAYS, COST, total), known=3, units=D)
    assert not is_any_made(known(DAYS, COST, total, VISITS), known=3, units=D)


def test_as_many_as_agreed_make_it_another_number():
    asked = sketch(without(made((1, DAYS), (1, COST)), range(15)))
    assert combination_of(asked, known(DAYS, COST), units=D) is None
    assert combination_of(asked, known(DAYS, COST), units=20) is not None


def test_a_number_of_its_own_is_none():
    assert combination_of(sketch(VISITS), known(DAYS, COST), units=D) is None
    assert not is_hiding(known(DAYS, COST, VISITS), units=D)


def test_numbers_of_a_few_units_are_no_combinations_of_each_other():
    # Two equations always hold, and of twelve units more than ten never differ.
    few = [{unit: vector[unit] for unit in range(12)} for vector in (DAYS, COST, VISITS)]
    assert not is_hiding(known(*few), units=D)


def test_what_is_exactly_a_sum_hides_nobody_and_but_for_a_few_it_does():
    total = made((1, DAYS), (1, COST))
    assert not is_hiding(known(total, DAYS, COST), units=D)
    assert is_hiding(known(total, DAYS, without(COST, {7})), units=D)
    assert is_hiding(known(DAYS, without(total, {7}), VISITS, COST), units=D)


def test_numbers_that_follow_from_each_other_do_not_hide_another_one():
    total = made((1, DAYS), (1, COST))
    found = combination_of(
        sketch(without(made((2, total), (1, VISITS)), {3})),
        known(DAYS, COST, total, VISITS),
        units=D,
    )
    assert found is not None
    assert found.factors == (2, 2, 0, 1)


def test_nothing_is_no_combination():
    assert combination_of(sketch({}), known({}, {}), units=D) is None
    assert not is_hiding(known({}, {}, {}), units=D)


def test_numbers_of_one_row_may_not_add_up_but_for_a_few():
    earlier = Earlier(units=D, buckets=128)
    total = number(made((1, DAYS), (1, COST)))
    assert earlier.are_apart([total, number(DAYS), number(COST)])
    assert not earlier.are_apart([total, number(DAYS), number(without(COST, {7}))])


@pytest.fixture
def earlier():
    found = Earlier(units=D, buckets=128)
    for vector in (DAYS, COST):
        found.add_table(Table(rows=(PastRow(parts=(b"a",), numbers=(number(vector),)),)))
    return found


@pytest.mark.parametrize("gone", [set(), {7}])
def test_a_number_is_answered_with_what_the_others_of_its_key_add_up_to(earlier, gone):
    asked = number(without(made((1, DAYS), (3, COST)), gone))
    found = earlier.makers().combined((b"a",), asked, [])
    assert found.value == sum(DAYS.values()) + 3 * sum(COST.values())
    assert found.sketches == number(made((1, DAYS), (3, COST))).sketches
    # Without a key or under that of another column, which may be the same people.
    assert earlier.makers().combined((), asked, []).value == found.value
    assert earlier.makers((b"b",)).combined((b"b",), asked, []).value == found.value
    # Beside a row of ``a`` in its own table as well: ``b`` may be a total of several.
    others = earlier.makers((b"a", b"b"))
    assert others.combined((b"b",), asked, []).value == found.value
    assert others.combined((b"b",), asked, [number(DAYS), number(COST)]).value == found.value


def test_a_combination_by_factors_that_nobody_can_tell_has_no_answer(earlier):
    factor = 123_456_789
    asked = number(made((factor, DAYS), (1, COST)))
    assert earlier.makers().combined((b"a",), asked, []) is NO_ANSWER


def test_numbers_of_other_units_are_not_combined(earlier):
    asked = number(made((1, DAYS), (1, COST)))
    elsewhere = PastNumber(total=1, scale=0, sketches={"pk": asked.sketches["pid"]})
    assert earlier.makers().combined((b"a",), elsewhere, []) is None


def test_sketches_of_more_buckets_are_folded():
    earlier = Earlier(units=D, buckets=256)
    numbers = tuple(
        PastNumber(
            total=sum(vector.values()), scale=0, sketches={"pid": sketch(vector, buckets=buckets)}
        )
        for vector, buckets in ((DAYS, 256), (COST, 512))
    )
    earlier.add_table(Table(rows=(PastRow(parts=(), numbers=numbers),)))
    asked = {"pid": sketch(made((1, DAYS), (1, COST)), buckets=256)}
    found = earlier.makers().combined((), PastNumber(total=0, scale=0, sketches=asked), [])
    assert found.sketches == asked
