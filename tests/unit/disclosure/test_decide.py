# SPDX-License-Identifier: Apache-2.0
"""From statistics to a release: what leaves, what is withheld, and what is remembered."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from cleanroom.contract.policy_terms import DifferentialPrivacy
from cleanroom.contract.rules import strictest
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.groups import read_groups
from cleanroom.disclosure.layout import plan_layout
from cleanroom.disclosure.rules import first_failure
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
)
from cleanroom.disclosure.statistics_sql import statistics_sql
from cleanroom.errors import DisclosureRefusedError, IntegrityError
from tests.support.gate_admission import CATALOG
from tests.support.gate_disclosure import AVG, COUNT, RULES, SUM, shape

COUNTS = shape(COUNT)
PUBLIC = strictest([CATALOG.datasets["ref.numbers"][0]])


def prints(first: int, units: int) -> str:
    return "".join(f"{number:016x}" for number in range(first, first + units))


def counted(key, units: int, *, first: int = 0, unit: int = 0, rows: int = 0):
    """The statistics of a group in which every unit has one row."""
    total = rows or units
    numbers = [total, total, [1, 1], units, prints(first, units)]
    return [unit, key, units, prints(first, units), *numbers, [0], [units]]


def failing_rule(rows, shape_, rules=RULES) -> str:
    (group,) = read_groups(rows, layout=plan_layout(shape_, rules), max_groups=1)
    return first_failure(group, rules)


def keys_of(released) -> list:
    return [row[0] for row in released.rows]


def test_counts_leave_rounded_and_in_order_with_null_last():
    rows = [counted(None, 20, first=0), counted("b", 23, first=100), counted("a", 12, first=200)]
    released = decide(rows, shape=COUNTS, rules=RULES, history=())
    assert released.rows == (("a", 10), ("b", 25), (None, 20))
    assert [(column.name, column.type) for column in released.columns] == [
        ("ward", "string"),
        ("n", "integer"),
    ]


def test_row_order_of_the_engine_does_not_matter():
    rows = [counted(name, 20 + i, first=100 * i) for i, name in enumerate("abcdef")]
    rows[3] = counted("d", 5, first=300)
    assert decide(rows, shape=COUNTS, rules=RULES, history=()) == decide(
        rows[::-1], shape=COUNTS, rules=RULES, history=()
    )


def test_a_withheld_group_changes_no_other_row():
    rows = [counted("a", 30), counted("b", 40, first=100)]
    alone = decide(rows, shape=COUNTS, rules=RULES, history=())
    dominated = counted("d", 20, first=300, rows=200)
    dominated[6] = [190, 1]
    for other in (counted("c", 1, first=200), counted("c", 9, first=200), dominated):
        assert decide([*rows, other], shape=COUNTS, rules=RULES, history=()) == alone


def test_nothing_leaves_when_nothing_may():
    released = decide([counted("a", 9)], shape=COUNTS, rules=RULES, history=())
    assert released.rows == ()
    assert released.cells == ()


def test_nothing_and_one_withheld_row_look_the_same():
    nothing = decide([], shape=COUNTS, rules=RULES, history=())
    one = decide([counted("a", 1)], shape=COUNTS, rules=RULES, history=())
    assert nothing == one


def test_many_withheld_rows_are_said_in_bands():
    rows = [counted(f"{i:03}", 2, first=10 * i) for i in range(120)]
    released = decide(rows, shape=COUNTS, rules=RULES, history=())
    assert released.withheld["threshold"] == "100-999"
    assert released.withheld["support"] == "0-9"
    checks = {check.rule: check for check in released.checks}
    assert checks["threshold"].verdict == "withheld"
    assert checks["support"].verdict == "held"
    assert checks["threshold"].parameters == {"units": 10}
    assert checks["dominance"].parameters == {"share_of_2": "9/10"}
    assert checks["p-percent"].parameters == {"p": "10"}


def test_a_row_close_to_a_past_one_is_withheld():
    past = decide([counted("a", 30)], shape=COUNTS, rules=RULES, history=())
    again = decide([counted("b", 29)], shape=COUNTS, rules=RULES, history=past.cells)
    assert again.rows == ()
    same = decide([counted("b", 30)], shape=COUNTS, rules=RULES, history=past.cells)
    assert same.rows == (("b", 30),)


def test_a_row_withheld_by_another_rule_conflicts_with_nobody():
    # The small group's units are all in the big one but for a few.
    rows = [counted("a", 12), counted("b", 9, first=0), counted("c", 40, first=500)]
    released = decide(rows, shape=COUNTS, rules=RULES, history=())
    assert keys_of(released) == ["a", "c"]
    assert "difference" in released.withheld


def measured(key, values, *, first: int = 0):
    """The statistics of a group in which unit i has one row with values[i]."""
    units, total = len(values), sum(values)
    sizes = sorted(map(abs, values), reverse=True)
    present = [units, units, [1, 1], units, prints(first, units)]
    summed = [total, sum(sizes), sizes[:2], units, prints(first + 10_000, units)]
    usual = [units, sorted(values)[:20], sorted(values, reverse=True)[:10]]
    return [0, key, units, prints(first, units), *present, *summed, [1], [units], *usual]


def test_sums_and_averages_leave_on_the_grid():
    both = shape(SUM, AVG, arguments=(ArgumentKind.MEASURE,))
    values = [Decimal(i) for i in range(1, 31)]
    released = decide([measured("a", values)], shape=both, rules=RULES, history=())
    assert released.rows == (("a", "465", "15.5"),)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([Decimal(7)] * 29 + [Decimal(8)], "non-modal"),
        ([Decimal(i) for i in range(1, 28)] + [Decimal(40_000), Decimal(40_001)], "dominance"),
    ],
)
def test_an_unsafe_sum_is_withheld(values, rule):
    sums = shape(SUM, arguments=(ArgumentKind.MEASURE,))
    rows = [measured("a", values)]
    assert failing_rule(rows, sums) == rule
    assert decide(rows, shape=sums, rules=RULES, history=()).rows == ()


def test_the_p_percent_rule_holds_where_no_dominance_rule_is_strict():
    sums = shape(SUM, arguments=(ArgumentKind.MEASURE,))
    rows = [measured("a", [Decimal(i) for i in range(1, 28)] + [Decimal(40_000), Decimal(9)])]
    loose = replace(RULES, dominance=frozenset())
    assert failing_rule(rows, sums, loose) == "p-percent"
    assert decide(rows, shape=sums, rules=loose, history=()).rows == ()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, True),
        (2**62, 2**62),
        ("x", "x"),
        (dt.date(2025, 1, 2), "2025-01-02"),
        (dt.datetime(2025, 1, 2, 3, 4, 5), "2025-01-02T03:04:05"),  # noqa: DTZ001
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_keys_are_written_in_one_form(value, written):
    released = decide([counted(value, 20)], shape=COUNTS, rules=RULES, history=())
    assert released.rows == ((written, 20),)


def test_public_data_is_released_as_it_is_and_remembered_by_nobody():
    public = shape(COUNT, units=())
    row = [0, "a", 1, None, 3, 3, [3], 1, None, [0], [1]]
    released = decide([row], shape=public, rules=PUBLIC, history=())
    assert released.rows == (("a", 3),)
    assert released.cells == ()
    assert released.withheld == {}
    assert released.checks == ()


SHARED_ID = AggregateShape(
    name="d", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=0, unit=-1
)
OTHERS = AggregateShape(
    name="u", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=-1, unit=1
)


def test_a_shared_identifier_counts_once():
    shared = shape(SHARED_ID, arguments=(ArgumentKind.DISTINCT,))
    mine = [0, "a", 20, prints(0, 20), 60, 60, [3, 3], 20, prints(50, 20), [1], [20]]
    total = [-1, "a", 99, None, 40, None, None, None, None, None, None]
    assert decide([mine, total], shape=shared, rules=RULES, history=()).rows == (("a", 40),)
    # With so few in all, the largest contributor's three are most of the number.
    total[4] = 6
    assert decide([mine, total], shape=shared, rules=RULES, history=()).rows == ()


def two_units(first: int, second: int, key="a"):
    """One group seen by two kinds of unit, counting the second."""
    shape_ = shape(OTHERS, units=("pid", "pk"))
    return shape_, [
        [0, key, first, prints(0, first), second, second, [1, 1], first, prints(0, first), [0],
         [first]],
        [1, key, second, prints(900, second), second, second, [1, 1], second,
         prints(900, second), [0], [second]],
    ]  # fmt: skip


def test_every_kind_of_unit_must_be_enough():
    good, rows = two_units(20, 20)
    assert decide(rows, shape=good, rules=RULES, history=()).rows == (("a", 20),)
    for first, second in ((9, 20), (20, 9)):
        bad, rows = two_units(first, second)
        assert failing_rule(rows, bad) == "threshold"
        assert decide(rows, shape=bad, rules=RULES, history=()).rows == ()


def test_a_sum_of_mostly_zeros_has_too_little_support():
    sums = shape(SUM, arguments=(ArgumentKind.MEASURE,))
    row = measured("a", [Decimal(i % 7 + 1) for i in range(30)])
    assert failing_rule([row], sums) == ""
    row[12] = 9  # units whose sum is not zero
    assert failing_rule([row], sums) == "support"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.append(rows[0]), "a group twice"),
        (lambda rows: rows.pop(), "not every kind of unit"),
        (lambda rows: rows.append([5, *rows[0][1:]]), "not every kind of unit"),
    ],
)
def test_statistics_that_contradict_themselves_are_refused(change, found):
    shape_, rows = two_units(20, 20)
    change(rows)
    with pytest.raises(IntegrityError, match=found):
        decide(rows, shape=shape_, rules=RULES, history=())


def test_totals_that_depend_on_who_is_counted_are_refused():
    both = shape(COUNT, units=("pid", "pk"))
    rows = [counted("a", 20), counted("a", 20, unit=1, rows=21)]
    with pytest.raises(IntegrityError, match=r"^statistics: found totals"):
        decide(rows, shape=both, rules=RULES, history=())


def test_too_many_groups_are_refused_whole():
    rows = [counted(f"{i}", 20, first=100 * i) for i in range(4)]
    with pytest.raises(DisclosureRefusedError, match=r"^groups: more than 3"):
        decide(rows, shape=COUNTS, rules=RULES, history=(), max_groups=3)


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
    two = replace(
        COUNTS,
        keys=(KeyShape(name="ward", type="string"), KeyShape(name="sex", type="string")),
        order=("sex", "ward", "n"),
    )
    rows = [
        [0, ward, sex, *counted("x", 20, first=100 * i)[2:]]
        for i, (ward, sex) in enumerate([("b", "F"), ("a", None), ("a", "M")])
    ]
    released = decide(rows, shape=two, rules=RULES, history=())
    assert [row[:2] for row in released.rows] == [("M", "a"), (None, "a"), ("F", "b")]


@pytest.mark.parametrize(
    "kind", [AggregateKind.VAR_SAMP, AggregateKind.CORR, AggregateKind.REGR_R2]
)
def test_what_the_gate_cannot_compute_is_refused(kind):
    wanted = shape(replace(AVG, kind=kind, other=0), arguments=(ArgumentKind.MEASURE,))
    with pytest.raises(DisclosureRefusedError, match=r"^aggregates:"):
        decide([], shape=wanted, rules=RULES, history=())


@pytest.mark.parametrize("what", ["keys", "arguments", "aggregates", "branches", "units"])
def test_each_part_of_a_shape_has_a_limit_and_an_error_of_its_own(what):
    many = {
        "keys": {"keys": COUNTS.keys * 17},
        "arguments": {"arguments": (ArgumentShape(kind=ArgumentKind.PRESENCE),) * 49},
        "aggregates": {"aggregates": (COUNT,) * 49},
        "branches": {"branches": 65},
        "units": {"units": COUNTS.units * 5},
    }
    with pytest.raises(DisclosureRefusedError, match=f"^{what}: ") as caught:
        decide([], shape=replace(COUNTS, **many[what]), rules=RULES, history=())
    assert caught.value.code == f"disclosure.{what}"
