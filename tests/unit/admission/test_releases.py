# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What a release may hold, and what is computed from it afterwards."""

from __future__ import annotations

import duckdb
import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.typed.expr import Call, Literal, Ref, call
from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.prune import pruned
from cleanroom.admission.typed.relation import Extend, Filter, OneRow
from cleanroom.admission.typed.sql_relations import RelationWriter, released_schema, released_table
from tests.support.gate_admission import admitted, only, refused
from tests.support.gate_policies import measure

PREFIX = "secretprefix0000_"
E, P = "hospital.encounters", "hospital.patients"
GROUPED = f"(SELECT ward, dx, count(*) AS n FROM {E} GROUP BY ward, dx)"
RELEASED = [("a", "x", 4), ("a", "y", 1), ("b", "x", 3), ("c", None, 2)]


def computed(sql: str, released=RELEASED) -> list[tuple[object, ...]]:
    """Run what a query computes from its one released table, given the table."""
    query = admitted(sql)
    schema = released_schema(PREFIX)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f'CREATE SCHEMA "{schema}"')
        connection.execute(
            f'CREATE TABLE "{schema}"."{released_table(0)}" '
            f'("{PREFIX}" INT, k0 VARCHAR, k1 VARCHAR, r0 BIGINT)'
        )
        for row in released:
            connection.execute(
                f'INSERT INTO "{schema}"."{released_table(0)}" VALUES (0, ?, ?, ?)', row
            )
        return connection.execute(generate_post(query, prefix=PREFIX)).fetchall()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"SELECT (SELECT count(*) FROM {P}) AS n", [(4,)]),
        (f"SELECT dx, sum(n) FROM {GROUPED} GROUP BY dx", [("x", 7), ("y", 1), (None, 2)]),
        (f"SELECT ward, n FROM {GROUPED} ORDER BY n DESC LIMIT 2 OFFSET 1", [("b", 3), ("c", 2)]),
        (
            f"SELECT n, sum(n) OVER (ORDER BY n ROWS 1 PRECEDING) AS s FROM {GROUPED}",
            [(1, 1), (2, 3), (3, 5), (4, 7)],
        ),
        (
            f"SELECT a.n, b.n AS m FROM {GROUPED} a JOIN {GROUPED} b USING (ward, dx)",
            [(1, 1), (3, 3), (4, 4)],
        ),
        (f"SELECT sum(n) AS s FROM {GROUPED} GROUP BY ()", [(10,)]),
    ],
)
def test_what_is_computed_from_released_rows_is_what_the_query_says(sql, rows):
    released = [(None, None, 4)] if "SELECT (SELECT" in sql else RELEASED
    assert computed(sql, released) == rows


