# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ISC004 - queries in a table
"""T-08: nothing that leaves depends on fewer than k people, whatever is admitted.

The oracle leaves one person out at a time and knows nothing of the rules. The same
queries without the gate show that it would have found something.
"""

from __future__ import annotations

import pytest

from tests.support.gate_data import VIP, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Memo, run_gates
from tests.support.influence_oracle import Finding, Oracle

K = 4
CATALOG = corpus_catalog(k=K)
# No grid that would hide what most people change; but the last bits of a float hang on the order
# of the sums, and so on anybody.
FINE = {"round_counts": 1, "significant_digits": 13}
ENCOUNTERS = "FROM hospital.encounters"
PATIENTS = "FROM hospital.patients"
JOINED = (
    "FROM hospital.patients p JOIN hospital.encounters e ON p.patient_id = e.patient_id "
    "JOIN insurer.members m ON m.person_key = p.person_key"
)
QUERIES = [
    (f"SELECT count(*) AS n {PATIENTS}", 0),
    (f"SELECT region, count(*) AS n {PATIENTS} GROUP BY region", 1),
    (f"SELECT region, sex, zip, count(*) AS n {PATIENTS} GROUP BY region, sex, zip", 3),
    (f"SELECT smoker, count(note2) AS n {PATIENTS} GROUP BY smoker".replace("note2", "zip"), 1),
    (f"SELECT count(*) AS n {PATIENTS} WHERE zip <> '99950'", 0),
    (f"SELECT count(*) AS n {PATIENTS} WHERE zip = '99950'", 0),
    (f"SELECT ward, count(*) AS n, count(cost) AS c {ENCOUNTERS} GROUP BY ward", 1),
    (f"SELECT ward, sum(cost) AS s, avg(cost) AS m {ENCOUNTERS} GROUP BY ward", 1),
    (f"SELECT ward, dx, avg(los) AS m {ENCOUNTERS} GROUP BY ward, dx", 2),
    (
        "SELECT dx, count(DISTINCT patient_id) AS u, count(DISTINCT encounter_id) AS e "
        f"{ENCOUNTERS} GROUP BY dx",
        1,
    ),
    (f"SELECT admit_date, count(*) AS n {ENCOUNTERS} GROUP BY admit_date", 1),
    (f"SELECT m.plan, sum(m.premium) AS s, count(*) AS n {JOINED} GROUP BY m.plan", 1),
    (
        "SELECT e.ward, m.plan, avg(m.credit_score) AS s, count(DISTINCT m.person_key) AS u "
        f"{JOINED} GROUP BY e.ward, m.plan",
        2,
    ),
    (
        "SELECT d.chapter, sum(e.los) AS s FROM hospital.encounters e "
        "JOIN ref.dx_codes d ON e.dx = d.dx GROUP BY d.chapter",
        1,
    ),
    (
        "SELECT c.status, avg(c.amount) AS m, sum(c.paid) AS s FROM insurer.members m "
        "JOIN insurer.claims c ON c.person_key = m.person_key GROUP BY c.status",
        1,
    ),
    ("SELECT status, cpt, count(*) AS n FROM insurer.claims GROUP BY status, cpt", 2),
    (f"SELECT ward, avg(los) AS m, stddev(los) AS d, var_pop(cost) AS v {ENCOUNTERS} GROUP BY ward",
     1),
    (
        f"SELECT zip, region, GROUPING(zip, region) AS g, count(*) AS n {PATIENTS} "
        "GROUP BY GROUPING SETS ((zip), (region), ())",
        3,
    ),
]  # fmt: skip
# What joins tables, and of many numbers a row, and so of many statistics a person left out.
LONG = ("insurer.members m", "ref.dx_codes", "var_pop(cost)", "GROUPING SETS")
SLOW = [
    (f"SELECT ward, corr(los, cost) AS r, regr_slope(los, cost) AS b {ENCOUNTERS} GROUP BY ward",
     1),
    (
        f"SELECT ward, dx, GROUPING(ward, dx) AS g, count(*) AS n, avg(los) AS m {ENCOUNTERS} "
        "GROUP BY CUBE (ward, dx)",
        3,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def oracle():
    data = health(people=18)
    made = Oracle(
        whole=data.connect(),
        neighbours={person: data.without(person).connect() for person in data.people},
    )
    yield made
    for connection in (made.whole, *made.neighbours.values()):
        connection.close()


def gated(sql):
    """Answer with what the gate releases, ungridded."""

    memo = Memo()

    def answer(connection):
        return run_gates(connection, sql, catalog=CATALOG, change=FINE, memo=memo).rows

    return answer


def is_long(sql):
    """One join stays among the quick tests."""
    return any(part in sql for part in LONG) and "m.plan, sum(m.premium)" not in sql


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        pytest.param(*query, marks=[pytest.mark.slow] * (query in SLOW or is_long(query[0])))
        for query in (*QUERIES, *SLOW)
    ],
)
def test_no_released_cell_hangs_on_a_few_people(oracle, sql, keys):
    assert oracle.findings(gated(sql), keys=keys, k=K) == []


def test_most_queries_release_something(oracle):
    answered = [bool(gated(sql)(oracle.whole)) for sql, _ in QUERIES]
    assert sum(answered) >= 13


def ungated(sql):
    """Answer as an engine without a gate would."""

    def answer(connection):
        return connection.execute(sql).fetchall()

    return answer


def test_the_oracle_has_teeth(oracle):
    found = {sql for sql, keys in QUERIES if oracle.findings(ungated(sql), keys=keys, k=K)}
    assert len(found) >= 6
    single = f"SELECT sum(los) AS s {ENCOUNTERS} WHERE patient_id = {VIP}"
    assert oracle.findings(ungated(single), keys=0, k=K) == [Finding(key=(), column=0, people=1)]


def test_what_was_withheld_is_said_alike_for_neighbours(oracle):
    sql = f"SELECT region, count(*) AS n {PATIENTS} WHERE zip = '99950' GROUP BY region"
    with_vip = run_gates(oracle.whole, sql, catalog=CATALOG)
    without = run_gates(oracle.neighbours[VIP], sql, catalog=CATALOG)
    assert with_vip == without


def test_tightening_k_never_releases_more(oracle):
    for sql, _ in QUERIES[:10]:
        rows = [
            set(run_gates(oracle.whole, sql, catalog=corpus_catalog(k=k)).rows) for k in (3, 5, 8)
        ]
        # Secondary suppression may move to another row; never to more of them.
        assert len(rows[0]) >= len(rows[1]) >= len(rows[2])
