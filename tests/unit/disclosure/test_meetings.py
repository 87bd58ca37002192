# SPDX-License-Identifier: Apache-2.0
"""Conditions that rows of one unit add up must hold alike for nobody or for enough units."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.disclosure.groups import read_groups
from cleanroom.disclosure.layout import MAX_WAYS, Part, plan_layout
from cleanroom.disclosure.shape import ArgumentKind, ArgumentShape
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import IntegrityError
from tests.support.gate_disclosure import COUNT, PREFIX, RULES, decided, shape, statistics

COLUMNS = "k0 VARCHAR, u0 BIGINT, b0 BOOLEAN, b1 BOOLEAN, b2 BOOLEAN"
MET = replace(shape(COUNT, branches=3), meetings=((0, 1, 2),))
NEITHER = (False, False, False)


def answered(*kinds, wanted=MET) -> int:
    """Count the rows that leave, where so many units have these rows each."""
    units = [held for count, *held in kinds for _ in range(count)]
    rows = [("a", unit, *flags) for unit, held in enumerate(units) for flags in held]
    return len(decided(COLUMNS, rows, wanted=wanted).rows)


FIRST, SECOND, THIRD = (tuple(place == mine for place in range(3)) for mine in range(3))


@pytest.mark.parametrize(("few", "released"), [(0, 1), (1, 0), (9, 0), (10, 1)])
def test_units_among_whom_the_same_conditions_hold_are_none_or_enough(few, released):
    # Of three conditions everybody has two, each two of them at least ten, and a few have one.
    two = [(20, FIRST, SECOND), (20, FIRST, THIRD), (20, SECOND, THIRD)]
    assert answered(*two, (few, FIRST)) == released


@pytest.mark.parametrize(("few", "released"), [(0, 1), (1, 0), (9, 0), (10, 1)])
def test_units_with_more_rows_of_one_condition_than_of_another_are_none_or_enough(few, released):
    both = replace(MET, meetings=((0, 1),))
    rows = [(30, FIRST, SECOND, NEITHER), (few, FIRST, FIRST, SECOND, NEITHER)]
    assert answered(*rows, wanted=both) == released


def test_conditions_that_do_not_meet_are_looked_at_one_by_one():
    few = [(20, FIRST, SECOND), (20, FIRST, THIRD), (20, SECOND, THIRD), (1, FIRST)]
    assert answered(*few, wanted=replace(MET, meetings=())) == 1


def test_conditions_meet_in_every_grouping_and_without_any_key():
    rows = [("a" if unit < 30 else "b", unit, True, unit != 3, False) for unit in range(60)]
    met = replace(MET, meetings=((0, 1),), grouping_sets=((0,), ()))
    alone = replace(MET, keys=(), order=("n",), meetings=((0, 1),))
    for wanted in (met, alone):
        open_ = replace(wanted, meetings=(), branches=1)
        assert decided(COLUMNS, rows, wanted=open_).rows
        assert (None, "60") not in decided(COLUMNS, rows, wanted=wanted).rows
    assert decided(COLUMNS, rows, wanted=alone).rows == ()


def test_every_meeting_has_a_row_in_every_group():
    rows = [("a", unit, True, True, False) for unit in range(30)]
    wanted = replace(MET, meetings=((0, 1), (0, 2)))
    layout = plan_layout(wanted, RULES)
    found = statistics(COLUMNS, rows, wanted=wanted)
    assert len(found) == layout.rows_a_group
    codes = {row[0]: row for row in found}
    for code in layout.met(0, 0):
        assert layout.codes[code] == (Part.MEETING, 0, 0)
        less = [row for row in found if row is not codes[code]]
        with pytest.raises(IntegrityError, match="not every kind of unit"):
            read_groups(less, layout=layout, max_groups=10)


def test_counts_that_a_number_brings_along_meet_with_conditions():
    counted = (ArgumentShape(kind=ArgumentKind.COMPONENT, digits=6, scale=0),)
    wanted = replace(shape(COUNT, branches=1), arguments=counted, meetings=((0, 1),))

    def left(few: int, value: int | None) -> int:
        usual = [(30, True, 1), (30, False, 2), (30, True, 3)]
        people = [kind for count, *kind in [*usual, (few, False, value)] for _ in range(count)]
        rows = [("a", unit, *kind) for unit, kind in enumerate(people)]
        return len(
            decided("k0 VARCHAR, u0 BIGINT, b0 BOOLEAN, a0 BIGINT", rows, wanted=wanted).rows
        )

    # Of everybody else the condition holds where the number is odd; without one it is nothing.
    assert [left(1, 2), left(1, 3), left(10, 3), left(1, None)] == [1, 0, 1, 1]


def test_of_more_counts_than_are_looked_at_the_commonest_must_differ_in_everything():
    counted = (ArgumentShape(kind=ArgumentKind.COMPONENT, digits=6, scale=0),) * 2
    wanted = replace(shape(COUNT), arguments=counted, meetings=((0, 1),))

    def left(units: int, power: int) -> int:
        rows = [("a", unit, unit, unit**power % 2053) for unit in range(units)]
        return len(decided("k0 VARCHAR, u0 BIGINT, a0 BIGINT, a1 BIGINT", rows, wanted=wanted).rows)

    # Everybody has as many of both; of one more than are read that is not known.
    assert [left(MAX_WAYS, 1), left(MAX_WAYS + 1, 1)] == [1, 0]
    assert left(MAX_WAYS + 1, 2) == 1


def test_without_meetings_nothing_more_is_computed():
    plain = statistics_sql("SELECT 1", shape=replace(MET, meetings=()), rules=RULES, prefix=PREFIX)
    assert f"{PREFIX}bn" not in plain
    assert "min(" not in plain
