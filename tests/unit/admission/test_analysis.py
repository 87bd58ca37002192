# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from fractions import Fraction

import pytest

from cleanroom.admission.analysis import admit_analysis
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.contract.analysis import (
    PER_UNIT,
    REVIEWED,
    AnalysisFunction,
    FrameAggregate,
    MeasureColumn,
    PythonAnalysis,
)
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.digest import Digest
from tests.support.gate_policies import measure, policy, schema

KINDS = {"kinds": '["sql", "python_per_unit"]'}
STAYS, MEMBERS, WARDS, VISITS = "clinic.stays", "insurer.members", "ref.wards", "clinic.visits"
LINK = frozenset({f"{STAYS}.email", f"{MEMBERS}.email"})


def datasets(*, kinds=KINDS, joins=(STAYS, MEMBERS, WARDS, VISITS), **extra):
    person = {"unit": "email", "namespace": "person", "joins": joins, "extra": {**kinds, **extra}}
    return {
        STAYS: (
            policy(
                STAYS,
                {
                    "email": "key:person",
                    "stay_id": "row_id",
                    "ward": "dimension",
                    "zip": "quasi",
                    "note": "blocked",
                    "unit": "dimension",
                    "days": measure("0", "60"),
                },
                **person,
            ),
            schema(
                email="string",
                stay_id="integer",
                ward="string",
                zip="string",
                note="string",
                unit="string",
                days="integer",
            ),
        ),
        VISITS: (
            policy(VISITS, {"email": "key:person", "ward": "dimension"}, **person),
            schema(email="string", ward="string"),
        ),
        MEMBERS: (
            policy(MEMBERS, {"email": "key:person", "plan": "dimension"}, **person),
            schema(email="string", plan="string"),
        ),
        WARDS: (
            policy(WARDS, {"ward": "public"}, joins=joins, extra=kinds),
            schema(ward="string"),
        ),
    }


CATALOG = Catalog(datasets=datasets(), links=frozenset({LINK}))
ANALYSIS = PythonAnalysis(
    entry_point="cohort",
    environment=Digest.of(b"lock"),
    unit=STAYS,
    groups=(),
    measures=(
        MeasureColumn(name="d", type=ColumnType("integer"), lower=Fraction(0), upper=Fraction(9)),
    ),
    aggregates=(FrameAggregate(name="n", function=AnalysisFunction.COUNT, column=""),),
    statistics=(),
)
USED = {WARDS: ("ward",), MEMBERS: ("email", "plan"), STAYS: ("ward", "days"), VISITS: ("ward",)}


def admitted(*, used=USED, catalog=CATALOG, kind=PER_UNIT, unit=STAYS):
    analysis = replace(ANALYSIS, unit=unit)
    return admit_analysis(analysis, kind=kind, datasets=used, catalog=catalog)


def refusal(**changes):
    with pytest.raises(QueryRefusedError) as refused:
        admitted(**changes)
    assert refused.value.hint
    return refused.value


def test_an_analysis_is_admitted_with_the_speaking_table_first():
    proof = admitted()
    assert [item.lineage for item in proof.inputs] == [STAYS, VISITS, MEMBERS, WARDS]
    assert [item.unit for item in proof.protected] == ["email"] * 3
    assert [given.column.name for given in proof.inputs[0].columns] == ["days", "ward"]


def test_code_never_sees_an_identifier_and_the_runner_reads_it():
    proof = admitted()
    assert all(given.column.name != "email" for item in proof.inputs for given in item.columns)
    assert dict(proof.columns) == {
        STAYS: ("days", "email", "ward"),
        VISITS: ("email", "ward"),
        MEMBERS: ("email", "plan"),
        WARDS: ("ward",),
    }


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("stay_id", "admission.python-column"),
        ("note", "admission.python-column"),
        ("unit", "admission.name"),
        ("nothing", "admission.unknown-column"),
    ],
)
def test_a_column_that_code_must_not_see_is_refused_by_name(column, rule):
    found = refusal(used={STAYS: ("ward", column)})
    assert (found.code, found.column) == (rule, f"{STAYS}.{column}")


def test_a_foreign_key_is_an_identifier_too():
    catalog = Catalog(
        datasets={
            STAYS: (
                policy(
                    STAYS,
                    {"email": "key:person", "phone": "key:phone"},
                    unit="email",
                    namespace="person",
                    extra=KINDS,
                ),
                schema(email="string", phone="string"),
            )
        },
        links=frozenset(),
    )
    assert refusal(used={STAYS: ("phone",)}, catalog=catalog).code == "admission.python-column"


def test_every_owner_grants_the_very_kind():
    found = refusal(kind=REVIEWED)
    assert found.code == "admission.kind"
    assert REVIEWED in found.grant


def test_a_dataset_outside_the_contract_is_refused():
    assert refusal(used={**USED, "other.table": ("a",)}).code == "admission.dataset"


def test_noise_that_was_demanded_is_not_replaced():
    noise = (
        'kind = "dp"\nepsilon_per_release = "1"\nepsilon_total = "2"\ndelta = "1/1000000"\n'
        "max_rows_per_unit = 3\nmax_groups_per_unit = 2"
    )
    catalog = Catalog(datasets=datasets(noise=noise), links=frozenset({LINK}))
    assert refusal(catalog=catalog).code == "admission.noise"


def test_owners_must_let_their_data_meet():
    catalog = Catalog(datasets=datasets(joins=(STAYS, MEMBERS, VISITS)), links=frozenset({LINK}))
    assert refusal(catalog=catalog).code == "admission.join-partner"


def test_two_owners_that_name_one_namespace_mean_the_same_people_as_in_sql():
    catalog = Catalog(datasets=datasets(), links=frozenset())
    proof = admit_analysis(ANALYSIS, kind=PER_UNIT, datasets=USED, catalog=catalog)
    assert {item.lineage for item in proof.protected} == {STAYS, VISITS, MEMBERS}


def members_in(namespace, *, links):
    tables = datasets()
    tables[MEMBERS] = (
        policy(
            MEMBERS,
            {"email": f"key:{namespace}", "plan": "dimension"},
            unit="email",
            namespace=namespace,
            joins=(STAYS, VISITS, WARDS),
            extra=KINDS,
        ),
        tables[MEMBERS][1],
    )
    return Catalog(datasets=tables, links=frozenset(links))


def test_units_of_two_namespaces_must_be_linked_by_the_contract():
    """T-13: nobody's people are taken for another owner's unless both owners said so."""
    found = refusal(catalog=members_in("member", links=()))
    assert (found.code, found.column) == ("admission.python-link", f"{MEMBERS}.email")
    assert " at line " not in found.message
    linked = members_in("member", links=(LINK,))
    assert admit_analysis(ANALYSIS, kind=PER_UNIT, datasets=USED, catalog=linked)


@pytest.mark.parametrize("unit", [WARDS, "clinic.elsewhere"])
def test_the_frame_speaks_for_protected_units(unit):
    assert refusal(unit=unit).code == "admission.python-unit"


def test_another_namespace_of_one_owner_needs_a_link():
    tables = datasets()
    tables[VISITS] = (
        policy(
            VISITS,
            {"email": "key:household", "ward": "dimension"},
            unit="email",
            namespace="household",
            joins=(STAYS, MEMBERS, WARDS),
            extra=KINDS,
        ),
        tables[VISITS][1],
    )
    catalog = Catalog(datasets=tables, links=frozenset({LINK}))
    assert refusal(catalog=catalog).column == f"{VISITS}.email"
