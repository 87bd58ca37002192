# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test
"""Windows see released rows, or rows of one person, and tell what they depended on."""

from __future__ import annotations

import copy
import json

import pytest

from cleanroom.admission.admit import lower
from cleanroom.admission.refusal import Locator, QueryRefusedError
from cleanroom.admission.syntax.parser import serialize
from tests.support.gate_admission import CATALOG, admitted, refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

E = "hospital.encounters"
WARDS = f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward)"
OF_ONE = "OVER (PARTITION BY patient_id ORDER BY admit_date)"


def measured(window: str, *, outer: str = "avg"):
    """The stage that releases a window within each patient's own rows."""
    sql = f"SELECT {outer}(x) FROM (SELECT patient_id, {window} AS x FROM {E})"
    [stage] = admitted(sql).stages
    return stage


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ("ntile(los) OVER (PARTITION BY patient_id ORDER BY los)", "constant"),
        ("ntile(0) OVER (PARTITION BY patient_id ORDER BY los)", "constant"),
        ("ntile(NULL) OVER (PARTITION BY patient_id ORDER BY los)", "constant"),
        ("lag(los, los) OVER (PARTITION BY patient_id ORDER BY los)", "constant"),
        ("lag(los, 1.5) OVER (PARTITION BY patient_id ORDER BY los)", "constant"),
        ("lag(los, 1, 0) OVER (PARTITION BY patient_id ORDER BY los)", "arguments"),
        ("median(los) OVER (PARTITION BY patient_id)", "window"),
        ("var_samp(los) OVER (PARTITION BY patient_id)", "window"),
        ("sum(los) FILTER (WHERE los > 1) OVER (PARTITION BY patient_id)", "window"),
        ("count(DISTINCT los) OVER (PARTITION BY patient_id)", "window"),
        ("count(patient_id) OVER (PARTITION BY patient_id)", "identifier"),
        ("row_number() OVER (PARTITION BY patient_id ORDER BY encounter_id)", "identifier"),
        ("row_number() OVER (PARTITION BY encounter_id)", "window"),
        ("count(INTERVAL '1 day') OVER (PARTITION BY patient_id)", "type"),
        ("sum(lag(los) OVER (PARTITION BY patient_id)) OVER (PARTITION BY patient_id)", "window"),
    ],
)
def test_a_window_over_rows_of_people_is_refused_by_its_rule(window, rule):
    sql = f"SELECT avg(x) FROM (SELECT patient_id, {window} AS x FROM {E})"
    assert refused(sql).code == f"admission.{rule}"


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ("sum(n, n) OVER ()", "arguments"),
        ("rank(n) OVER (ORDER BY n)", "arguments"),
        ("sum(ward) OVER ()", "type"),
        ("bool_or(n) OVER ()", "type"),
        ("sum(n) OVER (ORDER BY n GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)", "window"),
        ("sum(n) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES)", "unknown-syntax"),
        ("sum(n) OVER (ROWS BETWEEN n PRECEDING AND CURRENT ROW)", "constant"),
        ("lag(n IGNORE NULLS) OVER (ORDER BY n)", "unknown-syntax"),
        ("mode(n) OVER ()", "window"),
        ("sum(n) OVER (RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)", "window"),
    ],
)
def test_a_window_over_released_rows_is_refused_by_its_rule(window, rule):
    assert refused(f"SELECT ward, {window} AS x FROM {WARDS}").code == f"admission.{rule}"


def test_public_rows_are_aggregated_before_a_window_sees_them():
    sql = "SELECT chapter, row_number() OVER (ORDER BY chapter) AS x FROM ref.dx_codes"
    assert refused(sql).code == "admission.window"
    grouped = "SELECT chapter, rank() OVER (ORDER BY count(*)) AS x FROM ref.dx_codes GROUP BY 1"
    assert admitted(grouped).public


def test_a_public_column_stays_out_of_windows_over_people():
    sql = (
        "SELECT count(*) FROM (SELECT patient_id, row_number() OVER (PARTITION BY patient_id, "
        f"label) AS x FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx) WHERE x = 1"
    )
    assert refused(sql).code == "admission.look-up"


def test_windows_and_the_conditions_inside_them_are_few():
    many = ", ".join(f"sum(n + {number}) OVER () AS x{number}" for number in range(33))
    assert refused(f"SELECT {many} FROM {WARDS}").code == "admission.windows"
    arms = " ".join(f"WHEN los = {number} THEN {number}" for number in range(20))
    sql = (
        f"SELECT sum(x) FROM (SELECT patient_id, sum(CASE {arms} ELSE 0 END) OVER "
        f"(PARTITION BY patient_id) AS x FROM {E})"
    )
    assert refused(sql).code == "admission.windows"


@pytest.mark.parametrize(
    "window",
    [
        "sum(CASE WHEN dx = 'Z99' THEN 1 ELSE 0 END) OVER (PARTITION BY patient_id)",
        "count_if(dx = 'Z99') OVER (PARTITION BY patient_id)",
        "rank() OVER (PARTITION BY patient_id ORDER BY dx = 'Z99')",
        "rank() OVER (PARTITION BY patient_id ORDER BY CASE WHEN dx = 'Z99' THEN 1 ELSE 2 END)",
        "count(*) OVER (PARTITION BY patient_id, dx = 'Z99')",
    ],
)
def test_a_condition_on_a_few_people_travels_out_of_a_window(window):
    stage = measured(window)
    assert len(stage.branches) == 2
    assert not measured(f"sum(los) {OF_ONE}").branches


