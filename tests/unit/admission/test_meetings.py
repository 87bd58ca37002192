# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Conditions that inputs of a UNION add up meet in the unit, wherever they were written."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.expr import Call, walk
from cleanroom.admission.typed.tree import ArgumentKind, Stage
from cleanroom.errors import AdmissionRefusedError
from tests.support.gate_admission import admitted, refused

E, P = "hospital.encounters", "hospital.patients"
STAYS = f"SELECT patient_id, los AS x FROM {E}"
TWO = f"{STAYS} UNION ALL {STAYS} WHERE ward = 'onco'"


def stage(sql: str) -> Stage:
    [only] = admitted(sql).stages
    return only


def met(sql: str) -> list[int]:
    """Say how many conditions meet in each number that adds them up."""
    return [len(made) for made in stage(sql).meetings]


def united(count: int, selected: str, dataset: str = E) -> str:
    return " UNION ALL ".join(
        f"SELECT patient_id, {selected} AS x FROM {dataset} WHERE los > {number}"
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("sql", "conditions"),
    [
        (f"SELECT count(*) FROM ({TWO})", [2]),
        (f"SELECT sum(x) FROM ({TWO})", [2]),
        (f"SELECT sum(x), count(x), count(*) FROM ({TWO})", [2, 2]),
        (f"SELECT sum(x), avg(x), sum(2 * x) FROM ({TWO})", [2, 2]),
        (f"SELECT count(DISTINCT patient_id) FROM ({TWO})", []),
        (f"SELECT count(x) FILTER (WHERE x > 3) FROM ({TWO})", [4]),
        (f"SELECT regr_count(x, y) FROM (SELECT patient_id, x, x AS y FROM ({TWO}))", [2]),
        (f"SELECT count_if(x > 3) FROM ({TWO})", [4]),
        (f"SELECT sum(x) FROM ({STAYS} UNION ALL SELECT patient_id, birth_year FROM {P})", [2]),
        (f"SELECT sum(x) FROM (({TWO}) UNION ALL SELECT patient_id, birth_year FROM {P})", [3]),
        (f"SELECT sum(x) FROM ({TWO} UNION ALL ({TWO}))", [5]),
        (f"SELECT sum(x) FROM ({STAYS})", []),
    ],
)
def test_what_meets_in_a_number(sql, conditions):
    assert met(sql) == conditions


def test_pairs_of_inputs_that_meet_in_a_join_have_a_limit():
    def joined(left, right):
        return (
            f"SELECT count(DISTINCT a.patient_id) FROM ({united(left, 'los')}) a "
            f"JOIN ({united(right, 'cost')}) b ON a.patient_id = b.patient_id"
        )

    assert stage(joined(2, 2)).units
    assert refused(joined(9, 8)).code == "admission.meetings"


def test_a_row_of_an_input_counts_where_it_has_a_value():
    made = stage(f"SELECT sum(x), count(*) FROM ({TWO})")
    asked = [
        sum(
            isinstance(part, Call) and part.function == "present"
            for place in met
            for part in walk(made.branches[place])
        )
        for met in made.meetings
    ]
    assert sorted(asked) == [0, 2]


def test_a_condition_of_one_input_is_not_asked_of_the_others():
    case = "CASE WHEN ward = 'onco' THEN los ELSE 0 END"
    one = f"SELECT sum(x) FROM ({STAYS} UNION ALL SELECT patient_id, {case} FROM {E})"
    assert met(one) == [3]
    of_any = f"SELECT sum(CASE WHEN x > 3 THEN x END) FROM ({TWO})"
    # In either input there is a value, and in either input it is above three.
    assert met(of_any) == [4]
    without = f"SELECT sum(x + nullif(x, 3)) FROM ({TWO})"
    assert met(without) == [4]


def test_groupings_by_unit_carry_where_conditions_meet():
    unit = f"SELECT patient_id, sum(x) AS s, count(*) AS n FROM ({TWO}) GROUP BY patient_id"
    assert met(f"SELECT sum(s) FROM ({unit})") == [2]
    assert met(f"SELECT sum(n) FROM ({unit})") == [2]
    assert met(f"SELECT sum(s / 2) FROM (SELECT patient_id, s FROM ({unit}))") == [2]
    # One row for each unit is there whichever inputs its rows came from.
    assert met(f"SELECT count(*) FROM ({unit})") == []
    assert met(f"SELECT count(*) FROM (SELECT patient_id, x FROM ({TWO}) GROUP BY 1, 2)") == [2]


