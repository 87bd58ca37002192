# SPDX-License-Identifier: Apache-2.0
"""T-27: how many rounds make it hopeless that one person speaks for k units."""

import math

import pytest

from cleanroom.contract.map_rounds import PARTS, rounds_of


@pytest.mark.parametrize(("threshold", "rounds"), [(2, 10), (3, 6), (5, 4), (10, 2), (1000, 2)])
def test_more_units_behind_a_number_need_fewer_rounds(threshold, rounds):
    assert rounds_of(threshold) == rounds


@pytest.mark.parametrize("threshold", range(2, 60))
def test_a_forgery_goes_unnoticed_once_in_sixteen_million_runs_at_most(threshold):
    in_one = (1 / (2 * PARTS - 1)) ** (threshold - 1)
    assert in_one ** (rounds_of(threshold) - 1) <= 2**-24
    assert math.log2(PARTS).is_integer()
