# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-10, T-18: an analyst writes what a reader, a checker and an engine might read apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.admission.admit import admit
from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.admission.typed.columns import scans
from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.identity import query_identity
from cleanroom.errors import CleanroomError
from tests.support.gate_admission import CATALOG, admitted, refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import PREFIX, run_gates

E, P = "hospital.encounters", "hospital.patients"
REFUSED = [
    # other statements
    "EXPLAIN ANALYZE SELECT count(*) FROM hospital.patients",
    f"SUMMARIZE {E}",
    f"DESCRIBE {E}",
    "SHOW ALL TABLES",
    "PRAGMA table_info('hospital.patients')",
    f"COPY {P} TO '/tmp/x.csv'",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "SET threads = 1",
    "CALL pragma_version()",
    f"CREATE TABLE x AS SELECT * FROM {P}",
    "CREATE MACRO sum(x) AS max(x)",
    f"INSERT INTO {E} SELECT * FROM {E}",
    f"PIVOT {E} ON ward USING max(cost)",
    f"UNPIVOT {P} ON sex, zip INTO NAME col VALUE v",
    f"FROM {E}",
    f"TABLE {E}",
    "VALUES (1)",
    # catalog, files, dynamic SQL
    "SELECT count(*) FROM duckdb_tables()",
    "SELECT count(*) FROM pragma_storage_info('hospital.encounters')",
    "SELECT count(*) FROM information_schema.tables",
    "SELECT count(*) FROM '/etc/passwd'",
    "SELECT count(*) FROM read_csv('/etc/passwd')",
    "SELECT count(*) FROM query('SELECT 1')",
    "SELECT count(*) FROM query_table('hospital.patients')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT getenv('HOME'), count(*) FROM hospital.patients",
    "SELECT count(getvariable('x')) FROM hospital.patients",
    # spellings
    f"SELECT COLUMNS('c.*') FROM {E}",
    f"SELECT count(*) FROM {E} SELECT 1",
    f"SELECT cost.max() FROM {E}",
    f"SELECT s: max(cost) FROM {E}",
    f"SELECT ward, #2 FROM {E}",
    f'SELECT "max"(cost) FROM {E}',
    f"SELECT system.main.max(cost) FROM {E}",
    f"SELECT count(*) FROM {P} WHERE \uff50atient_id = 1",
    f"SELECT count(*) FROM {P} WHERE p\u0430tient_id = 1",
    f"SELECT count(*) FROM {P}\u2003WHERE true",
    f"SELECT count(*) FROM {P} WHERE zip = 'a' -- \u202e",
    f"SELECT count(*) FROM {P} /* \u2066 */",
    f"SELECT count(*) FROM room.{P}",
    f"SELECT rowid, count(*) FROM {P} GROUP BY rowid",
    f"SELECT count(file_row_number) FROM {P}",
    f"SELECT count(*) FROM {P} WHERE patient_id.x = 1",
    f"SELECT count(*) FROM {P} WHERE struct_extract(hospital, 'x') = 1",
    f"SELECT any_value(p) FROM {P} p",
    f"SELECT count(p) FROM {P} p",
    f"SELECT s AS t, sum(cost) AS s FROM {E}",
    f"SELECT cost AS s, sum(s) AS t FROM {E}",
    f"SELECT ward AS dx, count(*) FROM {E} GROUP BY dx",
    f"SELECT los AS g, count(*) FROM {E} WHERE g = 3 GROUP BY g",
    f"SELECT count(*) FROM {E} e JOIN {P} e ON e.patient_id = e.patient_id",
    f"SELECT count(*) FROM {E} TABLESAMPLE reservoir(10 ROWS) REPEATABLE (1)",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
    f"SELECT count(*) FROM {E} ASOF JOIN {P} USING (patient_id)",
    f"SELECT count(*) FROM {E} e, LATERAL (SELECT e.cost) t",
    f"SELECT count(*) FROM {E} WHERE EXISTS (SELECT 1)",
    f"SELECT list_aggregate(list(cost), 'max') FROM {E}",
    f"SELECT count([x for x in [1]]) FROM {E}",
    f"SELECT count(*), FROM {P}, WHERE patient_id = 17",
]  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_outside_the_closed_tree_is_refused(sql):
    refused(sql)


