# SPDX-License-Identifier: Apache-2.0
"""Each rule alone: statistics on the edge hold, one step over it the rule bites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.rules import DominanceRule, Rules
from cleanroom.disclosure.groups import UnitStatistics, UsualValue, VectorStatistics
from cleanroom.disclosure.layout import VectorKind, VectorPlan
from cleanroom.disclosure.rules import (
    can_be_estimated,
    has_few_unusual,
    is_dominated,
    is_small,
    is_split,
    lacks_support,
    unusual_units,
)
from tests.support.gate_disclosure import RULES


def vector(contributions: Sequence[int], kind=VectorKind.SUM, index=0) -> VectorStatistics:
    """The statistics of one vector, computed here from the contributions themselves."""
    sizes = sorted(map(abs, contributions), reverse=True)
    return VectorStatistics(
        plan=VectorPlan(kind=kind, index=index),
        total=sum(contributions),
        contributed=sum(contributions),
        absolute=sum(sizes),
        largest=tuple(sizes[:3]),
        support=sum(value != 0 for value in contributions),
    )


def seen(
    *vectors: VectorStatistics, units: int = 100, splits=(), meetings=(), usual=(), means=()
) -> UnitStatistics:
    return UnitStatistics(
        units=units,
        vectors=vectors,
        splits=tuple(splits),
        meetings=tuple(meetings),
        usual=tuple(usual),
        means=tuple(means),
        sketches={},
    )


@pytest.mark.parametrize(("units", "unsafe"), [(0, True), (9, True), (10, False), (11, False)])
def test_fewer_units_than_the_threshold_are_too_few(units, unsafe):
    assert is_small(seen(units=units), RULES) is unsafe


@pytest.mark.parametrize(("nonzero", "unsafe"), [(0, True), (9, True), (10, False)])
def test_zeros_do_not_support_a_sum(nonzero, unsafe):
    values = [5] * nonzero + [0] * 50
    assert lacks_support(seen(vector([1] * 50), vector(values)), RULES) is unsafe


@pytest.mark.parametrize(
    ("values", "unsafe"),
    [
        ([1] * 20, False),
        ([90, 90, 20], False),  # exactly nine tenths
        ([90, 91, 20], True),
        ([-90, 91, 20], True),  # signs do not hide anybody
        ([0] * 20, False),
    ],
)
def test_a_few_contributors_may_not_hold_too_much(values, unsafe):
    assert is_dominated(seen(vector(values)), RULES) is unsafe


def test_every_dominance_rule_of_every_policy_counts():
    values = [40, 30, 20, 10]
    strict = replace(
        RULES,
        dominance=RULES.dominance | {DominanceRule(largest=3, share=Fraction(89, 100))},
    )
    assert not is_dominated(seen(vector(values)), RULES)
    assert is_dominated(seen(vector(values)), strict)


@pytest.mark.parametrize(
    ("values", "unsafe"),
    [
        ([100, 50, 10], False),  # the rest is exactly ten per cent
        ([100, 50, 9], True),
        ([-100, 50, -9], True),
        ([100], True),
        ([100, 100], True),
        ([], False),
    ],
)
def test_the_second_largest_may_not_estimate_the_largest(values, unsafe):
    assert can_be_estimated(seen(vector(values)), RULES) is unsafe


def test_exact_numbers_decide_on_the_edge():
    exact = vector([0])
    edge = replace(
        exact,
        absolute=160 * 10**30,
        largest=(100 * 10**30, 50 * 10**30),
    )
    below = replace(edge, absolute=160 * 10**30 - 1)
    assert not can_be_estimated(seen(edge), RULES)
    assert can_be_estimated(seen(below), RULES)


@pytest.mark.parametrize(
    ("sides", "unsafe"),
    [
        ((), False),
        ((0, 100), False),
        ((100, 0), False),
        ((10, 90), False),
        ((9, 91), True),
        ((91, 9), True),
        ((100, 1), True),
    ],
)
def test_nobody_or_enough_units_are_on_every_side(sides, unsafe):
    assert is_split(seen(vector([1] * 100), splits=(50, *sides)), RULES) is unsafe


def test_a_number_needs_as_many_as_two_answers_must_differ_by():
    strict = replace(RULES, difference=25)
    assert is_small(seen(units=24), strict)
    assert not is_small(seen(units=25), strict)
    assert lacks_support(seen(vector([1] * 24)), strict)
    assert not lacks_support(seen(vector([1] * 25)), strict)


@pytest.mark.parametrize(("nonzero", "unsafe"), [(0, False), (1, True), (9, True), (10, False)])
def test_where_zeros_may_leave_an_empty_cell_has_support_enough(nonzero, unsafe):
    open_ = replace(RULES, zeros="release")
    assert lacks_support(seen(vector([5] * nonzero + [0] * 50)), open_) is unsafe


def usual(values: Sequence[float | None], threshold: int = RULES.threshold) -> UsualValue:
    """What the engine reports; ``None`` is a unit without a value."""
    constants = sorted(value for value in values if value is not None)
    return UsualValue(
        constant=len(constants),
        low=tuple(constants[: 2 * threshold]),
        high=tuple(constants[::-1][:threshold]),
    )


@pytest.mark.parametrize(
    ("values", "unsafe"),
    [
        ([5] * 100, False),
        ([5] * 99 + [7], True),
        ([5] * 99 + [3], True),
        ([5] * 99 + [None], True),
        ([5] * 91 + [1, 2, 3, 4, 6, 7, 8, 9, None], True),
        ([5] * 90 + [1, 2, 3, 4, 6, 7, 8, 9, None, None], False),
        (list(range(100)), False),
        ([5] * 50 + [6] * 50, False),
        ([None] * 100, False),
        ([None] * 95 + [1, 2, 3, 4, 5], True),
        ([None] * 90 + list(range(10)), False),
        ([5] * 11 + [6], True),
        (list(range(12)), False),
    ],
)
def test_everybody_else_may_not_be_a_constant(values, unsafe):
    statistics = seen(units=len(values), usual=[usual(values)])
    assert has_few_unusual(statistics, RULES) is unsafe


@pytest.mark.parametrize(
    ("means", "unsafe"),
    [
        ([5.0] * 100, False),
        ([5.0] * 99 + [5.5], True),
        ([5.0] * 90 + [float(n) for n in range(10, 20)], False),
        # A mean that a few happen to share is not what everybody has.
        ([5.0] * 4 + [float(n) for n in range(10, 17)], False),
    ],
)
def test_everybody_else_may_not_have_a_constant_in_every_row(means, unsafe):
    statistics = seen(units=len(means), means=[usual(means)])
    assert has_few_unusual(statistics, RULES) is unsafe


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=80),
    st.integers(3, 12),
)
def test_the_short_lists_find_exactly_what_the_whole_data_says(values, threshold):
    exact = len(values) - max(Counter(values).values())
    found = unusual_units(usual(values, threshold), units=len(values), threshold=threshold)
    assert found == exact or min(found, exact) >= threshold


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 40))
def test_a_stricter_p_never_releases_more(values, percent):
    statistics = seen(vector(values))
    looser: Rules = replace(RULES, p_percent=Fraction(percent))
    stricter = replace(RULES, p_percent=Fraction(percent + 1))
    if can_be_estimated(statistics, looser):
        assert can_be_estimated(statistics, stricter)
