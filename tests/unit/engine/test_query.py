# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import threading
from dataclasses import replace

import duckdb
import pytest

from cleanroom.engine.query import View, run_query
from cleanroom.errors import QueryFailedError
from tests.support import sealed_tables
from tests.support.sealed_tables import LIMITS, encounters, query, readers, view

TABLE = "hospital.encounters"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def sealed(directory):
    return sealed_tables.seal(encounters(10_000), destination=directory)


@pytest.fixture
def parts(sealed, directory):
    with readers(sealed, directory) as opened:
        yield opened


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ward, count(*) AS n, sum(cost) FROM {t} GROUP BY ward ORDER BY ward",
        "SELECT count(DISTINCT patient_id) FROM {t} WHERE ward = 'surgery' AND cost > 100",
        "SELECT a.ward, count(*) FROM {t} a JOIN {t} b USING (patient_id) GROUP BY 1 ORDER BY 1",
        "SELECT * FROM {t} WHERE cost = 17 ORDER BY ALL",
        "SELECT avg(cost) FROM {t} WHERE patient_id = 'nobody'",
    ],
)
def test_answers_are_those_of_plain_duckdb(parts, sql):
    plain = encounters(10_000)
    with duckdb.connect() as connection:
        connection.register("plain", plain)
        expected = connection.execute(sql.format(t="plain"))
        types = tuple((column[0], str(column[1])) for column in expected.description)
        rows = expected.fetchall()
    output = query(sql.format(t=TABLE), parts)
    assert output.rows == rows
    assert output.columns == types


def test_parameters_are_values_and_never_sql(parts):
    sql = f"SELECT count(*) FROM {TABLE} WHERE ward = $ward AND cost >= $least"  # noqa: S608
    values = {"ward": "surgery", "least": 100}
    assert query(sql, parts, parameters=values).rows[0][0] > 0
    injected = {"ward": "surgery' OR 1=1 --", "least": 0}
    assert query(sql, parts, parameters=injected).rows == [(0,)]
    day = query("SELECT $day + 1", parts, parameters={"day": dt.date(2024, 2, 28)})
    assert day.rows[0][0] == dt.date(2024, 2, 29)


@pytest.mark.parametrize("parameters", [{}, {"a": 1, "b": 2}])
def test_missing_and_extra_parameters_fail(parts, parameters):
    with pytest.raises(QueryFailedError):
        query("SELECT $a::INTEGER", parts, parameters=parameters)


def test_undeclared_columns_are_not_in_the_view(parts):
    with pytest.raises(QueryFailedError):
        query("SELECT cost FROM hospital.encounters", parts, columns=("patient_id", "ward"))


def test_two_owners_tables_are_joined(parts):
    other = View(schema="insurer", name="members", columns=("patient_id",), parts=parts[:1])
    sql = f"SELECT count(*) FROM {TABLE} JOIN insurer.members USING (patient_id)"  # noqa: S608
    output = run_query(views=[view(parts), other], sql=sql, parameters={}, limits=LIMITS)
    assert output.rows[0][0] > 0


@pytest.mark.parametrize(
    ("sql", "limits", "code"),
    [
        ("SELECT * FROM range(5000)", {"rows": 4999}, "engine.rows"),
        ("SELECT count(*) FROM range(10000000000000)", {"seconds": 0.3}, "engine.time"),
        (
            "SELECT list(a.range) FROM range(30000000) a",
            {"memory_mib": 64},
            "engine.memory",
        ),
        ("SELECT 1; SELECT 2", {}, "engine.statement"),
        ("", {}, "engine.statement"),
        ("SELECT nonsense", {}, "engine.failed"),
        ("SELEC", {}, "engine.failed"),
        ("SELECT CAST(patient_id AS INTEGER) FROM hospital.encounters", {}, "engine.failed"),
        ("SELECT error(patient_id) FROM hospital.encounters", {}, "engine.failed"),
    ],
)
def test_each_failure_has_one_sentence_and_no_word_of_the_engine(parts, sql, limits, code):
    with pytest.raises(QueryFailedError, match="^engine: ") as refused:
        query(sql, parts, limits=replace(LIMITS, **limits))
    assert refused.value.code == code
    assert refused.value.__context__ is None
    assert refused.value.__cause__ is None
    assert "P0" not in str(refused.value) + refused.value.hint


def test_as_many_rows_as_allowed_are_given(parts):
    output = query("SELECT * FROM range(5000)", parts, limits=replace(LIMITS, rows=5000))
    assert len(output.rows) == 5000


def test_nothing_of_a_query_is_left_for_the_next(parts):
    for sql in ("SET VARIABLE x = 1", "CREATE TEMP VIEW v AS SELECT 1", "PREPARE p AS SELECT 1"):
        with pytest.raises(QueryFailedError):
            query(sql, parts)
    assert query("SELECT getvariable('x')", parts).rows == [(None,)]


def test_a_query_leaves_no_thread_behind(parts):
    before = threading.active_count()
    query(f"SELECT count(*) FROM {TABLE}", parts)  # noqa: S608
    assert threading.active_count() == before


def test_an_engine_that_cannot_start_is_told_in_our_words(parts):
    with pytest.raises(QueryFailedError) as refused:
        query("SELECT 1", parts, limits=replace(LIMITS, threads=-1))
    assert refused.value.code == "engine.failed"
    assert refused.value.__context__ is None