def test_nothing_released_makes_no_total_of_a_given_grouping():
    assert computed(f"SELECT sum(n) AS s FROM {GROUPED} GROUP BY ()", []) == []
    assert computed(f"SELECT sum(n) AS s FROM {GROUPED}", []) == [(None,)]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (f"SELECT sum(n) AS s FROM {GROUPED} GROUP BY ROLLUP (ward)", "grouping-sets"),
        (f"SELECT GROUPING(ward) AS g FROM {GROUPED} GROUP BY ward", "grouping-sets"),
        (f"SELECT 1 AS x FROM {P} HAVING true", "row-level"),
        (f"SELECT 1 AS x FROM {P} GROUP BY ()", "row-level"),
        (
            "SELECT "
            + ", ".join(f"count(*) FILTER (WHERE los > {i}) AS n{i}" for i in range(33))
            + f" FROM {E}",
            "aggregates",
        ),
        (
            "SELECT "
            + ", ".join(
                f"sum(CASE WHEN los = {i} THEN 1 WHEN los < {i} THEN 2 WHEN los = -{i + 1} "
                f"THEN 3 ELSE 0 END) AS n{i}"
                for i in range(32)
            )
            + f" FROM {E}",
            "branches",
        ),
    ],
)
def test_a_release_holds_one_grouping_with_numbers_and_is_of_bounded_size(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


def test_as_many_aggregates_as_allowed_are_released():
    listed = ", ".join(f"count(*) FILTER (WHERE los > {i}) AS n{i}" for i in range(32))
    [stage] = admitted(f"SELECT {listed} FROM {E}").stages
    assert len(stage.aggregates) == len(stage.branches) == 32


def test_a_measure_is_a_group_key_only_where_its_owner_lists_it():
    columns = {"id": "key:x", "days": measure("0", "60")}
    types = {"id": "integer", "days": "integer"}
    sql = "SELECT days, count(*) FROM a.t GROUP BY days"
    closed = only("a.t", columns, types, unit="id", namespace="x", literal=())
    error = refused(sql, closed)
    assert error.code == "admission.group-key"
    assert error.column == "a.t.days"
    assert error.grant == (
        "[compare] literal += days in the policy of a.t, or role dimension"
    )  # fmt: skip
    opened = only("a.t", columns, types, unit="id", namespace="x", literal=("days",))
    [stage] = admit(sql.encode(), catalog=opened, parameters={}).stages
    assert [source.reference for source in stage.keys[0].sources] == ["a.t.days"]


def test_a_condition_in_a_subquery_travels_with_the_value_that_took_it():
    [stage] = admitted(
        "SELECT sum(x) FROM (SELECT patient_id, CASE WHEN los > 3 THEN cost ELSE 0 END AS x "
        f"FROM {E})"
    ).stages
    # The flag is computed below, where the condition's columns are, and counted above.
    assert len(stage.branches) == 1
    assert dict(stage.columns)[E] == ("cost", "los", "patient_id")
    assert '> CAST(3 AS BIGINT)), FALSE) AS "' in generate(stage, prefix=PREFIX)


def test_days_and_moments_meet_as_moments_and_nothing_takes_the_type_of_its_place():
    [stage] = admitted(
        "SELECT coalesce(admit_date, date_trunc('month', admit_date)) AS x, "
        f"coalesce(NULL, los) AS y, count(*) FROM {E} GROUP BY x, y"
    ).stages
    assert [key.type for key in stage.keys] == ["timestamp", "integer"]
    assert "coalesce(CAST(NULL AS BIGINT), " in generate(stage, prefix=PREFIX)


def test_a_negated_condition_of_the_row_itself_is_a_filter():
    [stage] = admitted(f"SELECT count(*) FROM {P} WHERE NOT smoker").stages
    assert isinstance(stage.base, Filter)
    assert isinstance(stage.base.condition, Call)
    assert stage.base.condition.function == "not"


@pytest.mark.parametrize("last", [Ref(column=0, type="integer"), Ref(column=1, type="integer")])
def test_a_computed_column_may_read_one_that_is_computed_beside_it(last):
    one = Literal(value=1, type="integer")
    relation = Extend(
        input=OneRow(),
        outputs=((0, one), (1, call("+", Ref(column=0, type="integer"), one, type="integer")),
                 (2, call("+", last, one, type="integer"))),
    )  # fmt: skip
    text = RelationWriter(PREFIX).write(pruned(relation, frozenset({2})))
    with duckdb.connect(":memory:") as connection:
        row = connection.execute(text).fetchone()
    assert row is not None
    assert row[-1] == 2 + last.column


def test_what_nobody_reads_is_not_computed():
    relation = Extend(input=OneRow(), outputs=((0, Literal(value=1, type="integer")),))
    assert pruned(relation, frozenset()) == OneRow()
    query = admitted(
        f"SELECT n FROM (SELECT ward, count(*) AS n, sum(cost) AS s FROM {E} GROUP BY ward)"
    )
    assert '"r1"' not in generate_post(query, prefix=PREFIX)


@pytest.mark.parametrize("odd", [None, object()])
def test_a_relation_of_no_known_kind_is_neither_pruned_nor_written(odd):
    with pytest.raises(AttributeError):
        pruned(odd, frozenset())
    with pytest.raises(AttributeError):
        RelationWriter(PREFIX).write(odd)
    with pytest.raises(AttributeError):
        RelationWriter(PREFIX).expressions.write(odd)


def test_windows_that_step_and_divide_take_whole_numbers():
    windows = "ntile(2) OVER (ORDER BY n) AS h, lag(n, 2) OVER (ORDER BY n) AS p"
    sql = f"SELECT n, {windows} FROM {GROUPED}"
    assert computed(sql) == [(1, 1, None), (2, 1, None), (3, 2, 1), (4, 2, 2)]
