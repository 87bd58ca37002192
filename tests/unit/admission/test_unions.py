# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody

"""A UNION keeps whose rows it has, and every condition that influenced a value of one input."""

from __future__ import annotations

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.columns import everything
from cleanroom.admission.typed.expr import Literal, Ref
from cleanroom.admission.typed.relation import GroupBy, Union
from tests.support.gate_admission import admitted, refused
from tests.support.gate_policies import policy, schema

E, P = "hospital.encounters", "hospital.patients"


def united(sql: str) -> tuple[Union, GroupBy | None, int]:
    """The UNION below the only stage, a grouping below it, and how many branches are split."""
    [stage] = admitted(sql).stages
    nodes = everything(stage.base)
    [union] = [node for node in nodes if isinstance(node, Union)]
    groups = [node for node in nodes if isinstance(node, GroupBy)]
    return union, groups[0] if groups else None, len(stage.branches)


def test_from_which_input_a_row_came_is_a_branch():
    union, _, branches = united(
        f"SELECT count(*) FROM (SELECT patient_id FROM {E} UNION ALL SELECT patient_id FROM {P})"
    )
    # Of either input how many rows of a unit are from it, and of one of them who has any.
    assert branches == 2
    flags = [source[-2] for source in union.sources]
    assert [flag.value for flag in flags if isinstance(flag, Literal)] == [False, True]


def test_a_partner_missing_in_one_input_stays_a_branch_of_its_rows():
    union, _, branches = united(
        f"SELECT count(*) FROM (SELECT patient_id FROM {E} UNION ALL SELECT p.patient_id "
        f"FROM {P} p LEFT JOIN {E} e ON p.patient_id = e.patient_id)"
    )
    # Which input a row came from is told of both of them, because both read one dataset.
    assert branches == 3
    [first] = [
        pair[0]
        for pair in zip(*union.sources, strict=True)
        if pair[1].type == "boolean" and isinstance(pair[1], Ref)
    ]
    assert first == Literal(value=False, type="boolean")


def test_a_condition_inside_a_unit_stays_a_branch_of_the_united_value():
    union, grouped, branches = united(
        "SELECT sum(c) FROM (SELECT patient_id, sum(CASE WHEN ward = 'x' THEN los ELSE 0 END) AS c "
        f"FROM {E} GROUP BY patient_id UNION ALL SELECT patient_id, los FROM {E})"
    )
    assert grouped is not None
    carried = [item.column for item in grouped.aggregates if item.function == "bool_or"]
    # Whether the condition held for a row of the unit, and whether it failed for one.
    assert len(carried) == 2
    assert {expr.column for expr in union.sources[0] if isinstance(expr, Ref)} >= set(carried)
    # These two, the second input, and whether there is a value in rows of either input.
    assert branches == 5


def test_united_keys_are_joined_only_where_every_one_of_them_may_be():
    def keyed(dataset: str, namespace: str):
        made = policy(
            dataset,
            {"id": f"key:{namespace}"},
            unit="id",
            namespace=namespace,
            joins=("a.t", "a.u", "a.v"),
        )
        return made, schema(id="integer")

    def catalog(*links: str) -> Catalog:
        return Catalog(
            datasets={
                "a.t": keyed("a.t", "x"),
                "a.u": keyed("a.u", "x"),
                "a.v": keyed("a.v", "y"),
            },
            links=frozenset(frozenset({f"{link}.id", "a.v.id"}) for link in links),
        )

    sql = (
        "SELECT count(*) FROM (SELECT id FROM a.t UNION ALL SELECT id FROM a.u) w "
        "JOIN a.v ON v.id = w.id"
    )
    error = refused(sql, catalog("a.t"))
    assert error.code == "admission.namespace"
    assert error.grant == "a contract link between a.u.id and a.v.id"
    linked = admit(sql.encode(), catalog=catalog("a.t", "a.u"), parameters={})
    assert [unit.namespace for unit in linked.stages[0].units] == ["x", "y"]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM (SELECT count(*) AS n FROM {P} UNION ALL SELECT los FROM {E})",
        f"SELECT sum(x) FROM (SELECT n AS x FROM ref.numbers UNION ALL SELECT los FROM {E})",
        f"SELECT n FROM (SELECT count(*) AS n FROM {P}) UNION ALL SELECT n FROM ref.numbers",
    ],
)
def test_rows_of_people_are_never_united_with_others(sql):
    error = refused(sql)
    assert error.code == "admission.set-operation"
    assert "rows of people and released or public ones" in error.message


def test_a_key_is_never_in_one_column_with_other_values():
    sql = (
        f"SELECT count(*) FROM (SELECT patient_id, patient_id AS c FROM {P} "
        f"UNION ALL SELECT patient_id, birth_year FROM {P})"
    )
    error = refused(sql)
    assert error.code == "admission.set-operation"
    assert "identifiers and other values in one column" in error.message
    assert admitted(sql.replace("patient_id AS c", "birth_year AS c")).stages
