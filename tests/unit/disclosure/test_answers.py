# SPDX-License-Identifier: Apache-2.0
"""What is asked a second time: the earlier answer, and no word about who made a difference."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.makers import MOST_COMBINED
from cleanroom.disclosure.past import PastRow, PastTable, encode_tables
from cleanroom.disclosure.shape import AggregateKind, AggregateShape, ArgumentKind
from cleanroom.errors import DisclosureRefusedError
from tests.support.gate_disclosure import COUNT, RULES, SUM, decided, number, shape, statistics

FINE = replace(RULES, threshold=4, difference=4, round_counts=1, significant_digits=40)
COUNTED = "k0 VARCHAR, u0 BIGINT"
COUNTS = shape(COUNT)
BOTH = shape(COUNT, SUM, arguments=(ArgumentKind.MEASURE,))
MEASURED = "k0 VARCHAR, a0 DECIMAL(18,2), u0 BIGINT"


def people(key, units):
    return [(key, unit) for unit in units]


def asked(rows, history=(), *, wanted=COUNTS, columns=COUNTED, rules=FINE):
    return decided(columns, rows, wanted=wanted, rules=rules, history=history)


def seen(released):
    """What anybody outside sees, and the size of what is remembered."""
    visible = released.rows, released.earlier, released.withheld, released.checks
    return visible, len(encode_tables(released.tables))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.integers(0, 15)), max_size=60),
    st.sets(st.integers(0, 15), max_size=3),
)
def test_leaving_out_fewer_than_agreed_tells_nothing(rows, left_out):
    data = [(key, Decimal(value), unit) for key, value, unit in rows]
    first = asked(data, wanted=BOTH, columns=MEASURED)
    fewer = [row for row in data if row[2] not in left_out]
    same, second = (asked(again, first.tables, wanted=BOTH, columns=MEASURED)
                    for again in (data, fewer))  # fmt: skip
    # Every row that was published is answered as it was, whoever of them was left out.
    assert same.rows == first.rows
    published = {row[0]: row for row in first.rows}
    for row, marks in zip(second.rows, second.earlier, strict=True):
        if row[0] in published:
            assert (row, marks) == (published[row[0]], ("n", "s"))
    kept = {key for key in published if sum(r[0] == key for r in fewer)}
    assert kept <= {row[0] for row in second.rows}


def test_a_published_row_stays_when_too_few_are_left_of_it():
    first = asked(people("a", range(5)))
    for left in (5, 4, 3, 2):
        again = asked(people("a", range(left)), first.tables)
        assert again.rows == (("a", 5),)
        assert again.earlier == (("n",),)
    # As many as the difference are gone, and one is left: there the rules begin again.
    assert asked(people("a", range(1)), first.tables).rows == ()


def test_a_new_key_must_pass_every_rule_however_close_its_people_are():
    first = asked(people("a", range(5)))
    assert asked(people("b", range(3)), first.tables).rows == ()
    assert asked(people("b", range(6)), first.tables).rows == (("b", 5),)


def test_a_new_key_with_an_old_answer_is_a_published_row_afterwards():
    first = asked(people("a", range(5)))
    second = asked(people("b", range(6)), first.tables)
    third = asked(people("b", range(3)), (*first.tables, *second.tables))
    assert third.rows == (("b", 5),)


def test_only_what_was_published_is_compared_with():
    first = asked(people("a", range(20)))
    second = asked(people("a", range(17)), first.tables)
    third = asked(people("a", range(16)), (*first.tables, *second.tables))
    assert [answer.rows for answer in (second, third)] == [(("a", 20),), (("a", 16),)]


def test_a_row_that_is_nearly_a_multiple_of_a_row_before_is_withheld():
    # Through a public table, people can be in several rows, and in some of them twice.
    for few in (0, 1, 3):
        rows = people("a", range(20)) + 2 * people("b", range(20 - few))
        assert asked(rows).rows == (("a", 20),)
    assert len(asked(people("a", range(20)) + 2 * people("b", range(16))).rows) == 2


def test_rows_of_one_result_that_overlap_get_one_answer():
    for few in (0, 1, 3):
        rows = [*people("a", range(20)), *people("b", range(20 - few))]
        released = asked(rows)
        assert released.rows == (("a", 20), ("b", 20))
        assert released.earlier == ((), ("n",))
    rows = [*people("a", range(20)), *people("b", range(16))]
    assert asked(rows).rows == (("a", 20), ("b", 16))


@pytest.mark.parametrize("gone", [(), (59,), (57, 58, 59)])
def test_rows_of_one_result_that_add_up_but_for_a_few_add_up(gone):
    # A UNION puts people into several rows, whatever the columns are that it groups by.
    rest = [unit for unit in range(30, 60) if unit not in gone]
    rows = people("all", range(60)) + people("one", range(30)) + people("rest", rest)
    released = asked(rows)
    assert released.rows == (("all", 60), ("one", 30), ("rest", 30))
    assert released.earlier == ((), (), ("n",))
    # And with what was released of two of three rows before.
    known = asked(people("both", range(60)))
    rows = people("a", range(30)) + people("b", rest) + people("c", range(60, 90))
    assert asked(rows, known.tables).rows == (("a", 30), ("b", 30), ("c", 30))


def test_sizes_of_what_is_remembered_do_not_tell_who_was_left_out():
    first = asked([*people("a", range(20)), *people("b", range(30, 45))])
    sizes = {
        len(encode_tables(asked([*people("a", range(left)), *people("b", range(30, 45))],
                                first.tables).tables))
        for left in (20, 19, 17)
    }  # fmt: skip
    assert len(sizes) == 1


def test_a_row_that_cannot_fit_two_totals_is_withheld_and_published_rows_stay():
    columns = "k0 VARCHAR, k1 VARCHAR, u0 BIGINT"
    wanted = shape(COUNT, keys=("x", "y"))
    cells = {("a", "1"): range(20), ("a", "2"): range(20, 40), ("b", "2"): range(40, 60)}
    rows = [(*key, unit) for key, units in cells.items() for unit in units]
    published = [row for row in rows if row[:2] != ("a", "2")]
    history = asked(published, wanted=wanted, columns=columns).tables
    # One total has one person more than its parts, and the other two more.
    for keys, others, place in ((("x",), [90], 0), (("y",), [91, 92], 1)):
        key = ("a", "2")[place]
        counted = [(key, row[2]) for row in rows if row[place] == key]
        counted += people(key, others)
        history += asked(counted, wanted=shape(COUNT, keys=keys)).tables
    answer = asked(rows, history, wanted=wanted, columns=columns)
    assert answer.rows == (("a", "1", 20), ("b", "2", 20))
    assert answer.withheld["difference"] == "0-9"


OTHERS = AggregateShape(
    name="u", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=-1, unit=1
)
IDS = AggregateShape(
    name="d", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=0, unit=-1
)


def test_counted_units_are_compared_where_they_add_up():
    wanted = shape(OTHERS, units=("pid", "pk"))
    columns = "k0 VARCHAR, u0 BIGINT, u1 VARCHAR"
    pairs = [("a", unit, f"p{unit // 2}") for unit in range(40)]
    first = asked(pairs, wanted=wanted, columns=columns)
    assert first.rows == (("a", 20),)
    spaces = {space for row in first.tables[0].rows for n in row.numbers for space in n.sketches}
    assert spaces == {"pid units of pk", "pk"}
    again = asked(pairs[2:], first.tables, wanted=wanted, columns=columns)
    assert again.rows == first.rows


def test_identifiers_that_units_share_are_compared_among_themselves():
    wanted = shape(IDS, arguments=(ArgumentKind.DISTINCT,))
    columns = "k0 VARCHAR, a0 BIGINT, u0 BIGINT"
    own = [("a", unit, unit) for unit in range(40)]
    shared = [("a", (unit + i) % 40, unit) for unit in range(40) for i in range(2)]
    counted = asked(people("a", range(40)))
    assert asked(own[1:], counted.tables, wanted=wanted, columns=columns).earlier == (("d",),)
    both = asked(shared, counted.tables, wanted=wanted, columns=columns)
    assert both.rows == (("a", 40),)
    assert both.earlier == ((),)
    again = asked(shared[4:], both.tables, wanted=wanted, columns=columns)
    assert again.earlier == (("d",),)


def test_numbers_of_one_row_that_differ_in_few_units_are_withheld():
    """T-08: two sums that are equal but for three people tell about the three."""
    other = AggregateShape(name="t", kind=AggregateKind.SUM, type="double", argument=1, unit=-1)
    both = shape(SUM, other, arguments=(ArgumentKind.MEASURE, ArgumentKind.MEASURE))
    columns = "k0 VARCHAR, a0 DECIMAL(18,2), a1 DECIMAL(18,2), u0 BIGINT"

    def answered(changed):
        rows = [("a", Decimal(10 + u), Decimal(10 + u + (u < changed)), u) for u in range(20)]
        return asked(rows, wanted=both, columns=columns)

    assert len(answered(0).rows) == 1
    assert answered(3).rows == ()
    assert len(answered(4).rows) == 1


def test_numbers_that_look_the_same_and_are_not_are_withheld():
    """A collision of sketches, or an engine that counts wrongly, must not release two answers."""
    other = AggregateShape(name="t", kind=AggregateKind.SUM, type="double", argument=1, unit=-1)
    both = shape(SUM, other, arguments=(ArgumentKind.MEASURE, ArgumentKind.MEASURE))
    columns = "k0 VARCHAR, a0 DECIMAL(18,2), a1 DECIMAL(18,2), u0 BIGINT"
    rows = [("a", Decimal(10 + u), Decimal(10 + u), u) for u in range(20)]
    (first, *rest) = statistics(columns, rows, wanted=both, rules=FINE)
    total = first[3]
    second = first.index(total, 5)  # the total of the other sum
    changed = (*first[:second], total + 100, *first[second + 1 :])
    for found, released in ((first, 1), (changed, 0)):
        answer = decide([found, *rest], shape=both, rules=FINE, history=())
        assert len(answer.rows) == released


@pytest.mark.parametrize(("many", "fits"), [(MOST_COMBINED - 1, True), (MOST_COMBINED, False)])
def test_a_total_beside_more_totals_than_can_be_compared_is_refused_before_any_answer(many, fits):
    totals = [number({unit: 1 + (unit * 7919 + many) % 97}) for unit in range(many)]
    history = [PastTable(rows=(PastRow(parts=(), numbers=tuple(totals)),))]
    wanted = shape(COUNT, keys=())
    rows = [(unit,) for unit in range(1000, 1020)]
    if fits:
        assert asked(rows, history, wanted=wanted, columns="u0 BIGINT").rows == ((20,),)
        return
    with pytest.raises(DisclosureRefusedError) as caught:
        asked(rows, history, wanted=wanted, columns="u0 BIGINT")
    assert caught.value.code == "disclosure.combinations"
