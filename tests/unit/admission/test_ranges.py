# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Bounds and grids of what is summed follow from declared bounds and types alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.gate_admission import admitted


@pytest.mark.parametrize(
    ("number", "lower", "upper", "scale"),
    [
        ("los", 0, 60, 0),
        ("los + los", 0, 120, 0),
        ("los - 1", -1, 59, 0),
        ("1 - los", -59, 1, 0),
        ("los * -2", -120, 0, 0),
        ("los + cost", 0, 20060, 10),
        ("CASE WHEN ward = 'a' THEN los ELSE 100 END", 0, 100, 0),
        ("(ward = 'a')::INT", 0, 1, 0),
        ("0.25 * los", 0, 15, 2),
    ],
)
def test_a_sum_is_clamped_to_what_policies_imply(number, lower, upper, scale):
    [stage] = admitted(f"SELECT sum({number}) FROM hospital.encounters").stages
    argument = stage.arguments[-1]
    found = (argument.grid.lower, argument.grid.upper, argument.grid.scale)
    assert found == (Decimal(lower), Decimal(upper), scale)
