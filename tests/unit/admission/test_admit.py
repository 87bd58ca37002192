# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What is admitted becomes a closed tree of catalog names."""

from __future__ import annotations

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.tree import AggregateKind, ArgumentKind
from tests.support.gate_admission import JOIN, admitted
from tests.support.gate_policies import policy, schema


def test_a_query_is_a_closed_tree_of_catalog_names():
    query = admitted(
        "SELECT e.ward AS place, count(*) AS n, sum(e.cost) AS spent, count(DISTINCT e.patient_id) "
        "FROM hospital.encounters e WHERE e.dx IN ('I10', 'E11') GROUP BY e.ward"
    )
    [stage] = query.stages
    assert query.post.identity
    assert [key.name for key in stage.keys] == ["place"]
    assert [item.kind for item in stage.aggregates] == [
        AggregateKind.COUNT_ROWS,
        AggregateKind.SUM,
        AggregateKind.COUNT_DISTINCT,
    ]
    assert stage.order == ("place", "n", "spent", "count_distinct_patient_id")
    assert [item.name for item in query.output] == list(stage.order)
    assert [item.type for item in stage.aggregates] == ["integer", "double", "integer"]
    assert dict(query.columns) == {"hospital.encounters": ("cost", "dx", "patient_id", "ward")}
    assert not query.public
    assert query.parameters == ()


def test_a_counted_unit_needs_no_argument_of_its_own():
    query = admitted("SELECT count(DISTINCT patient_id), count(DISTINCT encounter_id) AS e "
                     "FROM hospital.encounters")  # fmt: skip
    [stage] = query.stages
    assert [(item.arguments, item.unit) for item in stage.aggregates] == [((), 0), ((0,), -1)]
    assert [item.kind for item in stage.arguments] == [ArgumentKind.DISTINCT]


def test_aggregates_of_one_measure_share_one_argument():
    query = admitted("SELECT sum(cost), avg(cost), mean(los) FROM hospital.encounters")
    [stage] = query.stages
    assert [item.arguments for item in stage.aggregates] == [(0,), (0,), (1,)]
    assert len(stage.arguments) == 2


def test_names_fold_to_lower_case_as_in_the_engine():
    query = admitted('SELECT "WARD", COUNT(*) AS N FROM Hospital."ENCOUNTERS" GROUP BY Ward')
    assert query.stages[0].order == ("ward", "n")


def test_a_dataset_may_be_named_in_full_in_front_of_a_column():
    query = admitted("SELECT count(hospital.encounters.ward) FROM hospital.encounters")
    assert query.stages[0].order == ("count_ward",)


def test_the_unit_of_every_protected_side_is_counted():
    query = admitted(f"SELECT count(*) FROM {JOIN}")
    assert [unit.namespace for unit in query.stages[0].units] == ["hospital_pid", "pk"]


def test_units_that_the_join_makes_equal_are_counted_once():
    query = admitted(
        "SELECT count(*) FROM hospital.patients p "
        "JOIN hospital.encounters e ON p.patient_id = e.patient_id "
        "JOIN insurer.members m ON m.person_key = p.person_key "
        "JOIN insurer.claims c ON c.person_key = m.person_key"
    )
    assert [unit.datasets for unit in query.stages[0].units] == [
        ("hospital.encounters", "hospital.patients"),
        ("insurer.claims", "insurer.members"),
    ]


def test_a_public_dataset_adds_no_unit():
    query = admitted(
        "SELECT d.chapter, count(*) FROM hospital.encounters e "
        "JOIN ref.dx_codes d ON d.dx = e.dx WHERE d.label = 'x' GROUP BY d.chapter"
    )
    assert [unit.namespace for unit in query.stages[0].units] == ["hospital_pid"]


def test_a_query_over_public_data_alone_is_public():
    query = admitted("SELECT chapter, count(*) FROM ref.dx_codes GROUP BY chapter")
    assert query.public
    assert query.stages[0].units == ()


def test_two_public_datasets_may_meet():
    partner = policy("ref.other", {"code": "public"}, joins=("ref.dx_codes",))
    first = policy("ref.dx_codes", {"dx": "public"}, joins=("ref.other",))
    catalog = Catalog(
        datasets={
            "ref.other": (partner, schema(code="string")),
            "ref.dx_codes": (first, schema(dx="string")),
        },
        links=frozenset(),
    )
    sql = b"SELECT count(*) FROM ref.dx_codes d JOIN ref.other o ON d.dx = o.code"
    assert admit(sql, catalog=catalog, parameters={}).public
