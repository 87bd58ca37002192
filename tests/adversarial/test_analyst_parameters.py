# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-12: an analyst uses a parameter for what its approvers did not see."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4)
P, E = "hospital.patients", "hospital.encounters"
S, I = ParameterType.STRING, ParameterType.INTEGER  # noqa: E741


@pytest.mark.parametrize(
    ("sql", "declared", "rule"),
    [
        (f"SELECT count(*) FROM {P} WHERE person_key = $p", {"p": S}, "compare-literal"),
        (f"SELECT count(*) FROM {P} WHERE patient_id = $p", {"p": I}, "compare-literal"),
        (f"SELECT count(*) FROM {P} WHERE patient_id BETWEEN $p AND $p", {"p": I},
         "compare-literal"),
        (f"SELECT count(*) FROM {P} WHERE note = $p", {"p": S}, "blocked-column"),
        (f"SELECT count(*) FROM {P} WHERE zip = $p", {}, "parameter"),
        (f"SELECT count(*) FROM {P} WHERE zip = $1", {"p": S}, "parameter"),
        (f"SELECT count(*) FROM {P} WHERE zip = ?", {"p": S}, "parameter"),
        (f"SELECT count(*) FROM {P}", {"p": S}, "parameter"),
        (f"SELECT count(*) FROM {P} WHERE zip = $p", {"p": I}, "type"),
        (f"SELECT count(*) FROM {P} LIMIT $p", {"p": I}, "constant"),
        (f"SELECT count(*) FROM {P} WHERE left(zip, $p) = 'x'", {"p": I}, "constant"),
        (f"SELECT count(*) FROM {P} WHERE zip LIKE $p", {"p": S}, "function"),
        (f"SELECT count(*) FROM {P} WHERE coalesce(patient_id, $p) = 5", {"p": I}, "identifier"),
        (f"SELECT count(*) FROM {P} p JOIN {E} e ON p.patient_id = $p", {"p": I},
         "compare-literal"),
        ("SELECT count(*) FROM $p", {"p": S}, "syntax"),
        ("SELECT count(*) FROM query($p)", {"p": S}, "table-function"),
    ],
)  # fmt: skip
def test_a_parameter_only_ever_meets_a_column_that_may_be_filtered(sql, declared, rule):
    assert refused(sql, CATALOG, **declared).code == f"admission.{rule}"


def test_a_parameter_that_picks_one_person_releases_nothing():
    with health().connect() as connection:
        for value in ("99950", "x' OR zip LIKE '%", ""):
            released = run_gates(
                connection,
                f"SELECT count(*) AS n FROM {P} WHERE zip = $zip",
                catalog=CATALOG,
                parameters={"zip": value},
            )
            assert released.rows == ()


def test_moving_a_parameter_past_one_person_is_answered_as_before():
    with health().connect() as connection:
        history = ()
        answers = []
        for day in (1, 2, 3, 5, 8):
            released = run_gates(
                connection,
                f"SELECT count(*) AS n FROM {E} WHERE admit_date <= $until",
                catalog=CATALOG,
                parameters={"until": dt.date(2025, 12, day)},
                history=history,
            )
            history = (*history, *released.tables)
            answers.append(released)
        # A day adds rows of fewer people than the difference that the policy demands.
        assert answers[0].rows
        assert [released.earlier for released in answers[1:]].count((("n",),)) >= 3
        assert len({released.rows for released in answers}) < 3
