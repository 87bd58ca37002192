# SPDX-License-Identifier: Apache-2.0
"""What numbers are made of: by which keys they are found, among how many, and beyond that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cleanroom.disclosure.combinations import Basis
from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.makers import MOST_COMBINED, MOST_OF_TABLE, NO_ANSWER
from cleanroom.disclosure.margins import sums_of
from cleanroom.disclosure.past import PastRow, PastTable
from cleanroom.errors import DisclosureRefusedError
from tests.support.gate_disclosure import number, sketch

D = 10
PEOPLE = range(400)
WOMEN, NORTH = b"women", b"north"


def unlike(seed: int, people: Sequence[int] = PEOPLE):
    """Give everybody something else than any other seed does."""
    return {unit: 1 + (unit * 7 + seed * seed + unit * unit * seed) % 9973 for unit in people}


def without(vector, gone):
    return {unit: value for unit, value in vector.items() if unit not in gone}


def both(one, other):
    return {unit: one[unit] + other[unit] for unit in one}


def row(parts, *vectors):
    return PastRow(parts=parts, numbers=tuple(map(number, vectors)))


def knowing(*tables: Sequence[PastRow], buckets: int = 128) -> Earlier:
    earlier = Earlier(units=D, buckets=buckets)
    for rows in tables:
        earlier.add_table(PastTable(rows=tuple(rows)), sums_of(rows))
    return earlier


ONE, OTHER = unlike(1), unlike(2)
ASKED = number(without(both(ONE, OTHER), {7}))
HALVES = [range(200), range(200, 400)]


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        ([[row((WOMEN,), ONE)], [row((), OTHER)]], (WOMEN,)),
        ([[row((WOMEN, NORTH), ONE, OTHER)]], (NORTH, WOMEN)),
        ([[row((WOMEN,), ONE)], [row((NORTH,), OTHER)]], (WOMEN, NORTH)),
        (
            [[row((WOMEN, NORTH), ONE), row((b"men", NORTH), OTHER)], [row((b"f",), OTHER)]],
            (WOMEN,),
        ),
        (
            [
                [
                    row((WOMEN, bytes([place])), unlike(1, half))
                    for place, half in enumerate(HALVES)
                ],
                [row((WOMEN,), OTHER)],
            ],
            (WOMEN,),
        ),
    ],
    ids=["without a key", "another order", "parts of the key", "finer rows", "sums of finer rows"],
)
def test_a_number_is_made_of_what_may_be_about_the_same_people(tables, parts):
    found = knowing(*tables).makers(parts).combined(parts, ASKED, [])
    assert found is not None
    assert found.value == sum(ONE.values()) + sum(OTHER.values())


def test_of_its_own_row_alone_nothing_is_made_that_was_not_known():
    earlier = knowing([row((), unlike(3), unlike(4))])
    beside = [number(ONE), number(OTHER)]
    assert earlier.makers().combined((), ASKED, beside, fresh=beside) is None
    assert earlier.makers().combined((), ASKED, beside, fresh=beside[:1]) is not None


@pytest.mark.parametrize("many", [MOST_OF_TABLE // 2 - 1, MOST_OF_TABLE // 2])
def test_rows_of_other_values_of_the_same_column_are_compared_where_there_are_few(many):
    # They are other people, but for what a UNION wrote and for sums over several of them.
    rows = [row((bytes([place]),), unlike(place), unlike(-place)) for place in range(3, 3 + many)]
    earlier = knowing([row((b"a",), ONE, OTHER), *rows])
    found = earlier.makers((b"a", b"\3")).combined((b"\3",), ASKED, [])
    assert (found is not None) == (2 * many + 2 <= MOST_OF_TABLE)


@pytest.mark.parametrize("many", [12, MOST_COMBINED - 1])
def test_a_few_people_are_found_among_many_numbers(many):
    known = [unlike(seed) for seed in range(10, 10 + many)]
    made = without(both(known[3], known[many - 1]), {5, 77, 301})
    earlier = knowing(*([row((), vector)] for vector in known))
    found = earlier.makers().combined((), number(made), [])
    assert found is not None
    assert found.value == sum(known[3].values()) + sum(known[many - 1].values())
    assert earlier.makers().combined((), number(unlike(5)), []) is None


def test_under_a_key_of_more_numbers_than_can_be_compared_nothing_new_is_answered():
    vectors = [unlike(seed) for seed in range(MOST_COMBINED + 1)]
    earlier = knowing([row((WOMEN,), *vectors)])
    assert earlier.makers((WOMEN,)).combined((WOMEN,), number(unlike(99)), []) is NO_ANSWER
    assert earlier.makers((NORTH,)).combined((NORTH,), number(unlike(99)), []) is None


def test_totals_are_refused_once_no_more_can_be_compared():
    earlier = knowing([row((), *(unlike(seed) for seed in range(MOST_COMBINED - 2)))])
    earlier.add_table(PastTable(rows=(row((), unlike(0)),)))  # said before
    earlier.require_comparable(row=2, totals=2)
    earlier.require_comparable(row=MOST_COMBINED, totals=0)
    with pytest.raises(DisclosureRefusedError, match=r"^numbers: ") as caught:
        earlier.require_comparable(row=1, totals=3)
    assert caught.value.code == "disclosure.combinations"
    with pytest.raises(DisclosureRefusedError, match=r"^numbers: "):
        earlier.require_comparable(row=MOST_COMBINED + 1, totals=0)


@pytest.mark.parametrize("first", range(8))
def test_a_number_of_few_buckets_is_nothing_that_others_add_up_to(first):
    # Ten people may share nine buckets, which is nearly none: no factor is one, of anything.
    few = number(dict.fromkeys(range(first, first + D), 1))
    earlier = knowing([row((), ONE, OTHER)], [row((WOMEN,), unlike(3, range(first, first + 11)))])
    assert earlier.makers().combined((), few, []) is None
    assert earlier.makers((WOMEN,)).combined((WOMEN,), few, [number(ONE), number(OTHER)]) is None


def test_a_basis_serves_many_numbers():
    basis = Basis([sketch(ONE), sketch(OTHER)], units=D, most=3)
    third = unlike(3)
    made = basis.combination_of(sketch(without(both(ONE, third), {7})), [sketch(third)])
    assert made is not None
    assert made.factors == (1, 0, 1)
    assert basis.combination_of(sketch(third), []) is None
    # What was eliminated for one number is not left over for the next one.
    again = basis.combination_of(sketch(both(ONE, OTHER)), [])
    assert again is not None
    assert again.factors == (1, 1)


SUM = number(both(ONE, OTHER))
LESS = number(without(OTHER, {7}))


@pytest.mark.parametrize("numbers", [2, MOST_OF_TABLE, MOST_OF_TABLE + 1])
def test_rows_of_a_small_table_may_add_up_to_what_is_known(numbers):
    first = number(ONE)
    makers = knowing([row((), both(ONE, OTHER))]).makers((NORTH, WOMEN), numbers=numbers)
    assert makers.relation((NORTH,), first, []) is None
    assert not makers.has_rows()
    makers.add_row([first, first])
    assert makers.has_rows() == (numbers <= MOST_OF_TABLE)
    relation = makers.relation((WOMEN,), LESS, [])
    if numbers > MOST_OF_TABLE:
        assert relation is None
        return
    assert any(item is first for item, _ in relation.terms)
    assert relation.number.value == sum(OTHER.values())


def test_rows_of_one_table_are_compared_without_any_history():
    makers = Earlier(units=D, buckets=128).makers((NORTH, WOMEN), numbers=2)
    assert makers.relation((NORTH,), SUM, []) is None
    makers.add_row([SUM])
    makers.add_row([number(ONE), number(unlike(3))])  # one more than was counted on
    assert makers.combined((WOMEN,), LESS, []).value == sum(OTHER.values())
    assert makers.combined((WOMEN,), number(without(unlike(3), {7})), []) is None


def test_a_small_table_of_which_nothing_is_made_is_told_at_once():
    earlier = knowing([row((), both(ONE, OTHER))])
    rows = [((NORTH,), [number(ONE)]), ((WOMEN,), [number(unlike(5))])]
    assert earlier.makers(numbers=2).is_quiet(rows)
    assert not earlier.makers(numbers=2).is_quiet([rows[0], ((WOMEN,), [LESS])])
    # Exactly made is made: without the few it must look the same.
    assert not earlier.makers(numbers=2).is_quiet([rows[0], ((WOMEN,), [number(OTHER)])])
    assert not earlier.makers(numbers=1).is_quiet(rows[:1])
    many = knowing([row((WOMEN,), *(unlike(seed) for seed in range(10, 89)))])
    assert not many.makers(numbers=2).is_quiet(rows)
