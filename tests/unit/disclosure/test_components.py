# SPDX-License-Identifier: Apache-2.0
"""What is hidden in a sum is checked by itself: what was added to it protects nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.disclosure.rules import first_failure
from cleanroom.disclosure.shape import ArgumentKind
from tests.support.gate_disclosure import COUNT, RULES, SUM, decided, grouped, shape

MEASURE = (ArgumentKind.MEASURE,)
WHOLE = "k0 VARCHAR, u0 BIGINT, a0 DECIMAL(18,2)"
PARTS = f"{WHOLE}, a1 DECIMAL(18,2)"


def failing_rule(columns, rows, wanted, rules=RULES) -> str:
    (group,) = grouped(columns, rows, wanted=wanted, rules=rules)
    return first_failure(group, rules)


@pytest.mark.parametrize(
    ("parts", "released"),
    [
        ([7] * 30, 1),
        ([7] * 29 + [8], 0),
        ([7] * 29 + [None], 0),
        ([0] * 29 + [8], 0),
        ([None] * 29 + [8], 0),
        ([None] * 30, 1),
        ([7] * 20 + [8] * 10, 1),
        ([*range(30)], 1),
    ],
)
def test_a_part_of_a_number_must_not_be_known_of_everybody_but_a_few(parts, released):
    both = shape(SUM, arguments=(ArgumentKind.MEASURE, ArgumentKind.COMPONENT))
    # What is summed differs between people, because something known was added to the part.
    rows = [("a", unit, (part or 0) + 100 * unit, part) for unit, part in enumerate(parts)]
    assert len(decided(PARTS, rows, wanted=both).rows) == released
    whole = [row[:3] for row in rows]
    assert len(decided(WHOLE, whole, wanted=shape(SUM, arguments=MEASURE)).rows) == 1


def test_a_part_that_few_people_have_most_of_is_withheld_with_the_whole():
    both = shape(SUM, arguments=(ArgumentKind.MEASURE, ArgumentKind.COMPONENT))
    for heavy, rule in ((30, ""), (10**6, "dominance")):
        parts = [heavy, *range(1, 30)]
        rows = [("a", unit, part + 10**6, part) for unit, part in enumerate(parts)]
        assert failing_rule(PARTS, rows, both) == rule
    loose = replace(RULES, dominance=frozenset())
    assert failing_rule(PARTS, rows, both, loose) == "p-percent"


def test_a_part_that_some_people_lack_is_no_split():
    both = shape(COUNT, SUM, arguments=(ArgumentKind.MEASURE, ArgumentKind.COMPONENT))
    parts = [None if unit > 26 else 100 + unit for unit in range(30)]
    rows = [("a", unit, 1000 + unit, part) for unit, part in enumerate(parts)]
    assert failing_rule(PARTS, rows, both) == ""
