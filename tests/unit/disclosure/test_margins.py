# SPDX-License-Identifier: Apache-2.0
"""Totals beside parts: whatever is added and subtracted, no withheld cell comes out."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.margins import Line, LineRelation, agree, sums_of
from cleanroom.disclosure.past import PastNumber, PastRow, PastTable
from cleanroom.disclosure.sketch import MODULUS, added, from_filled
from tests.support.gate_disclosure import (
    COUNT,
    RULES,
    decided,
    grouped,
    number,
    shape,
    sketch,
)

FINE = replace(RULES, threshold=4, difference=4, round_counts=1, significant_digits=40)
ONE = "k0 VARCHAR, u0 BIGINT"
TWO = "k0 VARCHAR, k1 VARCHAR, u0 BIGINT"
CUBE = ((0, 1), (0,), (1,), ())
ROLLED = ((), (0,), (0, 1))
BESIDE = ((0,), (1,))
A, B = "abc", "xyz"
CELLS = shape(COUNT, keys=("a", "b"))


def cells(counts):
    """One unit for each count of each cell, and no unit in two."""
    rows, unit = [], 0
    for key, count in counts.items():
        for _ in range(count):
            rows.append((*key, unit))
            unit += 1
    return rows


def table(released):
    return {row[:-1]: row[-1] for row in released.rows}


def published(released, sets):
    """Pair the key of every published row with the sketch of who is in its number."""
    order = sorted(range(len(sets)), key=lambda place: (-len(sets[place]), place))
    for past, chosen in zip(released.tables, order, strict=True):
        keys = sorted(
            key
            for key in table(released)
            if all((part is not None) is (index in sets[chosen]) for index, part in enumerate(key))
        )
        for key, row in zip(keys, past.rows, strict=True):
            yield key, row.numbers[0].sketches["pid"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 9, 14, 40]), min_size=9, max_size=9),
    st.sampled_from([CUBE, CUBE, ROLLED, BESIDE]),
)
def test_no_withheld_cell_of_several_groupings_follows_from_the_rest(sizes, sets):
    counts = dict(zip(product(A, B), sizes, strict=True))
    rows = cells(counts)
    wanted = shape(COUNT, keys=("a", "b"), sets=sets)
    released = decided(TWO, rows, wanted=wanted, rules=FINE)
    assert_nothing_follows(rows, counts, [*published(released, sets)])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 3, 4, 9, 14, 40]), min_size=9, max_size=9), st.randoms())
def test_no_withheld_cell_follows_from_several_queries(sizes, random):
    counts = dict(zip(product(A, B), sizes, strict=True))
    rows = cells(counts)
    sets = [*CUBE]
    random.shuffle(sets)
    history, known_rows = (), []
    for keys in sets:
        wanted = shape(COUNT, keys=("a", "b"), sets=(keys,))
        answer = decided(TWO, rows, wanted=wanted, rules=FINE, history=history)
        history = (*history, *answer.tables)
        known_rows += published(answer, (keys,))
    assert_nothing_follows(rows, counts, known_rows)


def assert_nothing_follows(rows, counts, known_rows):
    """Solve the linear system of everything published for every cell that was withheld.

    Where it has a solution for one, the people in that combination of published numbers
    must not be the people in the cell.
    """
    unknown = list(counts)
    system = [
        [Fraction(all(part in (None, own) for part, own in zip(key, cell, strict=True)))
         for cell in unknown] + [Fraction(place == index) for index in range(len(known_rows))]
        for place, (key, _) in enumerate(known_rows)
    ]  # fmt: skip
    solved = eliminated(system, len(unknown))
    own = {group.key: group for group in grouped(TWO, rows, wanted=CELLS, rules=FINE)}
    for place, cell in enumerate(unknown):
        for row in solved:
            if 0 < counts[cell] < FINE.threshold and is_about(row[: len(unknown)], place):
                found = combined(row[len(unknown) :], [sketch for _, sketch in known_rows])
                (filled,) = own[cell].by_unit[0].sketches.values()
                assert found != from_filled(filled, buckets=128), (cell, counts)


def combined(factors, sketches):
    """Add up sketches with factors, as anybody who has them could."""
    total = sketch({})
    for factor, item in zip(factors, sketches, strict=True):
        times = factor.numerator * pow(factor.denominator, -1, MODULUS) % MODULUS
        words = struct.unpack(">128I", item)
        total = added([total, struct.pack(">128I", *(word * times % MODULUS for word in words))])
    return total


def eliminated(system, width):
    """Bring a system into reduced row echelon form, exactly."""
    rows, done = [list(row) for row in system], []
    for column in range(width if rows else 0):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [value / pivot[column] for value in pivot]
        rows = [without(row, pivot, column) for row in rows]
        done = [without(row, pivot, column) for row in done]
        done.append(pivot)
    return done


def without(row, pivot, column):
    return [value - row[column] * by for value, by in zip(row, pivot, strict=True)]


def is_about(coefficients, place) -> bool:
    return all(bool(value) == (index == place) for index, value in enumerate(coefficients))


def test_the_solver_finds_what_a_careless_release_would_tell():
    counts = {("a", "x"): 10, ("a", "y"): 2}
    rows = cells(counts)
    careless = [(("a", "x"), rows[:10]), (("a", None), rows)]
    own = [(key, sketched(mine)) for key, mine in careless]
    with pytest.raises(AssertionError):
        assert_nothing_follows(rows, counts, own)


def sketched(rows):
    """The sketch that the engine makes of a group of rows."""
    one = [("a", "x", unit) for *_, unit in rows]
    (group,) = grouped(TWO, one, wanted=CELLS, rules=FINE)
    (filled,) = group.by_unit[0].sketches.values()
    return from_filled(filled, buckets=128)


ROLLUP = shape(COUNT, sets=((0,), ()))


def test_a_total_with_hardly_anybody_withheld_is_the_sum_of_what_is_shown():
    rows = cells({("a",): 20, ("b",): 30})
    alone = decided(ONE, rows, wanted=ROLLUP, rules=FINE)
    assert table(alone) == {("a",): 20, ("b",): 30, (None,): 50}
    for few in (1, 3):
        more = [*rows, *(("c", 1000 + unit) for unit in range(few))]
        assert decided(ONE, more, wanted=ROLLUP, rules=FINE) == alone


def test_a_total_beside_parts_of_which_enough_are_withheld_is_withheld():
    rows = cells({("a",): 20, ("b",): 3, ("c",): 3})
    assert table(decided(ONE, rows, wanted=ROLLUP, rules=FINE)) == {("a",): 20}


def test_a_total_of_which_no_part_is_shown_is_no_margin():
    rows = cells({("a",): 3, ("b",): 3, ("c",): 3})
    assert table(decided(ONE, rows, wanted=ROLLUP, rules=FINE)) == {(None,): 9}


def test_parts_asked_for_after_their_total_add_up_to_it():
    rows = cells({("a",): 20, ("b",): 30, ("c",): 2})
    total = decided(
        "u0 BIGINT", [row[1:] for row in rows], wanted=shape(COUNT, keys=()), rules=FINE
    )
    assert total.rows == ((52,),)
    parts = decided(ONE, rows, wanted=shape(COUNT), rules=FINE, history=total.tables)
    # The two of the third group could be any two of the last one.
    assert table(parts) == {("a",): 20, ("b",): 32}
    assert parts.earlier == ((), ("n",))
    moved = [(key if key != "c" else "b", unit) for key, unit in rows]
    again = decided(ONE, moved, wanted=shape(COUNT), rules=FINE, history=total.tables)
    assert again == parts


def test_a_total_asked_for_after_its_parts_is_their_sum():
    rows = cells({("a",): 20, ("b",): 30, ("c",): 2})
    parts = decided(ONE, rows, wanted=shape(COUNT), rules=FINE)
    total = decided(
        "u0 BIGINT", [row[1:] for row in rows], wanted=shape(COUNT, keys=()), rules=FINE,
        history=parts.tables,
    )  # fmt: skip
    assert total.rows == ((50,),)
    assert total.earlier == (("n",),)


def line(place: int, units, *, fixed: bool = False, parts=None) -> Line:
    return Line(
        place=place,
        parts=parts or (b"%d" % place,),
        numbers=[number(dict.fromkeys(units, 1))],
        repeats=(fixed,),
        fixed=[fixed],
        follows=[False],
    )


def known(units) -> Earlier:
    earlier = Earlier(units=4, buckets=128)
    earlier.add(number(dict.fromkeys(units, 1)))
    return earlier


def test_rows_that_repeat_earlier_answers_are_never_moved():
    lines = [line(0, range(20), fixed=True), line(1, range(20, 40), fixed=True)]
    for published, stuck in ((True, []), (False, [1])):
        lines[1].published = lines[0].published = published
        assert agree(lines, known(range(42))) == frozenset(stuck)
        assert [item.numbers[0].total for item in lines] == [20, 20]
    lines = [line(0, range(20)), line(1, range(20, 40), fixed=True)]
    assert agree(lines, known(range(42))) == frozenset()
    assert [item.numbers[0].total for item in lines] == [22, 20]


def test_the_row_that_gives_way_and_its_mark_are_the_same_with_and_without_a_difference():
    for units in (range(40), range(41), range(43)):
        lines = [line(0, range(20)), line(1, range(20, 40))]
        agree(lines, known(units))
        assert [item.follows[0] for item in lines] == [False, True]


def test_a_moved_row_is_remembered_as_it_was_published():
    lines = [line(0, range(20)), line(1, range(20, 40))]
    agree(lines, known(range(43)))
    assert lines[1].numbers[0] == number(dict.fromkeys(range(20, 43), 1))


def test_rows_that_cannot_be_made_to_agree_are_withheld():
    # Two totals about nearly the same people that differ, and one row in both families.
    one = [line(0, range(20), parts=(b"p", b"q")), line(1, range(20, 40), parts=(b"p", b"q"))]
    earlier = known(range(43))
    far = PastNumber(total=90, scale=0, sketches={"pid": sketch(dict.fromkeys(range(40), 1))})
    earlier.add(far)
    assert agree(one, earlier) == frozenset()
    stubborn = _Stubborn(units=4, buckets=128)
    assert agree(one, stubborn) == frozenset({0, 1})


class _Stubborn(Earlier):
    """Knows another total every time it is asked."""

    asked = 0

    def nearest(self, sketches):
        self.asked += 1
        return PastNumber(total=self.asked, scale=0, sketches=sketches)


def test_a_row_that_is_made_of_others_follows_them():
    lines = [line(0, range(20)), line(1, range(20, 40)), line(2, range(41, 60))]
    others = [(lines[0], 0, MODULUS - 1), (lines[1], 0, MODULUS - 1)]
    of_all, of_more = (
        LineRelation(pivot=lines[2], column=0, earlier=[(whole, 1)], rows=others)
        for whole in (number(dict.fromkeys(range(most), 1)) for most in (60, 62))
    )
    earlier = Earlier(units=4, buckets=128)
    for _ in range(2):
        assert agree(lines, earlier, [of_all]) == frozenset()
        assert [item.numbers[0].value for item in lines] == [20, 20, 20]
    # What cannot be made of both in one way does not leave.
    assert agree(lines, earlier, [of_all, of_more]) == frozenset({2})


def test_a_row_does_not_leave_whose_total_was_made_of_a_sum_that_moved_since():
    # Of the second numbers it is known what they and the first ones add up to, but for two people.
    first, second = range(20), range(100, 120)
    lines = [line(0, first), line(1, range(20, 40))]
    for item, units in zip(lines, (second, range(120, 140)), strict=True):
        item.numbers.append(number(dict.fromkeys(units, 1)))
        item.fixed.append(False)
        item.follows.append(False)
    earlier = Earlier(units=4, buckets=128)
    both = number(dict.fromkeys([*range(40), *range(100, 142)], 1))
    earlier.add_table(PastTable(rows=(PastRow(parts=(), numbers=(both,)),)))
    assert agree(lines, earlier) == frozenset()
    assert [item.numbers[1].value for item in lines] == [20, 22]
    of_more = number(dict.fromkeys(range(200, 230), 1))
    moves = LineRelation(pivot=lines[0], column=0, earlier=[(of_more, 1)], rows=[])
    assert agree(lines, earlier, [moves]) == frozenset({1})


def test_a_total_of_other_units_moves_the_number_and_keeps_the_sketch():
    lines = [line(0, range(20)), line(1, range(20, 40))]
    earlier = known(range(43))
    both = {"pid": lines[1].numbers[0].sketches["pid"], "pk": sketch({5: 5})}
    lines[1].numbers[0] = replace(lines[1].numbers[0], sketches=both)
    agree(lines, earlier)
    assert lines[1].numbers[0].total == 23
    assert lines[1].numbers[0].sketches["pk"] == sketch({5: 5})


def test_beyond_a_few_keys_only_the_sum_of_everything_is_looked_at():
    rows = [
        PastRow(parts=tuple(b"%d" % (bits >> place & 1) for place in range(5)),
                numbers=(number({bits: 1}),))
        for bits in range(32)
    ]  # fmt: skip
    assert [item.total for _, item in sums_of(rows)] == [32]
    small = [PastRow(parts=row.parts[3:], numbers=row.numbers) for row in rows[::8]]
    assert Counter(item.total for _, item in sums_of(small)) == Counter({4: 1, 2: 4})
    assert list(sums_of([])) == []
