# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Literals and parameters have the type of the column that they meet."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.typed.expr import Interval, Literal, Param, walk
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import TYPED, admitted, condition_of, refused


def constants(query) -> tuple:
    """The constants that its condition compares with."""
    nodes = [node for node in walk(condition_of(query)) if isinstance(node, Literal | Param)]
    return tuple(node if isinstance(node, Param) else node.value for node in nodes)


@pytest.mark.parametrize(
    ("condition", "function", "operands"),
    [
        ("ward = 'a'", "=", ("a",)),
        ("'a' = ward", "=", ("a",)),
        ("ward <> 'it''s'", "<>", ("it's",)),
        ("ward < 'm'", "<", ("m",)),
        ("'m' < ward", "<", ("m",)),
        ("ward >= 'm'", ">=", ("m",)),
        ("ward IS NULL", "is null", ()),
        ("ward IS NOT NULL", "is not null", ()),
        ("ward IS DISTINCT FROM 'a'", "is distinct from", ("a",)),
        ("ward NOT IN ('a', 'b')", "not", ("a", "b")),
        ("ward LIKE 'a%'", "like", ("a%",)),
        ("ward NOT ILIKE 'a%'", "not", ("a%",)),
        ("admit_date = '2025-02-28'", "=", (dt.date(2025, 2, 28),)),
        ("DATE '2025-02-28' <= admit_date", "<=", (dt.date(2025, 2, 28),)),
        (
            "admit_date BETWEEN DATE '2025-01-01' AND DATE '2025-02-01'",
            "between",
            (dt.date(2025, 1, 1), dt.date(2025, 2, 1)),
        ),
        ("ward = $tag$x'y$tag$", "=", ("x'y",)),
        ("los > 7.5", ">", (Decimal("7.5"),)),
    ],
)
def test_a_column_may_be_compared_with_values(condition, function, operands):
    query = admitted(f"SELECT count(*) FROM hospital.encounters WHERE {condition}")
    assert condition_of(query).function == function
    assert constants(query) == operands


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("flag = true", True),
        ("flag <> FALSE", False),
        ("small = -5", -5),
        ("small = 9223372036854775807", 2**63 - 1),
        ("price = 12.50", Decimal("12.50")),
        ("price = 0012.5000", Decimal("12.5")),
        ("price = -3", Decimal(-3)),
        ("rate > 0.125", Decimal("0.125")),
        ("seen < TIMESTAMP '2025-06-10 12:30:00'", dt.datetime(2025, 6, 10, 12, 30)),  # noqa: DTZ001
        ("seen < DATE '2025-06-10'", dt.datetime(2025, 6, 10)),  # noqa: DTZ001
        ("seen = '2025-06-10T01:02:03.5'", dt.datetime(2025, 6, 10, 1, 2, 3, 500_000)),  # noqa: DTZ001
    ],
)
def test_a_literal_has_the_type_of_its_column(condition, value):
    sql = f"SELECT count(*) FROM a.t WHERE {condition}"
    query = admit(sql.encode(), catalog=TYPED, parameters={})
    assert constants(query) == (value,)


@pytest.mark.parametrize(
    "condition",
    [
        "flag = 1",
        "flag = 'true'",
        "small = 'x'",
        "small = 1_970",
        "small = true",
        "price = 12.505",
        "price = 12345.00",
        "price = 'x'",
        "rate = 1e400",
        "rate = 'NaN'",
        "rate = 'x'",
        "seen = 5",
        "seen = '2025-06-10 25:00:00'",
        "seen = 'yesterday'",
        "born = TIMESTAMP '2025-01-01 00:00:00'",
        "born = '2025-02-30'",
        "born = '20250101'",
        "born = 20250101",
        "word = 5",
        "word = DATE '2025-01-01'",
        "word = '" + "x" * 1025 + "'",
        "word = E'a\\x01b'",
        "flag > true",
        "flag BETWEEN false AND true",
    ],
)
def test_a_value_of_another_type_is_refused(condition):
    error = refused(f"SELECT count(*) FROM a.t WHERE {condition}", TYPED)
    assert error.code == "admission.type"
    assert error.place.line == 1


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("word", ParameterType.STRING),
        ("small", ParameterType.INTEGER),
        ("price", ParameterType.INTEGER),
        ("rate", ParameterType.INTEGER),
        ("born", ParameterType.DATE),
        ("seen", ParameterType.DATE),
    ],
)
def test_a_parameter_meets_columns_of_its_own_type_only(column, kind):
    sql = f"SELECT count(*) FROM a.t WHERE {column} IN ($one, $two)"
    both = {"one": kind, "two": kind}
    query = admit(sql.encode(), catalog=TYPED, parameters=both)
    assert [item.name for item in constants(query)] == ["one", "two"]
    assert query.parameters == ("one", "two")
    for other in set(ParameterType) - {kind}:
        assert refused(sql, TYPED, one=other, two=other).code == "admission.type"


def test_a_comparison_with_null_is_unknown_and_keeps_nothing():
    query = admit(b"SELECT count(*) FROM a.t WHERE word = NULL", catalog=TYPED, parameters={})
    assert constants(query) == (None,)


def test_a_boolean_meets_no_parameter():
    error = refused("SELECT count(*) FROM a.t WHERE flag = $p", TYPED, p=ParameterType.INTEGER)
    assert error.code == "admission.type"


@pytest.mark.parametrize("limit", ["1_0", "1.5", "'1'", "99999999999999999999"])
def test_a_limit_is_a_plain_number(limit):
    error = refused(f"SELECT count(*) FROM hospital.encounters LIMIT {limit}")
    assert error.code == "admission.constant"


@pytest.mark.parametrize(
    ("text", "months", "days", "micros"),
    [
        ("1 day", 0, 1, 0),
        ("2 WEEKS", 0, 14, 0),
        ("1 quarter", 3, 0, 0),
        ("2 years", 24, 0, 0),
        ("90 minutes", 0, 0, 5_400_000_000),
    ],
)
def test_a_span_is_so_many_months_days_and_microseconds(text, months, days, micros):
    found = admitted(
        "SELECT count(*) FROM hospital.encounters "
        f"WHERE admit_date + INTERVAL '{text}' > TIMESTAMP '2025-01-01 00:00:00'"
    )
    assert Interval(months=months, days=days, micros=micros) in constants(found)


@pytest.mark.parametrize("text", ["1 fortnight", "day", "1 day 2 hours", "1234567 days", "-1 day"])
def test_a_span_of_another_form_is_refused(text):
    error = refused(
        "SELECT count(*) FROM hospital.encounters "
        f"WHERE admit_date + INTERVAL '{text}' > DATE '2025-01-01'"
    )
    assert error.code == "admission.type"
