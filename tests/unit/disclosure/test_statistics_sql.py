# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - generated statements under test
"""The generated statistics say of any data what counting by hand says."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.rules import strictest
from cleanroom.disclosure.groups import Group, read_groups
from cleanroom.disclosure.layout import VectorKind, plan_layout
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    KeyShape,
    ReleaseShape,
)
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from tests.support.gate_admission import CATALOG
from tests.support.gate_disclosure import AVG, COUNT, RULES, shape

PREFIX = "secret00_"
PUBLIC = strictest([CATALOG.datasets["ref.numbers"][0]])
ARGUMENTS = (ArgumentKind.MEASURE, ArgumentKind.PRESENCE, ArgumentKind.DISTINCT)
DISTINCT = AggregateShape(
    name="d", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=2, unit=-1
)
OTHER = AggregateShape(
    name="o", kind=AggregateKind.COUNT_DISTINCT, type="integer", argument=-1, unit=1
)
FULL = shape(COUNT, AVG, DISTINCT, OTHER, arguments=ARGUMENTS, units=("pid", "pk"))
COLUMNS = "k0 VARCHAR, a0 DECIMAL(18,2), a1 INTEGER, a2 VARCHAR, u0 BIGINT, u1 VARCHAR"

ROW = st.tuples(
    st.sampled_from(["x", "y", None]),
    st.one_of(st.none(), st.integers(-300, 300).map(lambda cents: Decimal(cents) / 100)),
    st.sampled_from([1, None]),
    st.sampled_from(["p", "q", "r", None]),
    st.integers(0, 6),
    st.sampled_from(["m", "n", "o"]),
)
rows_of_data = st.lists(ROW, max_size=40)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(":memory:", config={"threads": 1}) as made:
        made.execute(f"CREATE TABLE t ({COLUMNS})")
        yield made


def groups(connection, data, wanted: ReleaseShape = FULL) -> dict[Any, Group]:
    connection.execute("DELETE FROM t")
    if data:
        marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(data))
        connection.execute(
            f"INSERT INTO t VALUES {marks}", [value for row in data for value in row]
        )
    named = COLUMNS.replace(" DECIMAL(18,2)", "").split(", ")
    base = "SELECT " + ", ".join(
        f"{column.split()[0]} AS {PREFIX}{column.split()[0]}" for column in named
    )
    sql = statistics_sql(f"{base} FROM t", shape=wanted, rules=RULES, prefix=PREFIX)
    salts = {salt_parameter(PREFIX, unit): "salt" for unit in range(max(1, len(wanted.units)))}
    rows = connection.execute(sql, salts).fetchall()
    layout = plan_layout(wanted, RULES)
    return {group.key: group for group in read_groups(rows, layout=layout, max_groups=10)}


def contributions(data, kind: VectorKind, unit: int) -> dict[Any, Any]:
    """Count by hand what each unit contributes."""
    rows = defaultdict(list)
    for row in data:
        rows[row[4 + unit]].append(row)
    compute = {
        VectorKind.MEMBERS: lambda _: 1,
        VectorKind.ROWS: len,
        VectorKind.SUM: lambda mine: sum(row[1] for row in mine if row[1] is not None),
        VectorKind.DISTINCT: lambda mine: len({row[3] for row in mine} - {None}),
        VectorKind.UNITS: lambda mine: len({row[5] for row in mine}),
    }
    return {name: compute[kind](mine) for name, mine in rows.items()}


@settings(max_examples=15, deadline=None)
@given(rows_of_data)
def test_statistics_agree_with_counting_by_hand(connection, data):
    found = groups(connection, data)
    assert set(found) == {(row[0],) for row in data}
    for (key,), group in found.items():
        mine = [row for row in data if row[0] == key]
        for unit, statistics in enumerate(group.by_unit):
            assert statistics.units == len({row[4 + unit] for row in mine})
            for vector in statistics.vectors:
                if vector.plan.kind is VectorKind.PRESENT:
                    continue
                each = contributions(mine, vector.plan.kind, unit)
                sizes = sorted((abs(value) for value in each.values()), reverse=True)
                assert list(vector.largest) == sizes[: len(vector.largest)]
                assert vector.support == sum(value != 0 for value in each.values())
                if vector.plan.kind in {VectorKind.ROWS, VectorKind.SUM}:
                    assert vector.total == sum(each.values())
                    assert vector.absolute == sum(sizes)


@settings(max_examples=10, deadline=None)
@given(rows_of_data)
def test_totals_count_shared_identifiers_once(connection, data):
    for (key,), group in groups(connection, data).items():
        mine = [row for row in data if row[0] == key]
        for statistics in group.by_unit:
            totals = {vector.plan.kind: vector.total for vector in statistics.vectors}
            assert totals[VectorKind.DISTINCT] == len({row[3] for row in mine} - {None})
            assert totals[VectorKind.UNITS] == len({row[5] for row in mine})
            assert totals[VectorKind.ROWS] == len(mine)


@settings(max_examples=10, deadline=None)
@given(rows_of_data)
def test_masks_and_usual_values_agree_with_counting_by_hand(connection, data):
    for (key,), group in groups(connection, data).items():
        mine = [row for row in data if row[0] == key]
        for unit, statistics in enumerate(group.by_unit):
            by_unit = defaultdict(list)
            for row in mine:
                by_unit[row[4 + unit]].append(row)
            masks = Counter(
                sum(
                    1 << bit
                    for bit, column in enumerate((1, 2, 3))
                    if any(row[column] is not None for row in rows)
                )
                for rows in by_unit.values()
            )
            assert statistics.masks == masks
            added = [[row[1] for row in rows if row[1] is not None] for rows in by_unit.values()]
            constants = sorted(sum(values) for values in added if values)
            (usual,) = statistics.usual
            assert usual.constant == len(constants)
            assert list(usual.low) == constants[: 2 * RULES.threshold]
            assert list(usual.high) == constants[::-1][: RULES.threshold]


def wide(units: int, value=Decimal):
    return [("x", value(unit), 1, "p", unit, f"m{unit}") for unit in range(units)]


def test_fingerprints_are_of_unit_and_contribution_and_of_enough_units_only(connection):
    few = groups(connection, wide(9))["x",].by_unit[0]
    assert {vector.fingerprints for vector in few.vectors} == {b""}
    many = groups(connection, wide(12))["x",].by_unit[0]
    vectors = {vector.plan.kind: vector.fingerprints for vector in many.vectors}
    assert len(vectors[VectorKind.MEMBERS]) == 12 * 8
    assert vectors[VectorKind.ROWS] == vectors[VectorKind.MEMBERS]
    # The unit whose sum is zero contributes nothing to it.
    assert len(vectors[VectorKind.SUM]) == 11 * 8
    again = groups(connection, wide(12, lambda unit: Decimal(unit) + (unit == 3)))["x",]
    changed = {v.plan.kind: v.fingerprints for v in again.by_unit[0].vectors}
    assert changed[VectorKind.MEMBERS] == vectors[VectorKind.MEMBERS]
    assert changed[VectorKind.SUM] != vectors[VectorKind.SUM]


def test_equal_contributions_have_equal_fingerprints_whatever_their_type(connection):
    ones = groups(connection, wide(12, lambda _: Decimal("1.00")))["x",].by_unit[0]
    prints = {vector.fingerprints for vector in ones.vectors}
    assert len(prints) == 1


def test_without_keys_there_is_one_group_or_none(connection):
    whole = shape(COUNT, AVG, keys=(), arguments=ARGUMENTS[:1])
    assert groups(connection, [], whole) == {}
    assert set(groups(connection, wide(3), whole)) == {()}


def test_public_rows_need_no_units(connection):
    made = ReleaseShape(
        keys=(KeyShape(name="k", type="string"),),
        arguments=(),
        aggregates=(COUNT,),
        units=(),
        order=("k", "n"),
    )
    sql = statistics_sql(
        f"SELECT 'a' AS {PREFIX}k0 FROM range(7)",
        shape=made,
        rules=PUBLIC,
        prefix=PREFIX,
    )
    rows = connection.execute(sql, {salt_parameter(PREFIX, 0): "salt"}).fetchall()
    (group,) = read_groups(rows, layout=plan_layout(made, PUBLIC), max_groups=1)
    assert group.by_unit[0].vectors[1].total == 7


def test_one_group_more_than_the_limit_is_seen(connection):
    sql = statistics_sql(
        f"SELECT range AS {PREFIX}k0, range AS {PREFIX}u0 FROM range(50)",
        shape=shape(COUNT),
        rules=RULES,
        prefix=PREFIX,
        max_groups=7,
    )
    assert len(connection.execute(sql, {salt_parameter(PREFIX, 0): "salt"}).fetchall()) == 8


def test_the_units_on_each_side_of_a_predicate_are_counted(connection):
    sql = statistics_sql(
        f"SELECT NULL AS {PREFIX}k0, range // 2 AS {PREFIX}u0, range % 6 = 0 AS {PREFIX}b0 "
        "FROM range(60)",
        shape=shape(COUNT, branches=1),
        rules=RULES,
        prefix=PREFIX,
    )
    rows = connection.execute(sql, {salt_parameter(PREFIX, 0): "salt"}).fetchall()
    layout = plan_layout(shape(COUNT, branches=1), RULES)
    (group,) = read_groups(rows, layout=layout, max_groups=10)
    # Every third unit has a row on each side; the others have two on one.
    assert group.by_unit[0].branches == ((10, 30),)
