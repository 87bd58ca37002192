# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test
"""A mock run is a run without anybody in it: both gates, the same rules, invented rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.contract.mock_rows import MockDataset, mock_rows
from cleanroom.contract.query import Parameter
from cleanroom.contract.resources import Resources
from cleanroom.contract.rules import strictest
from cleanroom.contract.types import ParameterType
from cleanroom.errors import DisclosureRefusedError
from cleanroom.runner.mock_run import run_on_mock
from cleanroom.runner.proposed import Proposal
from tests.support.room_documents import build_room

AGREEMENT = build_room().approved().agreement
E, P = "hospital.encounters", "hospital.patients"
WARDS = f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward"


def proposal(sql: str, *, rows: int = 1000, **parameters: Parameter) -> Proposal:
    return Proposal(
        name="mocked",
        code=sql.encode(),
        parameters=parameters,
        receivers=frozenset(),
        resources=Resources(memory_mib=512, seconds=60, rows=rows),
    )


def mocked(sql: str, *, seed: int = 1, units: int = 120, **options):
    return run_on_mock(AGREEMENT, proposal(sql, **options), seed=seed, units=units)


def invented(lineage: str, units: int = 120):
    dataset = AGREEMENT.datasets[lineage]
    mock = MockDataset(lineage=lineage, policy=AGREEMENT.policies[lineage], columns=dataset.columns)
    names = [name for name, _ in dataset.columns]
    return [dict(zip(names, row, strict=True)) for row in mock_rows(mock, seed=1, units=units)]


def test_the_result_is_what_the_gate_lets_through_of_the_invented_rows():
    result = mocked(WARDS)
    rules = strictest([AGREEMENT.policies[E]])
    rows = [row for row in invented(E) if row["patient_id"] is not None]
    people = {ward: {row["patient_id"] for row in rows if row["ward"] == ward}
              for ward in {row["ward"] for row in rows}}  # fmt: skip
    assert result.rows
    for ward, count in result.rows:
        assert len(people[ward]) >= rules.threshold
        assert abs(count - sum(row["ward"] == ward for row in rows)) <= rules.round_counts / 2
    shown = {ward for ward, _ in result.rows}
    assert any(len(found) < rules.threshold for ward, found in people.items() if ward not in shown)
    assert set(result.withheld) >= {"threshold", "dominance", "difference"}


def test_the_same_seed_invents_the_same_answer_and_another_one_another():
    assert mocked(WARDS) == mocked(WARDS)
    assert mocked(WARDS) != mocked(WARDS, seed=2)


def test_stages_see_each_other_and_the_post_statement_sees_released_rows():
    sql = (
        f"WITH w AS ({WARDS}) SELECT ward, n - (SELECT count(*) FROM {E} WHERE ward = $ward) AS d "
        "FROM w WHERE n > (SELECT avg(n) FROM w) AND ward = $ward"
    )
    ward = Parameter(name="ward", type=ParameterType.STRING, values=("ward-a",))
    # The count of one ward is asked twice; the second answer is the first one.
    assert mocked(sql, ward=ward).rows == (("ward-a", 0),)


def test_a_parameter_is_bound_by_its_type():
    since = Parameter(name="since", type=ParameterType.DATE, values=("2025-01-01",))
    sql = f"SELECT count(*) AS n FROM {E} WHERE admitted >= $since"
    (((everybody,),), ((later,),)) = (
        mocked(sql, since=since).rows,
        mocked(sql, since=replace(since, values=("2025-10-01",))).rows,
    )
    assert 0 < later < everybody


def test_what_admission_refuses_is_refused_before_a_row_is_invented():
    with pytest.raises(QueryRefusedError) as refused:
        mocked(f"SELECT patient_id FROM {E}", units=10**9)
    assert refused.value.code == "admission.row-level"


def test_more_rows_than_the_query_may_have_are_refused_as_in_a_run():
    with pytest.raises(DisclosureRefusedError) as refused:
        mocked(WARDS, rows=1)
    assert refused.value.code == "disclosure.rows"


def test_nobody_is_answered_nothing():
    assert mocked(WARDS, units=0).rows == ()
