# SPDX-License-Identifier: Apache-2.0
"""Multiples of numbers: found but for a few units whatever the factor, and told from chance."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.makers import NO_ANSWER
from cleanroom.disclosure.margins import Line, agree
from cleanroom.disclosure.multiples import factor_of, fraction_of, ratios
from cleanroom.disclosure.past import MOST_SCALE, PastNumber, PastRow, encode_tables
from cleanroom.disclosure.past import PastTable as Table
from cleanroom.disclosure.sketch import MODULUS, multiplied
from tests.support.gate_disclosure import number, sketch

D = 10
PEOPLE = {unit: 1 + unit * unit % 7 for unit in range(60)}
FACTORS = st.integers(-999, 999).filter(lambda factor: factor not in {0, 1})


def times(vector, factor):
    return {unit: factor * value for unit, value in vector.items()}


def without(vector, gone):
    return {unit: value for unit, value in vector.items() if unit not in gone}


def modular(factor: Fraction) -> int:
    return factor.numerator * pow(factor.denominator, -1, MODULUS) % MODULUS


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.integers(0, 400), st.integers(1, 5), min_size=2 * D + 10),
    st.sets(st.integers(0, 400), max_size=D - 1),
    FACTORS,
)
def test_a_multiple_is_found_but_for_a_few_whatever_the_factor(vector, gone, factor):
    one, other = sketch(times(without(vector, gone), factor)), sketch(vector)
    found = factor_of(one, other, units=D)
    assert found is not None
    assert found[0] == factor % MODULUS
    assert found[1] <= len(gone)
    # And the index, which compares nothing else, finds the pair.
    assert ratios(one, units=D) & ratios(other, units=D)


def test_as_many_as_agreed_make_it_another_number():
    fewer = sketch(times(without(PEOPLE, range(15)), 3))
    assert factor_of(fewer, sketch(PEOPLE), units=D) is None
    assert factor_of(fewer, sketch(PEOPLE), units=20) is not None


def test_vectors_of_a_few_units_are_no_multiples_of_each_other():
    one, other = {n: n + 2 for n in range(10)}, {n: 2 * n + 3 for n in range(10)}
    assert factor_of(sketch(one), sketch(other), units=D) is None
    assert factor_of(sketch({}), sketch(other), units=D) is None


@settings(max_examples=200, deadline=None)
@given(st.integers(-2000, 2000), st.integers(1, 2000))
def test_a_simple_factor_is_told_from_its_remainder(above, below):
    expected = Fraction(above, below) if above else None
    assert fraction_of(modular(Fraction(above, below))) == expected


def test_a_factor_that_is_not_simple_is_not_guessed():
    assert fraction_of(4_773_000_000_000_001 % MODULUS) is None


def asked(past: PastNumber, vector) -> PastNumber | None:
    earlier = Earlier(units=D, buckets=128)
    earlier.add(past)
    return earlier.nearest(number(vector).sketches)


@pytest.mark.parametrize("gone", [range(0), range(1), range(D - 1)])
@pytest.mark.parametrize("factor", [2, -1, 1000])
def test_a_multiple_is_answered_with_the_earlier_number_times_the_factor(gone, factor):
    found = asked(number(PEOPLE), times(without(PEOPLE, gone), factor))
    assert found is not None
    assert found.value == factor * sum(PEOPLE.values())
    assert found.sketches["pid"] == sketch(times(PEOPLE, factor))


@pytest.mark.parametrize("gone", [range(0), range(D - 1)])
def test_a_multiple_by_a_factor_that_nobody_can_tell_is_not_answered(gone):
    vector = times(without(PEOPLE, gone), 4_773_000_000_000_001)
    assert asked(number(PEOPLE), vector) is NO_ANSWER


def test_the_same_number_answers_before_a_multiple_does():
    earlier = Earlier(units=D, buckets=128)
    earlier.add(number(times(PEOPLE, 2)))
    earlier.add(number(PEOPLE))
    found = earlier.nearest(number(without(PEOPLE, {1})).sketches)
    assert found == number(PEOPLE)


def test_a_long_total_times_a_fraction_can_still_be_remembered():
    long = PastNumber(total=10**40 + 7, scale=20, sketches=number(times(PEOPLE, 3)).sketches)
    found = asked(long, PEOPLE)
    assert found is not None
    assert found.scale <= MOST_SCALE
    assert abs(found.value - long.value / 3) < 1
    assert encode_tables([Table(rows=(PastRow(parts=(), numbers=(found,)),))])


@pytest.mark.parametrize(("gone", "apart"), [((), True), ((3,), False), (range(20), True)])
def test_two_numbers_of_a_row_may_be_multiples_but_not_nearly(gone, apart):
    earlier = Earlier(units=D, buckets=128)
    numbers = [number(PEOPLE), number(times(without(PEOPLE, gone), 2))]
    assert earlier.are_apart(numbers) is apart


def test_a_published_row_is_answered_as_it_was_times_the_factor():
    earlier = Earlier(units=D, buckets=128)
    earlier.add_row(PastRow(parts=(b"k" * 16,), numbers=(number(PEOPLE),)))
    fewer = without(PEOPLE, range(5))
    (found,) = earlier.row_like((b"k" * 16,), [number(times(fewer, 5)).sketches])
    assert found.value == 5 * sum(PEOPLE.values())
    strange = number(times(fewer, 4_773_000_000_000_001)).sketches
    assert earlier.row_like((b"k" * 16,), [strange]) == ()
    others = number(dict.fromkeys(range(100, 150), 1), space="other").sketches
    assert earlier.row_like((b"k" * 16,), [others]) == ()


@pytest.mark.parametrize("gone", [(), (1,)])
def test_rows_that_add_up_to_what_nobody_can_tell_lose_one(gone):
    earlier = Earlier(units=D, buckets=128)
    earlier.add(number(PEOPLE))
    factor = 4_773_000_000_000_001
    halves = [times(without(PEOPLE, {*gone, *range(start, 60, 2)}), factor) for start in (0, 1)]
    lines = [
        Line(
            place=place,
            parts=(bytes([place]) * 16,),
            numbers=[number(half)],
            repeats=(False,),
            fixed=[False],
            follows=[False],
        )
        for place, half in enumerate(halves)
    ]
    assert agree(lines, earlier) == {1}


def test_a_sketch_times_a_factor_is_the_sketch_of_the_multiple():
    assert multiplied(sketch(PEOPLE), 7) == sketch(times(PEOPLE, 7))
