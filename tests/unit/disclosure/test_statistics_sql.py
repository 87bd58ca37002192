# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - generated statements under test
"""The generated statistics say of any data what counting by hand says."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.rules import DominanceRule
from cleanroom.disclosure.groups import Group
from cleanroom.disclosure.layout import VectorKind, VectorPlan
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    UnitShape,
)
from cleanroom.disclosure.sketch import MODULUS, added, distance, from_filled, words
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from tests.support.gate_disclosure import AVG, COUNT, PREFIX, RULES, SALT, SUM, grouped, shape

ARGUMENTS = (ArgumentKind.MEASURE, ArgumentKind.PRESENCE, ArgumentKind.DISTINCT)
DISTINCT = AggregateShape(
    name="d", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=2, unit=-1
)
OTHER = AggregateShape(
    name="o", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=-1, unit=1
)
VARIANCE = AggregateShape(name="v", kind=AggregateKind.VAR_POP, type="double", argument=0, unit=-1)
FULL = replace(
    shape(COUNT, AVG, VARIANCE, DISTINCT, OTHER, arguments=ARGUMENTS, units=("pid", "pk")),
    units=(UnitShape(namespace="pid", type="integer"), UnitShape(namespace="pk")),
)
COLUMNS = "k0 VARCHAR, a0 DECIMAL(18,2), a1 INTEGER, a2 VARCHAR, u0 BIGINT, u1 VARCHAR"
CENTS = 100
LARGEST = 2  # contributions that the rules of these tests add up at most
UNRELEASED = VectorPlan(kind=VectorKind.PRESENT, index=1)

ROW = st.tuples(
    st.sampled_from(["x", "y", None]),
    st.one_of(st.none(), st.integers(-300, 300).map(lambda cents: Decimal(cents) / 100)),
    st.sampled_from([1, None]),
    st.sampled_from(["p", "q", "r", None]),
    st.integers(0, 6),
    st.sampled_from(["m", "n", "o"]),
)
rows_of_data = st.lists(ROW, max_size=40)


def groups(data) -> dict[Any, Group]:
    return {group.key: group for group in grouped(COLUMNS, data, wanted=FULL)}


def by_unit(data, key, unit: int) -> dict[Any, list[tuple[Any, ...]]]:
    rows = defaultdict(list)
    for row in data:
        if row[0] == key:
            rows[row[4 + unit]].append(row)
    return rows


def contribution(plan: VectorPlan, mine) -> int:
    """Count by hand what the rows of one unit contribute, in cents where it is money."""
    values = [int(row[1] * CENTS) for row in mine if row[1] is not None]
    column = 2 + plan.index
    return {
        VectorKind.ROWS: lambda: len(mine),
        VectorKind.SUM: lambda: sum(values),
        VectorKind.SQUARE: lambda: sum(value * value for value in values),
        VectorKind.PRESENT: lambda: sum(row[1 + plan.index] is not None for row in mine),
        VectorKind.DISTINCT: lambda: len({row[column - 1] for row in mine} - {None}),
        VectorKind.UNITS: lambda: len({row[4 + plan.index] for row in mine}),
    }[plan.kind]()


@settings(max_examples=12, deadline=None)
@given(rows_of_data)
def test_statistics_agree_with_counting_by_hand(data):
    found = groups(data)
    assert set(found) == {(row[0],) for row in data}
    for (key,), group in found.items():
        for unit, statistics in enumerate(group.by_unit):
            rows = by_unit(data, key, unit)
            assert statistics.units == len(rows)
            splits = []
            each = {}
            for vector in statistics.vectors:
                each[vector.plan] = {u: contribution(vector.plan, m) for u, m in rows.items()}
                values = each[vector.plan].values()
                sizes = sorted(map(abs, values), reverse=True)
                assert list(vector.largest) == sizes[:LARGEST]
                assert vector.support == sum(value != 0 for value in values)
                assert vector.contributed == sum(values)
                if vector.plan.kind not in {VectorKind.DISTINCT, VectorKind.UNITS}:
                    assert vector.total == sum(values)
                    assert vector.absolute == sum(sizes)
            present = [
                plan for plan in each if plan.kind in {VectorKind.PRESENT, VectorKind.DISTINCT}
            ]
            splits += [sum(not each[plan][u] for u in rows) for plan in present]
            splits += [
                sum(each[one][u] > 0 and not each[other][u] for u in rows)
                for one in present
                for other in present
                if one != other
            ]
            splits += [
                sum(on_grid(one, each, u) != on_grid(other, each, u) for u in rows)
                for one, other in combinations(each, 2)
                # Of what nothing is released, only presences are held against each other.
                if {one, other} <= set(present) or UNRELEASED not in {one, other}
            ]
            assert sorted(statistics.splits) == sorted(splits)


def on_grid(plan: VectorPlan, each, unit) -> Decimal:
    scale = {VectorKind.SUM: 2, VectorKind.SQUARE: 4}.get(plan.kind, 0)
    return Decimal(each[plan][unit]).scaleb(-scale)


@settings(max_examples=5, deadline=None)
@given(rows_of_data)
def test_totals_count_shared_identifiers_once(data):
    for (key,), group in groups(data).items():
        mine = [row for row in data if row[0] == key]
        totals = {plan.kind: total for plan, total in group.totals.items()}
        assert totals[VectorKind.DISTINCT] == len({row[3] for row in mine} - {None})
        assert totals[VectorKind.UNITS] == len({row[5] for row in mine})
        assert totals[VectorKind.ROWS] == len(mine)


def single(number: float) -> float:
    """Round to single precision, as the engine does."""
    (rounded,) = struct.unpack("f", struct.pack("f", number))
    return float(rounded)


@settings(max_examples=5, deadline=None)
@given(rows_of_data)
def test_usual_values_agree_with_counting_by_hand(data):
    for (key,), group in groups(data).items():
        for unit, statistics in enumerate(group.by_unit):
            values = [
                [int(row[1] * CENTS) for row in rows if row[1] is not None]
                for rows in by_unit(data, key, unit).values()
            ]
            constants = sorted(sum(mine) for mine in values if mine)
            (usual,) = statistics.usual
            assert usual.constant == len(constants)
            assert list(usual.low) == constants[: 2 * RULES.threshold]
            assert list(usual.high) == constants[::-1][: RULES.threshold]
            means = sorted(single(sum(mine) / len(mine)) for mine in values if mine)
            (mean,) = statistics.means
            assert list(mean.low) == means[: 2 * RULES.threshold]
            assert list(mean.high) == means[::-1][: RULES.threshold]


def wide(units: int, value=Decimal):
    return [("x", value(unit), 1, "p", unit, f"m{unit}") for unit in range(units)]


def sketches(group: Group, unit: int = 0) -> dict[VectorKind, bytes]:
    found = group.by_unit[unit].sketches
    return {plan.kind: from_filled(text, buckets=128) for plan, text in found.items()}


def test_a_changed_contribution_changes_one_bucket_of_its_vectors_only():
    (before,) = groups(wide(40)).values()
    (after,) = groups(wide(40, lambda unit: Decimal(unit) + (unit == 3))).values()
    moved = {
        kind: distance(sketch, sketches(after)[kind]) for kind, sketch in sketches(before).items()
    }
    assert moved == {
        VectorKind.ROWS: 0,
        VectorKind.PRESENT: 0,
        VectorKind.SUM: 1,
        VectorKind.SQUARE: 1,
        VectorKind.DISTINCT: 0,
        VectorKind.UNITS: 0,
    }


def test_equal_contributions_have_equal_sketches_whatever_their_type():
    (group,) = groups(wide(30, lambda _: Decimal("1.00"))).values()
    assert len(set(sketches(group).values())) == 1


def test_sketches_of_disjoint_groups_add_up_to_the_sketch_of_all():
    data = wide(60)
    halves = [(("y", *row[1:]) if row[4] % 2 else row) for row in data]
    (whole,) = groups(data).values()
    parts = groups(halves).values()
    for kind in (VectorKind.ROWS, VectorKind.SUM, VectorKind.SQUARE):
        assert added([sketches(part)[kind] for part in parts]) == sketches(whole)[kind]


@pytest.mark.parametrize(("type_", "unit_type"), [("VARCHAR", "string"), ("BIGINT", "integer"),
                                                  ("DECIMAL(18,0)", "decimal(18,0)")])  # fmt: skip
def test_an_identifier_is_the_same_unit_as_text_and_as_a_number(type_, unit_type):
    wanted = replace(shape(COUNT), units=(UnitShape(namespace="pid", type=unit_type),))
    found = [sketches(*grouped(f"k0 VARCHAR, u0 {t}", [("a", u) for u in range(20)], wanted=w))
             for t, w in ((type_, wanted), ("VARCHAR", shape(COUNT)))]  # fmt: skip
    assert found[0] == found[1]


def test_text_that_only_looks_like_a_number_is_another_unit():
    one, other = (
        sketches(*grouped("k0 VARCHAR, u0 VARCHAR", [("a", f"{zero}{u}") for u in range(20)],
                          wanted=shape(COUNT)))
        for zero in ("", "0")
    )  # fmt: skip
    assert distance(one[VectorKind.ROWS], other[VectorKind.ROWS]) >= 15


@pytest.mark.parametrize(("digits", "scale"), [(15, 2), (18, 2), (24, 4), (20, 14)])
def test_sums_are_exact_on_every_grid(digits, scale):
    wanted = replace(
        shape(SUM),
        arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=digits, scale=scale),),
    )
    largest = 10**digits - 1
    values = [Decimal(largest - unit * 7).scaleb(-scale) for unit in range(20)]
    rows = [("a", value, unit) for unit, value in enumerate(values)]
    (group,) = grouped(f"k0 VARCHAR, a0 DECIMAL(38,{scale}), u0 BIGINT", rows, wanted=wanted)
    (vector,) = [item for item in group.by_unit[0].vectors if item.plan.kind is VectorKind.SUM]
    assert vector.total == sum(int(value.scaleb(scale)) for value in values)


@pytest.mark.parametrize("largest", [2, 12, 25])
@pytest.mark.parametrize("units", [1, 12, 20, 21, 29, 31, 70])
def test_the_largest_contributions_are_found_among_the_smallest_and_the_largest(units, largest):
    # Signs mixed, sizes that repeat, and every seventh unit has no value at all.
    cents = {unit: (unit * 37 % 61 - 30) * (unit % 5) for unit in range(units)}
    absent = {unit for unit in cents if unit % 7 == 3}
    rows = [("x", None if unit in absent else Decimal(cents[unit]) / CENTS, unit) for unit in cents]
    rules = replace(
        RULES, dominance=frozenset({DominanceRule(largest=largest, share=Fraction(9, 10))})
    )
    (group,) = grouped(
        "k0 VARCHAR, a0 DECIMAL(18,2), u0 BIGINT",
        rows,
        wanted=shape(SUM, arguments=ARGUMENTS[:1]),
        rules=rules,
    )
    (vector,) = [item for item in group.by_unit[0].vectors if item.plan.kind is VectorKind.SUM]
    sizes = [0 if unit in absent else abs(cents[unit]) for unit in cents]
    assert list(vector.largest) == sorted(sizes, reverse=True)[:largest]


def test_one_units_sum_is_clamped_and_never_an_error():
    wanted = replace(
        shape(SUM), arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=15, scale=0),)
    )
    sql = statistics_sql(
        f"SELECT 'a' AS {PREFIX}k0, 999999999999999 AS {PREFIX}a0, 'u' AS {PREFIX}u0 "
        "FROM range(20000)",
        shape=wanted,
        rules=RULES,
        prefix=PREFIX,
    )
    with duckdb.connect() as connection:
        rows = connection.execute(sql, {salt_parameter(PREFIX, 0): "salt"}).fetchall()
    assert any(2**63 - 1 in row for row in rows)


WORTH = [0, 1, -1, 2**31 - 1, -(2**31), 2**62, -(2**62), 2**64 + 5, 10**27 - 1, 1 - 10**27]


@pytest.mark.parametrize("value", WORTH)
def test_a_sum_of_128_bits_is_sketched_as_its_remainder(value):
    wanted = replace(
        shape(COUNT, SUM), arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=27),)
    )
    (group,) = grouped("k0 VARCHAR, a0 DECIMAL(38,0), u0 BIGINT", [("a", value, 7)], wanted=wanted)
    found = sketches(group)
    # One row: what its number is sketched as is the weight of its unit.
    places = zip(*(memoryview(found[k]).cast("I") for k in (VectorKind.ROWS, VectorKind.SUM)),
                 strict=True)  # fmt: skip
    pairs = [tuple(int.from_bytes(w.to_bytes(4, "little")) for w in pair) for pair in places]
    assert [(weight * value) % MODULUS for weight, _ in pairs] == [found for _, found in pairs]


def test_many_contributions_of_128_bits_add_up_exactly_in_every_bucket():
    wanted = replace(
        shape(COUNT, SUM), arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=27),)
    )
    people = [(7 * unit, WORTH[unit % len(WORTH)] - unit) for unit in range(2000)]
    rows = [("a", value, unit) for unit, value in people]
    (group,) = grouped("k0 VARCHAR, a0 DECIMAL(38,0), u0 BIGINT", rows, wanted=wanted)
    expected = {kind: [0] * 128 for kind in (VectorKind.ROWS, VectorKind.SUM)}
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT hash(hash($1::VARCHAR, (7 * range)::VARCHAR)) FROM range($2)",
            [SALT, len(people)],
        ).fetchall()
    for (hashed,), (_, value) in zip(found, people, strict=True):
        expected[VectorKind.ROWS][hashed & 127] += hashed >> 33
        expected[VectorKind.SUM][hashed & 127] += (hashed >> 33) * value
    for kind, contents in expected.items():
        assert [*words(sketches(group)[kind])] == [content % MODULUS for content in contents]


def test_squares_are_summed_on_a_coarser_grid():
    wanted = replace(
        shape(VARIANCE), arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=15, scale=11),)
    )
    rows = [("a", Decimal(unit) + Decimal("0.00000000049"), unit) for unit in range(20)]
    (group,) = grouped("k0 VARCHAR, a0 DECIMAL(18,11), u0 BIGINT", rows, wanted=wanted)
    wide_digits = replace(
        wanted, arguments=(ArgumentShape(kind=ArgumentKind.MEASURE, digits=16, scale=11),)
    )
    (again,) = grouped("k0 VARCHAR, a0 DECIMAL(18,11), u0 BIGINT", rows, wanted=wide_digits)
    totals = {plan.kind: total for plan, total in group.totals.items()}
    assert totals[VectorKind.SUM] == 190 * 10**8
    assert {p.kind: t for p, t in again.totals.items()}[VectorKind.SUM] == 190 * 10**7


def test_without_keys_there_is_one_group_or_none():
    whole = shape(COUNT, AVG, keys=(), arguments=ARGUMENTS[:1])
    columns = "a0 DECIMAL(18,2), u0 BIGINT"
    assert grouped(columns, [], wanted=whole) == ()
    (group,) = grouped(columns, [(Decimal(1), 1)], wanted=whole)
    assert group.key == ()


def test_grouping_sets_are_groups_of_their_own():
    wanted = shape(COUNT, keys=("a", "b"), sets=((0, 1), (1,), ()))
    rows = [("x", "p", 1), ("y", "p", 2), (None, "q", 3)]
    found = grouped("k0 VARCHAR, k1 VARCHAR, u0 BIGINT", rows, wanted=wanted)
    counted = Counter((group.number, group.key) for group in found)
    assert counted == Counter(
        [
            (0, ("x", "p")), (0, ("y", "p")), (0, (None, "q")),
            (1, (None, "p")), (1, (None, "q")), (2, (None, None)),
        ]
    )  # fmt: skip


def test_one_group_more_than_the_limit_is_seen():
    sql = statistics_sql(
        f"SELECT range AS {PREFIX}k0, range AS {PREFIX}u0 FROM range(50)",
        shape=shape(COUNT),
        rules=RULES,
        prefix=PREFIX,
        max_groups=7,
    )
    with duckdb.connect() as connection:
        assert len(connection.execute(sql, {salt_parameter(PREFIX, 0): "salt"}).fetchall()) == 15


def test_partials_of_another_analysis_are_a_base_relation_like_any_other():
    rows = [("a", Decimal(unit % 7), unit) for unit in range(30) for _ in range(3)]
    columns = "k0 VARCHAR, a0 DECIMAL(18,2), u0 BIGINT"
    wanted = shape(SUM, arguments=ARGUMENTS[:1])
    partials = [("a", Decimal(unit % 7) * 3, unit) for unit in range(30)]
    (of_rows,) = grouped(columns, rows, wanted=wanted)
    (of_partials,) = grouped(columns, partials, wanted=wanted)
    assert sketches(of_rows) == sketches(of_partials)
    sums = [
        [item for item in group.by_unit[0].vectors if item.plan.kind is VectorKind.SUM]
        for group in (of_rows, of_partials)
    ]
    assert sums[0] == sums[1]
