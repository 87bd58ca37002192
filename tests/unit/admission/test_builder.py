# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What one query may accumulate is bounded, each limit with its own rule."""

from __future__ import annotations

from cleanroom.admission.context import builder
from tests.support.gate_admission import admitted, refused

P = "hospital.patients"


def releases(count: int) -> str:
    one = f"SELECT count(*) AS n FROM {P} WHERE birth_year > "
    return " UNION ALL ".join(f"{one}{1900 + number}" for number in range(count))


def test_a_query_releases_so_often_and_no_more():
    assert len(admitted(releases(builder.MAX_STAGES)).stages) == builder.MAX_STAGES
    assert refused(releases(builder.MAX_STAGES + 1)).code == "admission.releases"


def test_the_same_release_twice_is_one():
    sql = f"SELECT count(*) AS n FROM {P}"
    assert len(admitted(f"{sql} UNION ALL {sql}").stages) == 1


def blocks(count: int) -> str:
    return f"SELECT count(*) FROM {P} WHERE " + " AND ".join(
        ["birth_year > (SELECT 1)"] * (count - 1)
    )


def test_a_query_has_so_many_selects_and_no_more():
    assert refused(blocks(builder.MAX_BLOCKS + 1)).code == "admission.blocks"


def test_a_query_computes_so_many_columns_and_no_more(monkeypatch):
    sql = f"SELECT count(*) FROM {P}"
    monkeypatch.setattr(builder, "MAX_COLUMN_NUMBERS", 100)
    assert admitted(sql).stages
    monkeypatch.setattr(builder, "MAX_COLUMN_NUMBERS", 7)
    error = refused(sql)
    assert error.code == "admission.size"
    assert "7 columns" in error.message
