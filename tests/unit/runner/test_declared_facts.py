# SPDX-License-Identifier: Apache-2.0
"""T-13: which declared facts a query relies on, and that false ones are found."""

import pytest

from cleanroom.runner.declared_facts import declared_facts
from tests.support.gate_data import Health, health
from tests.support.gate_policies import corpus_catalog

POLICIES = {lineage: policy for lineage, (policy, _) in corpus_catalog().datasets.items()}
PATIENTS = {"hospital.patients": ("patient_id", "person_key", "region")}
ENCOUNTERS = {"hospital.encounters": ("patient_id", "ward")}
MEMBERS = {"insurer.members": ("person_key", "plan")}
CODES = {"ref.dx_codes": ("dx",)}


def facts(read):
    return [fact.sentence for fact in declared_facts(read, POLICIES)]


def said(lineage, column, most=1):
    return (
        f"{lineage}: found more rows with one {column} than its policy declares, "
        f"agreed at most {most}"
    )


def test_one_dataset_by_its_own_key_relies_on_nothing():
    assert facts(ENCOUNTERS | CODES) == []
    assert facts(MEMBERS) == []
    assert facts(CODES) == []


def test_datasets_that_meet_rely_on_their_rows_a_unit():
    assert facts(ENCOUNTERS | MEMBERS) == [
        said("hospital.encounters", "patient_id", 1000),
        said("insurer.members", "person_key"),
    ]


def test_another_key_relies_on_one_row_under_each():
    assert facts(PATIENTS) == [
        said("hospital.patients", "patient_id"),
        said("hospital.patients", "person_key"),
    ]


PATIENT = (900, "hash000900", 1970, "F", "02101", "north", False, "note")


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([], 0),
        ([PATIENT], 0),
        ([PATIENT, (901, None, *PATIENT[2:]), (902, None, *PATIENT[2:])], 0),
        ([PATIENT, (900, "hash000901", *PATIENT[2:])], 1),
        ([PATIENT, (901, "hash000900", *PATIENT[2:])], 1),
        ([PATIENT, PATIENT], 2),
    ],
)
def test_a_person_with_two_rows_or_two_identifiers_is_found(rows, broken):
    data = health()
    patients = (*data.rows["hospital.patients"], *rows)
    changed = Health(rows={**data.rows, "hospital.patients": patients}, people=data.people)
    with changed.connect() as connection:
        held = [
            connection.execute(fact.sql).fetchall() for fact in declared_facts(PATIENTS, POLICIES)
        ]
    assert held.count([(False,)]) == broken
    assert held.count([(True,)]) == 2 - broken


def test_nothing_at_all_breaks_no_declaration():
    data = health()
    empty = Health(rows={**data.rows, "hospital.patients": ()}, people=())
    with empty.connect() as connection:
        for fact in declared_facts(PATIENTS, POLICIES):
            assert connection.execute(fact.sql).fetchall() == [(True,)]
