# SPDX-License-Identifier: Apache-2.0
"""Sub-totals of one release: all of them where nothing is withheld, none that gives away a part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.disclosure.shape import ArgumentKind, GroupingShape
from tests.support.gate_disclosure import COUNT, RULES, SUM, decided, shape

FINE = replace(RULES, threshold=4, difference=4, round_counts=1, significant_digits=12)
TWO = "k0 VARCHAR, k1 VARCHAR, u0 BIGINT"
MEASURED = "k0 VARCHAR, k1 VARCHAR, a0 DECIMAL(12,2), u0 BIGINT"
ROLLUP = ((), (0,), (0, 1))
CUBE = ((), (0,), (0, 1), (1,))
BESIDE = ((0,), (1,))


def people(**cells):
    """So many people in each cell; ``ax=5`` are five in (a, x)."""
    rows = [(*cell, place) for cell, count in cells.items() for place in range(count)]
    return [(*row[:-1], unit) for unit, row in enumerate(rows)]


def amounts(**cells):
    """People with these amounts in each cell."""
    rows = [(*cell, amount) for cell, given in cells.items() for amount in given]
    return [(*row, unit) for unit, row in enumerate(rows)]


def rows_of(columns, rows, *aggregates, sets, arguments=()):
    wanted = shape(*aggregates, keys=("a", "b"), sets=sets, arguments=arguments)
    return {row[:2] for row in decided(columns, rows, wanted=wanted, rules=FINE).rows}


def sums(rows, sets):
    return rows_of(MEASURED, rows, SUM, sets=sets, arguments=(ArgumentKind.MEASURE,))


@pytest.mark.parametrize("sets", [ROLLUP, CUBE, (*BESIDE, ()), ((0, 1), (1,))])
def test_where_no_part_is_withheld_every_subtotal_is_shown(sets):
    rows = people(ax=9, ay=8, bx=12, by=7, cx=20)
    wanted = {
        tuple(key if index in chosen else None for index, key in enumerate(cell))
        for chosen in sets
        for cell in ["ax", "ay", "bx", "by", "cx"]
    }
    assert rows_of(TWO, rows, COUNT, sets=sets) == wanted


def test_the_subtotals_of_what_is_shown_add_up():
    rows = people(ax=9, ay=8, bx=12, by=2)
    shown = decided(TWO, rows, wanted=shape(COUNT, keys=("a", "b"), sets=ROLLUP), rules=FINE).rows
    numbers = {row[:2]: row[2] for row in shown}
    assert numbers["a", None] == numbers["a", "x"] + numbers["a", "y"]
    assert numbers[None, None] == sum(numbers[key] for key in numbers if None not in key)


DOMINATED = [10, 12, 14, 16, 18, 10_000]
EVEN = [10, 11, 12, 13, 14, 15]
# Whoever has all of b and the whole has all of a, of which nearly everything is one person's.
LARGE = [*range(2000, 3000, 100)]
ACROSS = amounts(ax=DOMINATED[:3], ay=DOMINATED[3:], bx=LARGE, by=LARGE)


def test_beside_a_withheld_part_another_cut_of_the_same_people_is_withheld():
    assert sums(ACROSS, ((0,),)) == {("b", None)}
    assert sums(ACROSS, ((1,),)) == {(None, "x"), (None, "y")}
    assert sums(ACROSS, BESIDE) == {("b", None)}
    # The other way round: what is whole is shown first, and then nothing of the broken cut.
    assert sums([(two, one, *rest) for one, two, *rest in ACROSS], BESIDE) == {
        ("x", None),
        ("y", None),
    }


def test_only_the_people_whom_both_cuts_share_are_taken_away():
    inner = [("p", *row) for row in amounts(ax=DOMINATED[:3], ay=DOMINATED[3:], bx=LARGE, by=LARGE)]
    outer = [("q", *row[:-1], 1000 + row[-1]) for row in amounts(ax=EVEN, ay=LARGE, bx=LARGE)]
    columns = "k0 VARCHAR, k1 VARCHAR, k2 VARCHAR, a0 DECIMAL(12,2), u0 BIGINT"
    wanted = shape(
        SUM, keys=("o", "a", "b"), sets=((0, 1), (0, 2)), arguments=(ArgumentKind.MEASURE,)
    )
    shown = {row[:3] for row in decided(columns, inner + outer, wanted=wanted, rules=FINE).rows}
    assert shown == {
        ("p", "b", None),
        ("q", "a", None), ("q", "b", None), ("q", None, "x"), ("q", None, "y"),
    }  # fmt: skip


def test_two_cuts_that_are_both_broken_are_not_subtracted():
    rows = amounts(ax=DOMINATED, bx=EVEN, by=DOMINATED, cz=EVEN)
    assert sums(rows, BESIDE) == {("c", None), (None, "z")}


def test_what_is_left_over_of_a_few_people_takes_nothing_away():
    rows = people(ax=9, bx=12, by=8, cy=2)
    assert rows_of(TWO, rows, COUNT, sets=BESIDE) == {
        ("a", None), ("b", None), (None, "x"), (None, "y"),
    }  # fmt: skip


def test_a_row_that_was_published_stays_beside_a_withheld_part():
    only = shape(SUM, keys=("a", "b"), sets=((1,),), arguments=(ArgumentKind.MEASURE,))
    both = shape(SUM, keys=("a", "b"), sets=BESIDE, arguments=(ArgumentKind.MEASURE,))
    first = decided(MEASURED, ACROSS, wanted=only, rules=FINE)
    again = decided(MEASURED, ACROSS, wanted=both, rules=FINE, history=first.tables)
    assert {row[:2] for row in again.rows} == {("b", None), (None, "x"), (None, "y")}


def test_a_grouping_number_says_what_a_row_was_not_grouped_by():
    wanted = replace(
        shape(COUNT, keys=("a", "b"), sets=ROLLUP),
        groupings=(GroupingShape(name="g", keys=(0, 1)), GroupingShape(name="h", keys=(1, 0))),
        order=("a", "b", "n", "g", "h"),
    )
    rows = decided(TWO, people(ax=9, ay=8), wanted=wanted, rules=FINE).rows
    assert set(rows) == {
        ("a", "x", 9, 0, 0), ("a", "y", 8, 0, 0), ("a", None, 17, 1, 2), (None, None, 17, 3, 3),
    }  # fmt: skip


def test_a_cut_of_which_nothing_is_shown_takes_nothing_away():
    rows = people(ax=3, bx=3, cx=2, dy=3, ey=3)
    assert rows_of(TWO, rows, COUNT, sets=BESIDE) == {(None, "x"), (None, "y")}
