# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Every output has a plain name: its alias, its column, or what it computes."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.columns import everything, expressions
from cleanroom.admission.typed.expr import Call
from cleanroom.admission.typed.generate import generate_post
from tests.support.gate_admission import admitted, refused
from tests.support.gate_runs import PREFIX

E = "hospital.encounters"
WARDS = f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward)"


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ("ward, count(*)", ("ward", "count_rows")),
        ("ward, count(DISTINCT patient_id), sum(cost)",
         ("ward", "count_distinct_patient_id", "sum_cost")),
        ("ward AS w, avg(los) * 2", ("w", "column_2")),
    ],
)  # fmt: skip
def test_an_output_is_named_by_what_it_is(items, names):
    query = admitted(f"SELECT {items} FROM {E} GROUP BY ward")
    assert tuple(item.name for item in query.output) == names


@pytest.mark.parametrize(
    ("star", "names"), [("t.*", ("ward", "n")), ("T.*, m", ("ward", "n", "m"))]
)
def test_a_star_of_one_source_means_its_columns(star, names):
    query = admitted(
        f"SELECT {star} FROM {WARDS} t JOIN (SELECT ward, n AS m FROM {WARDS}) u ON t.ward = u.ward"
    )
    assert tuple(item.name for item in query.output) == names


def test_a_star_over_columns_joined_by_name_has_each_once():
    query = admitted(
        f"SELECT * FROM {WARDS} t JOIN (SELECT ward, n AS m FROM {WARDS}) USING (ward)"
    )
    assert tuple(item.name for item in query.output) == ("ward", "n", "m")


def test_a_star_of_no_source_selects_nothing():
    assert refused(f"SELECT x.* FROM {WARDS} t").code == "admission.outputs"


def test_a_star_never_gives_a_blocked_column():
    query = admitted("SELECT count(*) AS n FROM (SELECT * FROM hospital.patients)")
    assert "note" not in dict(query.columns)["hospital.patients"]
    error = refused("SELECT count(note) FROM (SELECT * FROM hospital.patients)")
    assert error.code == "admission.unknown-column"


@pytest.mark.parametrize(
    ("star", "names"),
    [
        ("* EXCLUDE (n)", ("ward",)),
        ("* EXCLUDE N", ("ward",)),
        ("t.* EXCLUDE (ward), 1 AS one", ("n", "one")),
        ("* REPLACE (n * 2 AS n)", ("ward", "n")),
        ("* EXCLUDE (ward) REPLACE (n * 2 AS N)", ("n",)),
    ],
)
def test_a_star_may_leave_out_and_replace(star, names):
    query = admitted(f"SELECT {star} FROM {WARDS} t")
    assert tuple(item.name for item in query.output) == names
    replaced = [expr for item in everything(query.post.relation) for expr in expressions(item)]
    assert any(isinstance(expr, Call) for expr in replaced) == ("REPLACE" in star)


def test_a_blocked_column_may_be_named_in_what_is_left_out():
    query = admitted(
        "SELECT sex, count(*) AS n FROM (SELECT * EXCLUDE (note) FROM hospital.patients) GROUP BY 1"
    )
    assert dict(query.columns)["hospital.patients"] == ("patient_id", "sex")


@pytest.mark.parametrize(
    ("reused", "written"),
    [
        ("sum(los) AS s, count(*) AS n, s / n AS mean, round(mean, 1) AS r",
         "sum(los) s, count(*) n, sum(los) / count(*) mean, round(sum(los) / count(*), 1) AS r"),
        # A column of a source is meant before any alias.
        ("ward AS w, count(*) AS n, w || 'x' AS v", "ward AS w, count(*) AS n, ward || 'x' AS v"),
    ],
)  # fmt: skip
def test_an_output_may_name_those_before_it(reused, written):
    texts = (f"SELECT {items} FROM {E} GROUP BY ward" for items in (reused, written))
    one, other = (admitted(sql) for sql in texts)
    assert one.stages == other.stages
    assert generate_post(one, prefix=PREFIX) == generate_post(other, prefix=PREFIX)


def test_a_column_is_meant_before_an_alias():
    error = refused(f"SELECT sum(los) AS cost, cost / 2 AS half FROM {E} GROUP BY ward")
    assert error.code == "admission.row-level"


@pytest.mark.parametrize(
    ("alias", "hint"),
    [
        ("enc.admit_month", ": enc_admit_month, for example"),
        ("SUM(amount)", ": sum_amount, for example"),
        ("x" * 70, f": {'x' * 63}, for example"),
        ("1st", ""),
        ("\u00fcnits", ""),
    ],
)
def test_a_name_of_another_tool_is_answered_with_a_plain_one(alias, hint):
    error = refused(f'SELECT count(*) AS "{alias}" FROM hospital.patients')
    assert error.code == "admission.name"
    assert error.hint == f"use letters a-z, digits and underscores, at most 63{hint}"
    if hint:
        plain = hint.removeprefix(": ").removesuffix(", for example")
        assert (
            admitted(f"SELECT count(*) AS {plain} FROM hospital.patients").output[0].name == plain
        )