SAME = "SELECT ward, count(*) AS n FROM hospital.encounters GROUP BY ward"


@pytest.mark.parametrize(
    "sql",
    [
        SAME + ";",
        SAME + " /* /* nested */ , patient_id */",
        SAME + " -- , patient_id",
        SAME + " WINDOW unused AS (PARTITION BY patient_id)",
        SAME.replace(" ", "\n\t"),
        SAME.replace("ward", '"WARD"'),
        SAME.replace("FROM", "FROM/**/"),
        "FROM hospital.encounters SELECT ward, n: count(*) GROUP BY ward",
        SAME.replace("hospital.encounters", '"hospital" . "encounters"'),
    ],
)
def test_another_spelling_of_the_same_query_generates_the_same_sql(sql):
    assert query_identity(admitted(sql)) == query_identity(admitted(SAME))


def test_values_cannot_leave_their_literal():
    hostile = ["'", "''", "'; DROP TABLE x --", "' OR 1 = 1 --", '"', "\\", "\\'", "$x", "/*"]
    with health().connect() as connection:
        for value in hostile:
            literal = value.replace("'", "''")
            sql = f"SELECT count(*) AS n FROM {P} WHERE zip <> '{literal}'"
            released = run_gates(connection, sql, catalog=corpus_catalog(k=4))
            assert released.rows == ((25,),)


def test_a_parameter_is_bound_and_never_text():
    with health().connect() as connection:
        released = run_gates(
            connection,
            f"SELECT count(*) AS n FROM {P} WHERE zip <> $z",
            catalog=corpus_catalog(k=4),
            parameters={"z": "x' OR true --"},
        )
        assert released.rows == ((25,),)


def test_an_output_name_of_the_analyst_captures_no_internal_column():
    # Whoever guesses internal names could otherwise forge the unit that is counted.
    with health().connect() as connection:
        for name in ("u0", "k0", "a0", f"{PREFIX}u0", "per0", "base"):
            sql = f"SELECT count(ward) AS {name} FROM {E} WHERE ward = 'hyperbaric'"
            assert run_gates(connection, sql, catalog=corpus_catalog(k=4)).rows == ()


WORDS = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "BY",
        "AND",
        "OR",
        "NOT",
        "NULL",
        "IN",
        "BETWEEN",
        "JOIN",
        "ON",
        "AS",
        "count(*)",
        "sum(cost)",
        "avg(los)",
        "count(DISTINCT",
        "patient_id)",
        "ward",
        "dx",
        "cost",
        "patient_id",
        "hospital.encounters",
        "hospital.patients",
        "e",
        "p",
        "e.ward",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "<",
        "'x'",
        "5",
        "1.5",
        "$p",
        "*",
        ";",
        "WITH",
        "HAVING",
        "ORDER",
        "LIMIT",
        "CASE",
        "WHEN",
        "THEN",
        "END",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_any_sequence_of_words_is_admitted_or_refused(text):
    try:
        query = admit(text.encode(), catalog=CATALOG, parameters={})
    except QueryRefusedError as error:
        assert error.code.startswith("admission.")
        return
    assert query.stages
    assert all(unit.namespace for stage in query.stages for unit in stage.units)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_by_name(data):
    with pytest.raises(CleanroomError):
        admit(data, catalog=CATALOG, parameters={})


BASE = (
    "SELECT e.ward, count(*) AS n, sum(e.cost) AS s FROM hospital.encounters e "
    "JOIN hospital.patients p ON e.patient_id = p.patient_id "
    "WHERE e.dx IN ('I10', 'E11') AND p.zip <> '99950' GROUP BY e.ward"
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(BASE) - 1), st.integers(0, 12), st.sampled_from(["", "'", "(", "p", "*"]))
def test_a_mutated_query_is_never_a_row_of_the_data(at, length, text):
    sql = BASE[:at] + text + BASE[at + length :]
    try:
        query = admit(sql.encode(), catalog=CATALOG, parameters={})
    except QueryRefusedError:
        return
    # Whatever is admitted counts the unit of every protected dataset that it reads.
    for stage in query.stages:
        protected = {scan.lineage for scan in scans(stage.base) if scan.unit}
        assert {lineage for unit in stage.units for lineage in unit.datasets} == protected
        generate(stage, prefix=PREFIX)
    generate_post(query, prefix=PREFIX)
