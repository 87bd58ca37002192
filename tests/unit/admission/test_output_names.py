# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Every output has a plain name: its alias, its column, or what it computes."""

from __future__ import annotations

import pytest

from tests.support.gate_admission import admitted, refused

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
