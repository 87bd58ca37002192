# SPDX-License-Identifier: Apache-2.0
"""Released numbers lie on the policy's grid, exactly and in one spelling."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.bands import band, is_lowest
from cleanroom.disclosure.grid import round_count, round_number


@pytest.mark.parametrize(
    ("count", "base", "expected"),
    [(0, 5, 0), (12, 5, 10), (13, 5, 15), (5, 10, 0), (15, 10, 20), (7, 1, 7), (10**18, 7, 10**18)],
)
def test_counts_are_multiples_of_the_base(count, base, expected):
    assert round_count(count, base=base) == pytest.approx(expected, abs=base / 2)
    assert round_count(count, base=base) % base == 0


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (Fraction(0), 4, "0"),
        (Fraction(123456), 4, "123500"),
        (Fraction(-123456), 4, "-123500"),
        (Fraction(1, 3), 4, "0.3333"),
        (Fraction(-2, 3), 4, "-0.6667"),
        (Fraction(5), 4, "5"),
        (Fraction(99999), 4, "100000"),
        (Fraction("0.00099999"), 2, "0.001"),
        (Fraction(12345, 10), 6, "1234.5"),
        (Fraction(1, 10**20), 3, "0.00000000000000000001"),
        (Fraction(10), 1, "10"),
        (Fraction(25), 1, "20"),
        (Fraction(10**38), 4, "1" + "0" * 38),
    ],
)
def test_numbers_have_so_many_significant_digits(value, digits, expected):
    assert round_number(value, digits=digits) == expected


@settings(max_examples=200, deadline=None)
@given(st.fractions(), st.integers(1, 6))
def test_rounding_is_close_idempotent_and_symmetric(value, digits):
    text = round_number(value, digits=digits)
    rounded = Fraction(Decimal(text))
    assert abs(rounded - value) * 2 * 10 ** (digits - 1) <= abs(value)
    assert round_number(rounded, digits=digits) == text
    assert Fraction(round_number(-value, digits=digits)) == -rounded
    assert "e" not in text.lower()


@pytest.mark.parametrize(
    ("count", "threshold", "expected"),
    [
        (0, 3, "0-9"),
        (9, 10, "0-9"),
        (10, 10, "10-99"),
        (10, 11, "0-99"),
        (99, 50, "0-99"),
        (100, 50, "100-999"),
        (12345, 10, "10000-99999"),
        (150, 101, "0-999"),
    ],
)
def test_a_band_hides_whether_there_was_anything_at_all(count, threshold, expected):
    assert band(count, threshold=threshold) == expected
    assert is_lowest(expected) is expected.startswith("0-")
