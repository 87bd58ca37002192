# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""INTERSECT and EXCEPT of people are SEMI and ANTI joins, whose people are counted like those."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.columns import everything
from cleanroom.admission.typed.relation import Match, MatchKind
from tests.support.gate_admission import CATALOG, admitted
from tests.support.gate_data import health
from tests.support.gate_runs import run_gates

E, P = "hospital.encounters", "hospital.patients"


@pytest.mark.parametrize(
    ("word", "kind", "join"),
    [("INTERSECT", MatchKind.SEMI, "SEMI"), ("EXCEPT", MatchKind.ANTI, "ANTI")],
)
def test_people_of_one_list_are_matched_with_another(word, kind, join):
    lists = f"SELECT patient_id FROM {P} {word} SELECT patient_id FROM {E} WHERE ward = 'onco'"
    [stage] = admitted(f"SELECT count(*) AS n FROM ({lists})").stages
    [found] = [item for item in everything(stage.base) if isinstance(item, Match)]
    assert found.kind is kind
    joined = (
        f"SELECT DISTINCT patient_id FROM {P} {join} JOIN "
        f"(SELECT patient_id FROM {E} WHERE ward = 'onco') USING (patient_id)"
    )
    [same] = admitted(f"SELECT count(*) AS n FROM ({joined})").stages
    assert [unit.datasets for unit in stage.units] == [unit.datasets for unit in same.units]
    assert len(stage.branches) == len(same.branches)


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


@pytest.mark.parametrize(("word", "test"), [("INTERSECT", "IN"), ("EXCEPT", "NOT IN")])
def test_each_person_is_counted_once(connection, word, test):
    onco = f"SELECT patient_id FROM {E} WHERE ward = 'onco'"
    sets = f"SELECT count(*) AS n FROM (SELECT patient_id FROM {E} {word} {onco} ORDER BY 1)"
    tests = f"SELECT count(DISTINCT patient_id) AS n FROM {E} WHERE patient_id {test} ({onco})"
    one, other = (run_gates(connection, sql, catalog=CATALOG) for sql in (sets, tests))
    assert one.rows == other.rows
    assert one.withheld == other.withheld
