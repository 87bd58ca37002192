# SPDX-License-Identifier: Apache-2.0
"""From rows to a release: what leaves, what is withheld, and what is remembered."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.policy_terms import DifferentialPrivacy
from cleanroom.contract.rules import strictest
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.rules import first_failure
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    GroupingShape,
)
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import DisclosureRefusedError, IntegrityError
from tests.support.gate_admission import CATALOG
from tests.support.gate_disclosure import (
    AVG,
    COUNT,
    RULES,
    SUM,
    decided,
    grouped,
    shape,
    statistics,
)

COUNTS = shape(COUNT)
COUNTED = "k0 VARCHAR, u0 BIGINT"
MEASURED = "k0 VARCHAR, a0 DECIMAL(18,2), u0 BIGINT"
MEASURE = (ArgumentKind.MEASURE,)
PUBLIC = strictest([CATALOG.datasets["ref.numbers"][0]])


def people(key, count: int, *, first: int = 0):
    """One row for each of so many units."""
    return [(key, unit) for unit in range(first, first + count)]


def costs(values, key="a"):
    """One row for each unit, with a cost."""
    return [(key, Decimal(value), unit) for unit, value in enumerate(values)]


def failing_rule(columns, rows, wanted, rules=RULES) -> str:
    (group,) = grouped(columns, rows, wanted=wanted, rules=rules)
    return first_failure(group, rules)


def keys_of(released) -> list:
    return [row[0] for row in released.rows]


def test_counts_leave_rounded_and_in_order_with_null_last():
    rows = [*people(None, 20), *people("b", 23, first=100), *people("a", 12, first=200)]
    released = decided(COUNTED, rows, wanted=COUNTS)
    assert released.rows == (("a", 10), ("b", 25), (None, 20))
    assert released.earlier == ((), (), ())
    assert [(column.name, column.type, column.statbarn) for column in released.columns] == [
        ("ward", "string", "Key"),
        ("n", "integer", "Frequencies"),
    ]


def test_row_order_of_the_engine_does_not_matter():
    rows = [row for i, name in enumerate("abcdef") for row in people(name, 20 + i, first=100 * i)]
    found = statistics(COUNTED, [*rows, *people("g", 5, first=900)], wanted=COUNTS)
    assert decide(found, shape=COUNTS, rules=RULES, history=()) == decide(
        found[::-1], shape=COUNTS, rules=RULES, history=()
    )


def test_a_withheld_group_changes_nothing_else():
    rows = [*people("a", 30), *people("b", 40, first=100)]
    alone = decided(COUNTED, rows, wanted=COUNTS)
    dominated = [*people("d", 20, first=300), *[("d", 300)] * 180]
    for other in (people("c", 1, first=200), people("c", 9, first=200), dominated):
        assert decided(COUNTED, [*rows, *other], wanted=COUNTS) == alone


@pytest.mark.parametrize("count", [0, 1, 9])
def test_nothing_and_a_few_look_the_same(count):
    released = decided(COUNTED, people("a", count), wanted=COUNTS)
    assert released == decided(COUNTED, [], wanted=COUNTS)
    assert released.rows == ()
    assert [table.rows for table in released.tables] == [()]


def test_many_withheld_rows_are_said_in_bands():
    rows = [row for i in range(120) for row in people(f"{i:03}", 2, first=10 * i)]
    released = decided(COUNTED, rows, wanted=COUNTS)
    assert released.withheld["threshold"] == "100-999"
    assert released.withheld["support"] == "0-9"
    checks = {check.rule: check for check in released.checks}
    assert checks["threshold"].verdict == "withheld"
    assert checks["support"].verdict == "held"
    assert checks["threshold"].parameters == {"units": 10}
    assert checks["dominance"].parameters == {"share_of_2": "9/10"}
    assert checks["p-percent"].parameters == {"p": "10"}


def test_a_row_of_fewer_units_than_two_answers_may_differ_by_is_withheld():
    strict = replace(RULES, difference=25)
    rows = [*people("a", 24), *people("b", 25, first=100)]
    assert keys_of(decided(COUNTED, rows, wanted=COUNTS, rules=strict)) == ["b"]


def test_sums_and_averages_leave_on_the_grid():
    both = shape(SUM, AVG, arguments=MEASURE)
    released = decided(MEASURED, costs(range(1, 31)), wanted=both)
    assert released.rows == (("a", "465", "15.5"),)
    assert {column.statbarn for column in released.columns} == {"Key", "LinearAggregations"}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([7] * 29 + [8], "non-modal"),
        ([*range(1, 28), 40_000, 40_001], "dominance"),
        ([0] * 21 + [5, 6, 7, 8, 9, 10, 11, 12, 13], "support"),
    ],
)
def test_an_unsafe_sum_is_withheld(values, rule):
    sums = shape(SUM, arguments=MEASURE)
    assert failing_rule(MEASURED, costs(values), sums) == rule
    assert decided(MEASURED, costs(values), wanted=sums).rows == ()


def test_the_p_percent_rule_holds_where_no_dominance_rule_is_strict():
    sums = shape(SUM, arguments=MEASURE)
    rows = costs([*range(1, 28), 40_000, 9])
    loose = replace(RULES, dominance=frozenset())
    assert failing_rule(MEASURED, rows, sums, loose) == "p-percent"
    assert decided(MEASURED, rows, wanted=sums, rules=loose).rows == ()


def test_a_predicate_that_leaves_a_few_out_withholds_the_row():
    branched = shape(COUNT, branches=1)
    for few, released in ((0, 1), (1, 0), (9, 0), (10, 1), (30, 1), (25, 0)):
        rows = [("a", unit, unit < few) for unit in range(30)]
        answer = decided("k0 VARCHAR, u0 BIGINT, b0 BOOLEAN", rows, wanted=branched)
        assert len(answer.rows) == released, few


def test_a_predicate_that_is_unknown_is_on_both_sides():
    branched = shape(COUNT, branches=1)
    rows = [("a", unit, None if unit < 3 else True) for unit in range(30)]
    assert decided("k0 VARCHAR, u0 BIGINT, b0 BOOLEAN", rows, wanted=branched).rows == ()


@pytest.mark.parametrize(
    ("type_", "value", "written"),
    [
        ("BOOLEAN", True, True),
        ("BIGINT", 2**62, 2**62),
        ("VARCHAR", "x", "x"),
        ("DATE", dt.date(2025, 1, 2), "2025-01-02"),
        ("TIMESTAMP", dt.datetime(2025, 1, 2, 3, 4, 5), "2025-01-02T03:04:05"),  # noqa: DTZ001
        ("DECIMAL(4,2)", Decimal("1.50"), "1.50"),
        ("DOUBLE", 1.5, "1.5"),
    ],
)
def test_keys_are_written_in_one_form(type_, value, written):
    released = decided(f"k0 {type_}, u0 BIGINT", people(value, 20), wanted=COUNTS)
    assert released.rows == ((written, 20),)


def test_public_data_is_released_as_it_is_and_remembered_by_nobody():
    public = shape(COUNT, SUM, units=(), arguments=MEASURE)
    rows = [("a", Decimal("1.25")), ("a", Decimal(2)), ("b", Decimal(0))]
    released = decided("k0 VARCHAR, a0 DECIMAL(18,2)", rows, wanted=public, rules=PUBLIC)
    assert released.rows == (("a", 2, "3.25"), ("b", 1, "0"))
    assert (released.tables, released.withheld, released.checks) == ((), {}, ())


SHARED_ID = AggregateShape(
    name="d", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=0, unit=-1
)
OTHERS = AggregateShape(
    name="u", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=-1, unit=1
)


def test_a_shared_identifier_counts_once():
    shared = shape(SHARED_ID, arguments=(ArgumentKind.DISTINCT,))
    columns = "k0 VARCHAR, a0 BIGINT, u0 BIGINT"
    rows = [("a", (3 * unit + i) % 40, unit) for unit in range(20) for i in range(3)]
    assert decided(columns, rows, wanted=shared).rows == (("a", 40),)
    # With so few in all, the largest contributor's three are most of the number.
    rows = [("a", i, unit) for unit in range(20) for i in range(3)]
    assert decided(columns, rows, wanted=shared).rows == ()


TWO = "k0 VARCHAR, u0 BIGINT, u1 VARCHAR"


@pytest.mark.parametrize(("first", "second", "rows"), [(20, 20, 1), (9, 20, 0), (20, 9, 0)])
def test_every_kind_of_unit_must_be_enough(first, second, rows):
    wanted = shape(OTHERS, units=("pid", "pk"))
    data = [("a", i % first, f"p{i % second}") for i in range(20)]
    assert len(decided(TWO, data, wanted=wanted).rows) == rows


def test_a_row_of_keys_alone_is_a_release_too():
    wanted = shape()
    rows = [*people("a", 12), *people("b", 9, first=50)]
    released = decided(COUNTED, rows, wanted=wanted)
    assert released.rows == (("a",),)
    assert len(released.tables[0].rows[0].numbers) == 1


def test_an_empty_cell_leaves_only_where_every_owner_lets_zeros_out():
    wanted = shape(COUNT, SUM, arguments=MEASURE)
    rows = [("a", None, unit) for unit in range(20)]
    assert decided(MEASURED, rows, wanted=wanted).rows == ()
    open_ = replace(RULES, zeros="release")
    assert decided(MEASURED, rows, wanted=wanted, rules=open_).rows == (("a", 20, "0"),)
    averages = shape(COUNT, AVG, arguments=MEASURE)
    assert decided(MEASURED, rows, wanted=averages, rules=open_).rows == (("a", 20, None),)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.append(rows[0]), "a group twice"),
        (lambda rows: rows.pop(), "not every kind of unit"),
        (lambda rows: rows.append((3, *rows[0][1:])), "no known kind"),
        (lambda rows: rows.append((-99, *rows[0][1:])), "no known kind"),
        (lambda rows: rows.append((0, "z", *rows[0][2:])), "not every kind of unit"),
    ],
)
def test_statistics_that_contradict_themselves_are_refused(change, found):
    wanted = shape(OTHERS, units=("pid", "pk"))
    rows = statistics(TWO, [("a", i, f"p{i}") for i in range(20)], wanted=wanted)
    change(rows)
    with pytest.raises(IntegrityError, match=found):
        decide(rows, shape=wanted, rules=RULES, history=())


def test_totals_that_depend_on_who_is_counted_are_refused():
    wanted = shape(COUNT, units=("pid", "pk"))
    rows = statistics(TWO, [("a", i, f"p{i}") for i in range(20)], wanted=wanted)
    (place,) = [place for place, row in enumerate(rows) if row[0] == 1]
    rows[place] = (*rows[place][:3], rows[place][3] + 1, *rows[place][4:])
    with pytest.raises(IntegrityError, match=r"^statistics: found totals"):
        decide(rows, shape=wanted, rules=RULES, history=())


def test_too_many_groups_are_refused_whole():
    rows = [row for i in range(4) for row in people(f"{i}", 20, first=100 * i)]
    found = statistics(COUNTED, rows, wanted=COUNTS)
    with pytest.raises(DisclosureRefusedError, match=r"^groups: more than 3"):
        decide(found, shape=COUNTS, rules=RULES, history=(), max_groups=3)


NOISE = DifferentialPrivacy(
    epsilon_per_release=Fraction(1),
    epsilon_total=Fraction(1),
    delta=Fraction(0),
    max_rows_per_unit=1,
    max_groups_per_unit=1,
)


@pytest.mark.parametrize(
    ("rules", "units", "subject"),
    [
        (replace(RULES, threshold=2), ("pid",), "threshold"),
        (replace(RULES, difference=2), ("pid",), "threshold"),
        (replace(RULES, noise=frozenset({NOISE})), ("pid",), "noise"),
        (PUBLIC, ("pid",), "rules"),
        (RULES, (), "rules"),
    ],
)
def test_rules_that_do_not_belong_to_the_data_are_refused(rules, units, subject):
    wrong = shape(COUNT, units=units)
    with pytest.raises(DisclosureRefusedError, match=f"^{subject}:"):
        decide([], shape=wrong, rules=rules, history=())
    with pytest.raises(DisclosureRefusedError, match=f"^{subject}:"):
        statistics_sql("SELECT 1", shape=wrong, rules=rules, prefix="secret00_")


def test_a_key_of_several_columns_orders_by_each():
    wanted = replace(shape(COUNT, keys=("ward", "sex")), order=("sex", "ward", "n"))
    rows = [
        (ward, sex, unit)
        for i, (ward, sex) in enumerate([("b", "F"), ("a", None), ("a", "M")])
        for unit in range(100 * i, 100 * i + 20)
    ]
    released = decided("k0 VARCHAR, k1 VARCHAR, u0 BIGINT", rows, wanted=wanted)
    assert [row[:2] for row in released.rows] == [("M", "a"), (None, "a"), ("F", "b")]


def test_grouping_says_which_keys_a_row_has():
    wanted = replace(
        shape(COUNT, keys=("ward", "sex"), sets=((0, 1), (0,), ())),
        groupings=(GroupingShape(name="g", keys=(0, 1)),),
        order=("ward", "sex", "g", "n"),
    )
    rows = [(w, s, unit) for unit, (w, s) in enumerate([("a", "M"), ("a", "F")] * 15)]
    released = decided("k0 VARCHAR, k1 VARCHAR, u0 BIGINT", rows, wanted=wanted)
    assert released.rows == (
        ("a", "F", 0, 15), ("a", "M", 0, 15), ("a", None, 1, 30), (None, None, 3, 30),
    )  # fmt: skip
    assert released.columns[-1].statbarn == "LinkedMultilevelTables"


@pytest.mark.parametrize(
    ("digits", "scale", "kind"),
    [(31, 2, AggregateKind.SUM), (18, 2, AggregateKind.VAR_SAMP), (13, 0, AggregateKind.CORR)],
)
def test_measures_without_exact_sums_are_refused(digits, scale, kind):
    wanted = replace(
        shape(replace(SUM, kind=kind, other=0)),
        arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=digits, scale=scale),),
    )
    with pytest.raises(DisclosureRefusedError, match=r"^measure:"):
        decide([], shape=wanted, rules=RULES, history=())


@pytest.mark.parametrize(
    "what",
    [
        "keys",
        "arguments",
        "aggregates",
        "branches",
        "units",
        "grouping-sets",
        "meetings",
        "meeting",
    ],
)
def test_each_part_of_a_shape_has_a_limit_and_an_error_of_its_own(what):
    many = {
        "keys": {"keys": COUNTS.keys * 17},
        "arguments": {"arguments": (ArgumentShape(kind=ArgumentKind.PRESENCE),) * 49},
        "aggregates": {"aggregates": (COUNT,) * 49},
        "branches": {"branches": 65},
        "units": {"units": COUNTS.units * 5},
        "grouping-sets": {"grouping_sets": ((0,),) * 17},
        "meetings": {"branches": 2, "meetings": ((0, 1),) * 17},
        "meeting": {"branches": 3, "meetings": ((0,) * 65,)},
    }
    with pytest.raises(DisclosureRefusedError, match=f"^{what}: ") as caught:
        decide([], shape=replace(COUNTS, **many[what]), rules=RULES, history=())
    assert caught.value.code == f"disclosure.{what}"


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.integers(1, 60).map(Decimal), st.integers(0, 25)),
        max_size=120,
    ),
    st.integers(3, 8),
    st.integers(5, 40),
)
def test_tightening_never_releases_more_and_order_does_not_matter(rows, least, percent):
    both = shape(COUNT, SUM, arguments=MEASURE)
    loose = replace(RULES, threshold=least, difference=least, p_percent=Fraction(percent))
    released = decided(MEASURED, rows, wanted=both, rules=loose)
    again = decided(MEASURED, rows[::-1], wanted=both, rules=loose)
    assert released == again
    for tighter in (
        replace(loose, threshold=least + 2),
        replace(loose, p_percent=Fraction(percent + 10)),
        replace(
            loose, dominance=loose.dominance | {replace(*loose.dominance, share=Fraction(1, 2))}
        ),
    ):
        fewer = decided(MEASURED, rows, wanted=both, rules=tighter)
        assert set(keys_of(fewer)) <= set(keys_of(released))