def test_a_key_that_rows_of_a_union_were_added_up_in_is_such_a_number():
    unit = f"SELECT patient_id, sum(x) AS s FROM ({TWO}) GROUP BY patient_id"
    again = f"SELECT patient_id, s FROM ({unit}) GROUP BY patient_id, s"
    assert met(f"SELECT sum(s) FROM ({again})") == [2]
    distinct = f"SELECT DISTINCT patient_id, s FROM ({unit})"
    assert met(f"SELECT sum(s) FROM ({distinct})") == [2]


def test_windows_carry_where_conditions_meet():
    whole = f"SELECT patient_id, sum(x) OVER (PARTITION BY patient_id) AS w FROM ({TWO})"
    # Whether there is a value, in rows of either input, and the window's own conditions.
    assert met(f"SELECT sum(w) FROM ({whole})") == [4]
    part = f"SELECT patient_id, sum(x) OVER (PARTITION BY patient_id, x) AS w FROM ({TWO})"
    assert met(f"SELECT sum(w) FROM ({part})") == [4]


def test_two_unions_that_are_joined_meet_in_pairs():
    on = "ON a.patient_id = b.patient_id"
    assert met(f"SELECT sum(a.x) FROM ({TWO}) a JOIN ({TWO}) b {on}") == [4]
    assert met(f"SELECT sum(a.x) FROM ({TWO}) a JOIN {P} b {on}") == [2]
    assert met(f"SELECT sum(a.x) FROM {P} b LEFT JOIN ({TWO}) a {on}") == [2]
    # A condition of one input of the first union holds in rows of both inputs of the second.
    case = f"{STAYS} UNION ALL SELECT patient_id, CASE WHEN los > 3 THEN 1 END FROM {E}"
    assert met(f"SELECT sum(a.x) FROM ({case}) a JOIN ({TWO}) b {on}") == [8]


CASES = "CASE " + " ".join(f"WHEN x > {90 - n} THEN {n + 1}" for n in range(5)) + " END"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum({CASES}) FROM ({united(16, 'los')})",
        "SELECT sum(a.x) FROM ({}) a JOIN ({}) b ON a.patient_id = b.patient_id".format(
            united(9, "los"), united(8, "los")
        ),
        (
            f"SELECT sum(s) FROM (SELECT patient_id, sum({CASES}) AS s"
            f" FROM ({united(16, 'los')}) GROUP BY patient_id)"
        ),
        "SELECT " + ", ".join(f"count_if(x > {number})" for number in range(17)) + f" FROM ({TWO})",
    ],
    ids=["conditions", "pairs", "unit", "numbers"],
)
def test_more_conditions_than_people_can_be_counted_by_are_refused(sql):
    assert refused(sql).code == "admission.meetings"


def test_what_several_inputs_only_count_is_a_number_by_itself():
    def components(*selected: str) -> list[str]:
        inputs = " UNION ALL ".join(f"SELECT patient_id, {item} AS x FROM {E}" for item in selected)
        arguments = stage(f"SELECT sum(x) FROM ({inputs})").arguments
        found = [item for item in arguments if item.kind is ArgumentKind.COMPONENT]
        return [str(item.grid.upper) for item in found]

    # Of each input what it measures, then what two of them count, then how many rows there are.
    measured = "60"
    assert components("los", "1", "-1") == [measured, "1", "1"]
    assert components("los", "1", "2 * los") == components("los", "2 * los", "1")
    assert len(components("los", "1", "2 * los")) == 3
    assert len(components("1", "-1")) == 1


def test_sixteen_inputs_of_one_dataset_are_not_too_many():
    assert met(f"SELECT sum(x) FROM ({united(16, 'los')})") == [16]


def test_what_was_added_up_before_has_as_few_conditions():
    parts = ", ".join(f"sum(x) FILTER (WHERE x > {number}) AS s{number}" for number in range(6))
    unit = f"SELECT patient_id, {parts} FROM ({TWO}) GROUP BY patient_id"
    total = " + ".join(f"s{number}" for number in range(6))
    with pytest.raises(AdmissionRefusedError, match=r"^(meetings|branches): "):
        admitted(f"SELECT sum({total}) FROM ({unit})")