def test_a_condition_travels_through_an_aggregate_and_a_window_above_it():
    sql = (
        "SELECT sum(x) FROM (SELECT patient_id, sum(count_if(dx = 'Z99')) OVER "
        f"(PARTITION BY patient_id) AS x FROM {E} GROUP BY patient_id, ward)"
    )
    [stage] = admitted(sql).stages
    # Whether it held, and failed, for rows of the group; and each of the two over the groups.
    assert len(stage.branches) == 4
    bent = sql.replace("count_if(dx = 'Z99')", "max(floor(los / 2))")
    assert refused(bent).code == "admission.linear"


@pytest.mark.parametrize("where", ["ORDER BY floor(los / 2)", ", least(los, 1)"])
def test_what_places_a_row_in_a_window_is_linear_too(where):
    sql = (
        f"SELECT avg(x) FROM (SELECT patient_id, rank() OVER (PARTITION BY patient_id {where}) "
        f"AS x FROM {E})"
    )
    assert refused(sql.replace("patient_id ,", "patient_id,")).code == "admission.linear"


@pytest.mark.parametrize(
    ("window", "scale", "upper"),
    [
        (f"lag(los) {OF_ONE}", 0, 60),
        (f"avg(los) {OF_ONE}", 13, 60),
        (f"cume_dist() {OF_ONE}", 14, 1),
        (f"percent_rank() {OF_ONE}", 14, 1),
        (f"sum(los) {OF_ONE}", 0, 10**24),
        (f"count(dx) {OF_ONE}", 0, 2**63 - 1),
        (f"ntile(4) {OF_ONE}", 0, 2**63 - 1),
    ],
)
def test_a_window_has_the_bounds_and_the_digits_of_what_it_computes(window, scale, upper):
    [argument] = measured(window).arguments
    assert (argument.grid.scale, argument.grid.upper) == (scale, upper)


def test_a_windows_text_or_date_is_a_group_like_any_other():
    stage = measured(f"lead(ward, 1) {OF_ONE}", outer="count")
    assert stage.aggregates[0].type == "integer"


def test_a_comparison_with_a_window_depends_on_what_places_its_rows():
    sql = (
        "SELECT count(*) FROM (SELECT patient_id, row_number() OVER (PARTITION BY patient_id, "
        f"cost ORDER BY admit_date) AS x FROM {E}) WHERE x = 1"
    )
    assert dict(admitted(sql).columns)[E] == ("admit_date", "cost", "patient_id")


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


@pytest.mark.parametrize(
    "window",
    [
        "count(*) OVER ()",
        "bool_or(n > 5) OVER (ORDER BY n)",
        "first_value(n) OVER (ORDER BY n DESC NULLS FIRST)",
        "max(NULL) OVER ()",
        "avg(n) OVER (ORDER BY n)",
        "stddev(n) OVER ()",
        "sum(n) OVER (ORDER BY ward ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
        "sum(n) OVER (ORDER BY ward ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)",
        "sum(n) OVER (ORDER BY ward ROWS UNBOUNDED PRECEDING)",
        "sum(n) OVER (ORDER BY ward RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        "sum(n) OVER (ORDER BY ward RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)",
    ],
)
def test_the_engine_runs_every_window_over_released_rows(connection, window):
    answer = run_gates(
        connection, f"SELECT ward, {window} AS x FROM {WARDS}", catalog=corpus_catalog(k=4)
    )
    assert len(answer.rows) == 3


def test_the_engine_runs_a_window_above_a_grouping_by_person(connection):
    sql = (
        "SELECT avg(x), count(*) FROM (SELECT patient_id, ward, row_number() OVER (PARTITION BY "
        f"patient_id ORDER BY count(*) DESC) AS x FROM {E} GROUP BY patient_id, ward)"
    )
    [[mean, _]] = run_gates(connection, sql, catalog=corpus_catalog(k=4)).rows
    assert 1 < float(mean) < 3


def test_a_few_people_behind_a_window_leave_no_answer(connection):
    ranked = (
        f"SELECT avg(x) FROM (SELECT patient_id, rank() OVER (PARTITION BY patient_id "
        f"ORDER BY dx = 'Z99') AS x FROM {E})"
    )
    assert not run_gates(connection, ranked, catalog=corpus_catalog(k=4)).rows
    common = ranked.replace("dx = 'Z99'", "ward = 'onco'")
    assert run_gates(connection, common, catalog=corpus_catalog(k=4)).rows


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"start": "EXPR_PRECEDING_RANGE"}, "window"),
        ({"start": "CURRENT_ROW_RANGE"}, "window"),
        ({"start": "CURRENT_ROW_RANGE", "start_expr": None}, "window"),
        ({"end": "UNBOUNDED_FOLLOWING"}, "window"),
        ({"orders": [{"type": "NEW", "null_order": "ORDER_DEFAULT"}]}, "order-by"),
        ({"orders": [{"type": "ASCENDING", "null_order": "NEW"}]}, "order-by"),
    ],
)
def test_a_frame_or_order_that_the_engine_never_wrote_is_refused(changes, rule):
    sql = (
        "SELECT chapter, sum(count(*)) OVER (ORDER BY chapter ROWS BETWEEN 1 PRECEDING AND "
        "1 FOLLOWING) AS x FROM ref.dx_codes GROUP BY chapter"
    )
    statement = json.loads(serialize(sql))["statements"][0]
    window = statement["node"]["select_list"][1]
    order = copy.deepcopy(window["orders"][0])
    if "orders" in changes:
        changes = {"orders": [order | changes["orders"][0]]}
    window.update(changes)
    with pytest.raises(QueryRefusedError) as caught:
        lower(statement, locator=Locator(sql.encode()), catalog=CATALOG, parameters={})
    assert caught.value.code == f"admission.{rule}"
