# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test
"""The generated SQL: typed, clamped, without a byte of the analyst's text."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

import duckdb
import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.generate import generate
from cleanroom.admission.typed.sql_expressions import quote
from cleanroom.contract.types import ParameterType
from cleanroom.errors import MalformedError
from tests.support.gate_admission import CATALOG, TYPED, admitted
from tests.support.gate_data import Health
from tests.support.gate_policies import measure, policy, schema

PREFIX = "secretprefix0000_"
ROWS = "a.t"


def base_rows(sql: str, catalog: Catalog, ddl: str, values, **parameters):
    """Run the generated row-level SQL over one table."""
    kinds = {int: ParameterType.INTEGER, str: ParameterType.STRING, dt.date: ParameterType.DATE}
    types = {name: kinds[type(value)] for name, value in parameters.items()}
    query = admit(sql.encode(), catalog=catalog, parameters=types)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE SCHEMA a; CREATE TABLE a.t ({ddl})")
        if values:
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO a.t VALUES ({marks})", values)
        return connection.execute(generate(query.stages[0], prefix=PREFIX), parameters).fetchall()


def summed(kind: str, lower: str, upper: str) -> Catalog:
    made = policy("a.t", {"id": "key:x", "v": measure(lower, upper)}, unit="id", namespace="x")
    return Catalog(datasets={"a.t": (made, schema(id="integer", v=kind))}, links=frozenset())


def test_no_alias_comment_or_name_of_the_analyst_reaches_the_engine():
    sql = (
        "SELECT mye.ward AS mywardalias, count(*) /* mycomment */ AS mycount "
        "FROM hospital.encounters AS mye WHERE mye.dx = 'my''value' GROUP BY mye.ward"
    )
    text = generate(admitted(sql).stages[0], prefix=PREFIX)
    assert re.findall(r"my[a-z_]+", text.replace("'my''value'", "")) == []
    assert "'my''value'" in text


def test_every_produced_name_is_behind_the_secret_prefix():
    text = generate(
        admitted("SELECT ward, sum(cost) FROM hospital.encounters GROUP BY ward").stages[0],
        prefix=PREFIX,
    )
    assert {name for name in re.findall(r'AS "([^"]+)"', text) if not name.startswith(PREFIX)} == (
        set()
    )


@pytest.mark.parametrize("prefix", ["", "short_", "Upper000_", "noend000", 'a"b00000_', "x" * 60])
def test_a_prefix_of_another_form_is_refused(prefix):
    with pytest.raises(MalformedError, match=r"^prefix:"):
        generate(admitted("SELECT count(*) FROM hospital.patients").stages[0], prefix=prefix)


def test_a_quote_in_an_identifier_is_doubled():
    assert quote('a"b') == '"a""b"'


def test_rows_without_a_unit_are_dropped_at_the_scan():
    rows = base_rows(
        "SELECT count(*) FROM a.t", summed("double", "0", "9"), "id BIGINT, v DOUBLE",
        [(1, 2.0), (None, 3.0)],
    )  # fmt: skip
    assert rows == [(1,)]


@pytest.mark.parametrize(
    ("kind", "ddl", "values", "expected"),
    [
        ("double", "DOUBLE", [-5.0, 0.5, 99.0], [Decimal(-1), Decimal("0.5"), Decimal(9)]),
        ("double", "DOUBLE", [math.nan, math.inf, -math.inf, None], [None] * 4),
        ("integer", "BIGINT", [-(2**63), 5, 2**63 - 1, None], [-1, 5, 9, None]),
        (
            "decimal(38,2)",
            "DECIMAL(38,2)",
            [Decimal("1E35"), Decimal("0.25")],
            [Decimal(9), Decimal("0.25")],
        ),
        ("decimal(4,3)", "DECIMAL(4,3)", [Decimal("9.999")], [Decimal(9)]),
    ],
)
def test_measures_are_clamped_to_their_bounds_and_odd_values_are_null(kind, ddl, values, expected):
    rows = base_rows(
        "SELECT sum(v) FROM a.t",
        summed(kind, "-1", "9"),
        f"id BIGINT, v {ddl}",
        list(enumerate(values)),
    )
    assert [row[0] for row in rows] == expected


def test_bounds_are_rounded_inwards_to_the_measures_grid():
    rows = base_rows(
        "SELECT sum(v) FROM a.t", summed("decimal(5,1)", "-1/3", "1/3"),
        "id BIGINT, v DECIMAL(5,1)", [(1, Decimal(-5)), (2, Decimal(5))],
    )  # fmt: skip
    assert [row[0] for row in rows] == [Decimal("-0.3"), Decimal("0.3")]


def test_wide_bounds_use_the_wide_decimal():
    rows = base_rows(
        "SELECT sum(v) FROM a.t", summed("double", "0", "1" + "0" * 17), "id BIGINT, v DOUBLE",
        [(1, 5e16)],
    )  # fmt: skip
    assert [row[0] for row in rows] == [Decimal(5) * 10**16]


def test_counting_a_column_counts_its_values():
    rows = base_rows("SELECT count(word) FROM a.t", TYPED, TYPED_DDL, TYPED_ROWS)
    assert [row[0] for row in rows] == [1, 1, None]


def test_counting_a_double_counts_numbers_only():
    rows = base_rows(
        "SELECT count(v) FROM a.t", summed("double", "0", "9"), "id BIGINT, v DOUBLE",
        [(1, 2.0), (2, math.nan), (3, None)],
    )  # fmt: skip
    assert [row[0] for row in rows] == [1, None, None]


TYPED_DDL = (
    "id BIGINT, flag BOOLEAN, small INTEGER, price DECIMAL(6,2), rate DOUBLE, seen TIMESTAMP, "
    "born DATE, word VARCHAR"
)
TYPED_ROWS = [
    (1, True, 5, Decimal("1.50"), 0.5, dt.datetime(2025, 1, 1), dt.date(2025, 1, 1), "it's"),  # noqa: DTZ001
    (2, False, 6, Decimal("2.50"), 1.5, dt.datetime(2026, 1, 1), dt.date(2026, 1, 1), "-- x"),  # noqa: DTZ001
    (3, None, None, None, None, None, None, None),
]


@pytest.mark.parametrize(
    ("condition", "parameters", "count"),
    [
        ("flag = true", {}, 1),
        ("small > 5", {}, 1),
        ("small BETWEEN 5 AND 6", {}, 2),
        ("price IN (1.5, 9)", {}, 1),
        ("rate <= 0.5", {}, 1),
        ("seen < DATE '2025-06-01'", {}, 1),
        ("born <> '2025-01-01'", {}, 1),
        ("word = 'it''s'", {}, 1),
        ("word = '-- x'", {}, 1),
        ("word IS NULL", {}, 1),
        ("word IS NOT NULL", {}, 2),
        ("word = $w", {"w": "it's"}, 1),
        ("word = $w", {"w": "x' OR 1 = 1 --"}, 0),
        ("small = $n", {"n": 6}, 1),
        ("price < $n", {"n": 2}, 1),
        ("price < $n", {"n": 10**15}, 0),
        ("rate > $n", {"n": 1}, 1),
        ("born = $d", {"d": dt.date(2026, 1, 1)}, 1),
        ("seen >= $d", {"d": dt.date(2026, 1, 1)}, 1),
    ],
)
def test_filters_keep_what_they_say(condition, parameters, count):
    sql = f"SELECT count(*) FROM a.t WHERE {condition}"
    assert len(base_rows(sql, TYPED, TYPED_DDL, TYPED_ROWS, **parameters)) == count


def test_a_column_of_another_type_than_declared_never_raises():
    rows = base_rows(
        "SELECT sum(v) FROM a.t", summed("double", "0", "9"), "id BIGINT, v VARCHAR",
        [(1, "canary"), (2, "3")],
    )  # fmt: skip
    assert [row[0] for row in rows] == [None, Decimal(3)]


def test_public_rows_need_no_column():
    query = admit(b"SELECT count(*) FROM ref.numbers", catalog=CATALOG, parameters={})
    assert generate(query.stages[0], prefix=PREFIX).startswith("SELECT 1 FROM")


def test_joined_rows_carry_the_unit_of_every_side():
    query = admitted(
        "SELECT m.plan, count(DISTINCT e.encounter_id) AS visits FROM hospital.patients p "
        "JOIN hospital.encounters e ON p.patient_id = e.patient_id "
        "JOIN insurer.members m ON m.person_key = p.person_key GROUP BY m.plan"
    )
    data = Health(
        rows={
            "hospital.patients": ((7, "k7", 1950, "F", "1", "north", True, ""),),
            "hospital.encounters": (
                (1, 7, None, "w", "d", 1.0, 1),
                (2, None, None, "w", "d", 1.0, 1),
            ),
            "insurer.members": (("k7", "gold", "north", 1.0, 1), (None, "gold", "north", 1.0, 1)),
        },
        people=(7,),
    )
    with data.connect() as connection:
        rows = connection.execute(generate(query.stages[0], prefix=PREFIX)).fetchall()
    assert rows == [("gold", 1, 7, "k7")]


def test_a_public_look_up_counts_each_of_its_rows_once_and_only_what_the_query_names():
    made = policy(
        "a.t",
        {"id": "key:x", "dx": "dimension"},
        unit="id",
        namespace="x",
        column=("id", "dx"),
        joins=("ref.codes",),
    )
    codes = policy(
        "ref.codes", {"dx": "public", "chapter": "public", "since": "public"}, joins=("a.t",)
    )
    catalog = Catalog(
        datasets={
            "a.t": (made, schema(id="integer", dx="string")),
            "ref.codes": (codes, schema(dx="string", chapter="string", since="date")),
        },
        links=frozenset(),
    )
    query = admit(
        b"SELECT c.chapter, count(*) AS n FROM a.t AS t JOIN ref.codes AS c ON t.dx = c.dx "
        b"WHERE c.since > DATE '2000-01-01' GROUP BY c.chapter",
        catalog=catalog,
        parameters={},
    )
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE SCHEMA a; CREATE TABLE a.t (id BIGINT, dx VARCHAR)")
        connection.execute("INSERT INTO a.t VALUES (1, 'I10'), (2, 'I10'), (3, 'J45')")
        connection.execute("CREATE SCHEMA ref")
        connection.execute("CREATE TABLE ref.codes (dx VARCHAR, chapter VARCHAR, since DATE)")
        for _ in range(5):
            connection.execute(
                "INSERT INTO ref.codes VALUES ('I10', 'heart', '2001-01-01'),"
                " ('I10', 'heart', '2002-01-01'), ('J45', 'lung', '1999-01-01')"
            )
        rows = connection.execute(generate(query.stages[0], prefix=PREFIX)).fetchall()
    # Repeated rows of a public table would be weights; the person in 'lung' is filtered out.
    assert sorted((row[0], row[-1]) for row in rows) == [("heart", 1), ("heart", 2)]


@pytest.mark.parametrize(
    "inner",
    [
        "SELECT id, sum(v) AS s FROM a.t GROUP BY id",
        "SELECT id, avg(v) AS s FROM a.t GROUP BY id",
        "SELECT id, sum(round(v, 2)) AS s FROM a.t GROUP BY id",
        "SELECT id, sum(v) OVER (PARTITION BY id) AS s FROM a.t",
        "SELECT id, avg(v) OVER (PARTITION BY id) AS s FROM a.t",
    ],
)
def test_totals_of_one_unit_never_overflow(inner):
    # Whoever plants huge numbers must not learn from an error which people a join found.
    rows = base_rows(
        f"SELECT count(*) FROM ({inner}) WHERE s > 1", summed("decimal(38,2)", "0", "9"),
        "id BIGINT, v DECIMAL(38,2)", [(1, Decimal("9e35"))] * 300,
    )  # fmt: skip
    assert set(rows) == {(1,)}


def test_rows_whose_unit_is_not_of_its_declared_type_are_dropped_as_well():
    rows = base_rows(
        "SELECT count(*) FROM a.t", summed("double", "0", "9"), "id VARCHAR, v DOUBLE",
        [("1", 2.0), ("nobody", 3.0), ("nobody", 4.0)],
    )  # fmt: skip
    assert rows == [(1,)]
