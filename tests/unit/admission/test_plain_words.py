# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test, run by nobody
"""Expressions in the words of policies: equal for equal ones, different for different ones."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.plain_words import key_texts
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import admitted

E, P = "hospital.encounters", "hospital.patients"


def words(key: str, rows: str, **parameters: ParameterType) -> str:
    """The words for one group key."""
    query = admitted(f"SELECT {key} AS g, count(*) FROM {rows} GROUP BY g", **parameters)
    [text] = key_texts(query.stages[-1])
    return text


def window(over: str) -> str:
    return f"(SELECT patient_id, row_number() OVER ({over}) AS n FROM {E})"


@pytest.mark.parametrize(
    ("key", "rows", "text"),
    [
        ("upper(ward)", E, "upper(hospital.encounters.ward)"),
        ("ward IN ('a', 'b')", E, "hospital.encounters.ward in ('a', 'b')"),
        ("los BETWEEN 1 AND 2", E, "hospital.encounters.los between '1' and '2'"),
        ("NOT (los > 1 AND los < 3)", E,
         "not(((hospital.encounters.los > '1') and (hospital.encounters.los < '3')))"),
        ("CASE WHEN los > 3 THEN 'long' END", E,
         "case when (hospital.encounters.los > '3') then 'long' else null end"),
        ("admit_date + INTERVAL 7 DAY > DATE '2025-01-01'", E,
         "((hospital.encounters.admit_date + interval(0 months, 7 days, 0 us)) > "
         "'2025-01-01 00:00:00')"),
        ("kind", f"(SELECT patient_id, 'p' AS kind FROM {P} UNION ALL SELECT patient_id, ward "
         f"FROM {E})", "either('p', hospital.encounters.ward)"),
        ("n > 1", f"(SELECT patient_id, count(*) FILTER (WHERE ward = 'a') AS n FROM {E} "
         "GROUP BY patient_id)",
         "((count_star of a unit's() where (hospital.encounters.ward = 'a')) > '1')"),
        ("n < 3", window("PARTITION BY patient_id ORDER BY los DESC, admit_date NULLS FIRST"),
         "(row_number over(within(hospital.encounters.patient_id), "
         "ordered by(descending(hospital.encounters.los), "
         "ascending nulls first(hospital.encounters.admit_date))) < '3')"),
    ],
)  # fmt: skip
def test_a_key_is_said_in_the_words_of_policies(key, rows, text):
    assert words(key, rows) == text


def test_a_conversion_and_a_parameter_are_said():
    text = words("(ward = $p)::INT", E, p=ParameterType.STRING)
    assert text == "(hospital.encounters.ward = $p)::integer"


def test_a_released_number_is_named_by_its_release():
    rows = f"(SELECT patient_id, los, (SELECT count(*) FROM insurer.members) AS n FROM {E})"
    assert words("n > los", rows).startswith("(release 1.")


def test_names_of_outputs_do_not_change_the_words():
    inner = f"(SELECT patient_id, lower(ward) AS {{0}} FROM {E})"
    assert words("upper(a)", inner.format("a")) == words("upper(b)", inner.format("b"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (window("PARTITION BY patient_id ORDER BY los"),
         window("PARTITION BY patient_id ORDER BY los DESC")),
        (window("PARTITION BY patient_id ORDER BY los"),
         window("PARTITION BY patient_id, ward ORDER BY los")),
        (f"(SELECT patient_id, count(dx) AS n FROM {E} GROUP BY 1)",
         f"(SELECT patient_id, count(dx) FILTER (WHERE los > 1) AS n FROM {E} GROUP BY 1)"),
    ],
)  # fmt: skip
def test_different_numbers_of_a_unit_have_different_words(one, other):
    assert words("n > 1", one) != words("n > 1", other)


def doubled(times: int, start: str) -> str:
    """A number that is added to itself over and over: two to the power of ``times`` terms."""
    rows = f"SELECT patient_id, {start} AS x FROM {P}"
    for _ in range(times):
        rows = f"SELECT patient_id, x + x AS x FROM ({rows})"
    return words("x > 5", f"({rows})")


def test_the_words_for_deep_subqueries_are_bounded_and_still_tell_keys_apart():
    found = doubled(30, "birth_year")
    assert len(found) < 5000
    assert found == doubled(30, "birth_year")
    assert found not in {doubled(29, "birth_year"), doubled(30, "-birth_year")}
