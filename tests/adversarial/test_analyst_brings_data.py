# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-13: a party brings its own data to pick, weigh or multiply the other party's people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.admission.catalog import Catalog
from cleanroom.errors import DisclosureRefusedError
from tests.support.gate_admission import refused
from tests.support.gate_data import VIP, Health, health
from tests.support.gate_policies import corpus_catalog, policy, schema
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4)
JOIN = "hospital.patients p JOIN insurer.members m ON p.person_key = m.person_key"


def rigged(members) -> Health:
    data = health()
    return Health(rows={**data.rows, "insurer.members": tuple(members)}, people=data.people)


def run(members, sql):
    with rigged(members).connect() as connection:
        return run_gates(connection, sql, catalog=CATALOG).rows


def member(person: int, plan: str = "gold", premium: float = 500.0, score: int = 600):
    return f"hash{person:06d}", plan, "north", premium, score


SMOKERS = f"SELECT p.smoker, count(*) AS n FROM {JOIN} GROUP BY p.smoker"


def test_a_list_of_one_person_releases_nothing():
    assert run([member(VIP)], SMOKERS) == ()


def test_one_person_under_many_keys_of_the_colluders_own_is_still_one():
    # Its policy declares one row a member, which is found to be false before anything is computed.
    with pytest.raises(DisclosureRefusedError, match="^insurer.members: found more rows"):
        run([member(VIP, premium=float(n)) for n in range(50)], SMOKERS)


def test_weights_by_rows_are_bounded_by_what_was_declared():
    # A code of rows a person, within each dominance rule, spells who smokes.
    coded = [member(n) for n in range(1, 24) for _ in range(1 + n % 3)]
    with pytest.raises(DisclosureRefusedError, match="agreed at most 1$"):
        run(coded, SMOKERS)


def test_made_up_people_do_not_join_and_do_not_count():
    sybils = [member(10_000 + n) for n in range(50)]
    assert run([member(VIP), *sybils], SMOKERS) == ()


def test_a_weight_that_drowns_everybody_else_is_withheld():
    heavy = [member(n, premium=1000.0 if n == VIP else 0.5) for n in range(1, 24)]
    sql = f"SELECT sum(m.premium) AS s FROM {JOIN}"
    assert run(heavy, sql) == ()


def test_a_weight_of_one_for_all_but_the_victim_is_withheld():
    odd = [member(n, premium=7.0 if n == VIP else 5.0) for n in range(1, 24)]
    assert run(odd, f"SELECT sum(m.premium) AS s FROM {JOIN}") == ()
    assert run(odd, f"SELECT avg(m.premium) AS s FROM {JOIN}") == ()


def test_a_label_for_each_person_is_a_group_for_each_person():
    labelled = [member(n, plan=f"plan {n}") for n in range(1, 24)]
    assert run(labelled, f"SELECT m.plan, count(*) AS n FROM {JOIN} GROUP BY m.plan") == ()


def test_negative_contributions_do_not_hide_a_large_one():
    catalog = Catalog(
        datasets={
            "a.t": (
                policy(
                    "a.t",
                    {
                        "id": "key:x",
                        "v": 'role = "measure", lower = "-1000", upper = "1000", unit = "x"',
                    },
                    unit="id",
                    namespace="x",
                    k=4,
                ),
                schema(id="integer", v="double"),
            )
        },
        links=frozenset(),
    )
    with rigged([]).connect() as connection:
        connection.execute("CREATE SCHEMA a")
        connection.execute(
            "CREATE TABLE a.t AS SELECT range AS id, CASE WHEN range = 0 THEN 1000 "
            "WHEN range = 1 THEN -990 ELSE range * 0.5 END::DOUBLE AS v FROM range(20)"
        )
        assert run_gates(connection, "SELECT sum(v) AS s FROM a.t", catalog=catalog).rows == ()


def test_a_dataset_of_the_colluders_that_is_called_public_meets_no_key():
    public = (
        policy(
            "evil.list",
            {"person_key": "public", "w": "public"},
            joins=("hospital.patients",),
        ),
        schema(person_key="string", w="double"),
    )
    open_patients = policy(
        "hospital.patients",
        {"patient_id": "key:hospital_pid", "person_key": "key:pk", "smoker": "dimension"},
        unit="patient_id",
        namespace="hospital_pid",
        joins=("evil.list",),
        rows="one",
    )
    patients = (open_patients, schema(patient_id="integer", person_key="string", smoker="boolean"))
    catalog = Catalog(
        datasets={"evil.list": public, "hospital.patients": patients}, links=frozenset()
    )
    joined = "hospital.patients p JOIN evil.list e ON p.person_key = e.person_key"
    assert refused(f"SELECT count(*) FROM {joined}", catalog).code == "admission.join-condition"


@pytest.mark.parametrize("grouped", ["", "d.chapter, "])
def test_repeated_rows_of_a_public_list_are_no_weights(grouped):
    # A thousand copies of the common diagnoses and forty of the rare one would spell out,
    # digit by digit, how often the rare one occurs.
    copies = {"I10": 1000, "E11": 1000, "J45": 1000, "Z99": 40}
    lists = [(dx, f"{dx} {n}", "all") for dx, many in copies.items() for n in range(many)]
    group = "GROUP BY d.chapter" if grouped else ""
    sql = (
        f"SELECT {grouped}count(*) AS n FROM hospital.encounters e "
        f"JOIN ref.dx_codes d ON e.dx = d.dx WHERE d.label <> 'x' {group}"
    )
    answers = []
    for codes in (lists, [(dx, dx, "all") for dx in copies]):
        data = health()
        weighted = Health(rows={**data.rows, "ref.dx_codes": tuple(codes)}, people=data.people)
        with weighted.connect() as connection:
            answers.append(run_gates(connection, sql, catalog=CATALOG).rows)
    assert answers[0] == answers[1] != ()


def test_a_public_weight_is_never_summed_over_protected_rows():
    sql = "SELECT sum(r.n) FROM hospital.patients p JOIN ref.numbers r ON p.birth_year = r.n"
    assert refused(sql, CATALOG).code == "admission.look-up"


@pytest.mark.parametrize("partner", ["hospital.patients", "insurer.members"])
def test_one_owners_consent_is_not_enough_to_join(partner):
    made, types = CATALOG.datasets[partner]
    datasets = {**CATALOG.datasets, partner: (replace(made, joins=frozenset()), types)}
    error = refused(f"SELECT count(*) FROM {JOIN}", Catalog(datasets=datasets, links=frozenset()))
    assert error.code == "admission.join-partner"
