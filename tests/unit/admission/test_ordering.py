# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test
"""DISTINCT, ORDER BY and LIMIT act on released rows."""

from __future__ import annotations

import pytest

from tests.support.gate_admission import admitted, refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

E = "hospital.encounters"
WARDS = f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward)"


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


def answer(connection, sql):
    return run_gates(connection, sql, catalog=corpus_catalog(k=4)).rows


def test_order_by_all_orders_by_every_output(connection):
    sql = f"SELECT n > 0 AS some, ward FROM {WARDS} ORDER BY ALL DESC"
    wards = [row[1] for row in answer(connection, sql)]
    assert wards == sorted(wards, reverse=True)
    assert len(wards) == 3


@pytest.mark.parametrize("order", ["w DESC", "1 DESC", "upper(ward) DESC"])
def test_distinct_rows_are_ordered_by_what_is_selected(connection, order):
    sql = f"SELECT DISTINCT upper(ward) AS w FROM {WARDS} ORDER BY {order} LIMIT 2 OFFSET 1"
    assert [row[0] for row in answer(connection, sql)] == ["ONCO", "CARDIO"]


def test_one_row_is_a_value():
    sql = f"SELECT count(*) FROM {E} WHERE los > (SELECT n FROM {WARDS} t ORDER BY n LIMIT 1)"
    assert len(admitted(sql).stages) == 2
    assert refused(sql.replace("LIMIT 1", "LIMIT 2")).code == "admission.subquery"


@pytest.mark.parametrize(
    ("modifiers", "rule"),
    [
        ("ORDER BY " + ", ".join(f"n + {number}" for number in range(33)), "order-by"),
        ("ORDER BY 0", "positional"),
        ("LIMIT 1000000001", "order-limit"),
        ("OFFSET -1", "order-limit"),
    ],
)
def test_modifiers_out_of_bounds_are_refused(modifiers, rule):
    assert refused(f"SELECT ward, n FROM {WARDS} {modifiers}").code == f"admission.{rule}"


@pytest.mark.parametrize("modifiers", ["LIMIT 3", "OFFSET 3"])
def test_rows_of_people_are_not_cut(modifiers):
    sql = f"SELECT avg(los) FROM (SELECT patient_id, los FROM {E} ORDER BY los {modifiers})"
    assert refused(sql).code == "admission.order-limit"
    assert admitted(sql.replace(modifiers, "")).stages
