# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""IN (SELECT ...) and EXISTS: tests for partners, whose people are counted too."""

from __future__ import annotations

import pytest

from tests.support.gate_admission import admitted, refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

E, P, M, D = "hospital.encounters", "hospital.patients", "insurer.members", "ref.dx_codes"
WARDS = f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward)"
PARTNER = f"EXISTS (SELECT 1 FROM {M} m WHERE m.person_key = p.person_key)"


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


def answer(connection, sql):
    return run_gates(connection, sql, catalog=corpus_catalog(k=4)).rows


@pytest.mark.parametrize(
    "condition", [PARTNER, f"NOT {PARTNER}", f"p.person_key IN (SELECT person_key FROM {M})"]
)
def test_people_who_let_a_row_in_are_counted_too(condition):
    [stage] = admitted(f"SELECT count(*) FROM {P} p WHERE {condition}").stages
    assert [unit.owner for unit in stage.units] == ["hospital", "insurer"]


@pytest.mark.parametrize("negated", ["", "NOT "])
def test_exists_as_a_value_counts_like_exists_as_a_filter(connection, negated):
    filtered = f"SELECT count(*) AS n FROM {P} p WHERE {negated}{PARTNER}"
    valued = f"SELECT sum(CASE WHEN {negated}{PARTNER} THEN 1 ELSE 0 END) AS n FROM {P} p"
    [[n]] = answer(connection, filtered)
    [[total]] = answer(connection, valued)
    assert abs(n - float(total)) < 5
    [stage] = admitted(valued).stages
    assert stage.branches


def test_released_rows_may_be_tested_against_released_rows(connection):
    sql = f"SELECT ward FROM {WARDS} a WHERE ward IN (SELECT ward FROM {WARDS} b WHERE n > 1)"
    assert len(answer(connection, sql)) == 3
    computed = sql.replace("WHERE ward IN", "WHERE ward || '' IN")
    assert answer(connection, computed) == answer(connection, sql)


def test_a_computed_value_may_be_tested_against_public_rows(connection):
    sql = f"SELECT count(*) FROM {E} WHERE upper(dx) IN (SELECT dx FROM {D})"
    assert answer(connection, sql) == answer(connection, sql.replace("upper(dx)", "dx"))
    [stage] = admitted(sql).stages
    assert stage.units


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (f"SELECT count(*) FROM {D} WHERE dx IN (SELECT dx FROM {E})", "subquery"),
        (f"SELECT count(*) FROM {D} WHERE dx IN (SELECT ward FROM {WARDS} w)", "subquery"),
        (f"SELECT ward FROM {WARDS} w WHERE ward IN (SELECT dx FROM {D})", "subquery"),
        (f"SELECT count(*) FROM {P} WHERE lower(region) IN (SELECT region FROM {M})",
         "join-condition"),
        (f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {E} e WHERE e.dx = e.ward)",
         "correlated"),
        (f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {E} e WHERE e.patient_id = "
         "p.patient_id LIMIT 1)", "subquery"),
        (f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {E} e WHERE e.patient_id = 17)",
         "compare-literal"),
        (f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {M} m WHERE m.region = "
         "p.region)", "join-condition"),
    ],
)  # fmt: skip
def test_a_test_for_partners_is_refused_by_its_rule(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


def test_two_columns_of_the_inner_rows_are_a_condition_on_them():
    sql = (
        f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {E} e WHERE "
        "e.patient_id = p.patient_id AND e.dx = e.ward)"
    )
    assert dict(admitted(sql).columns)[E] == ("dx", "patient_id", "ward")
