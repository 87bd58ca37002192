# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test, run by nobody
"""Two queries are one exactly if they ask for the same result."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.identity import identity_of, query_identity
from tests.support.gate_admission import admitted

E = "hospital.encounters"
PLAIN = f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward"


@pytest.mark.parametrize(
    "same",
    [
        f"SELECT x.ward, count(*) AS n FROM {E} AS x GROUP BY x.ward",
        f"WITH q AS (SELECT ward AS w, patient_id FROM {E}) SELECT w AS ward, count(*) AS n "
        "FROM q GROUP BY w",
        f"select WARD, COUNT(*) as n\nfrom {E} /* again */ group by 1",
    ],
)
def test_a_query_under_other_names_is_the_same_query(same):
    assert query_identity(admitted(same)) == query_identity(admitted(PLAIN))


@pytest.mark.parametrize(
    "other",
    [
        f"SELECT ward, count(*) AS m FROM {E} GROUP BY ward",
        f"SELECT ward, count(patient_id) AS n FROM {E} WHERE los > 1 GROUP BY ward",
        f"SELECT dx AS ward, count(*) AS n FROM {E} GROUP BY dx",
    ],
)
def test_another_result_is_another_query(other):
    assert query_identity(admitted(other)) != query_identity(admitted(PLAIN))


def test_what_is_made_of_one_release_tells_queries_apart_but_not_releases():
    one = admitted(f"{PLAIN} HAVING count(*) > 20")
    other = admitted(f"{PLAIN} HAVING count(*) > 30")
    assert [identity_of(stage) for stage in one.stages] == [
        identity_of(stage) for stage in other.stages
    ]
    assert query_identity(one) != query_identity(other)
