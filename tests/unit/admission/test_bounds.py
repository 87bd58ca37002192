# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Sizes, nesting and ranges are bounded, each with an error of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from tests.support.gate_admission import TYPED, admitted, only, refused
from tests.support.gate_policies import measure


def test_a_double_cannot_be_a_group():
    error = refused("SELECT rate, count(*) FROM a.t GROUP BY rate", TYPED)
    assert error.code == "admission.type"


def test_a_measure_that_is_no_number_cannot_be_summed():
    odd = only(
        "a.t",
        {"id": "key:x", "seen": measure("0", "1")},
        {"id": "integer", "seen": "date"},
        unit="id",
        namespace="x",
    )
    assert refused("SELECT sum(seen) FROM a.t", odd).code == "admission.type"


def summed(kind: str, lower: str, upper: str) -> Catalog:
    columns = {"id": "key:x", "v": measure(lower, upper)}
    return only("a.t", columns, {"id": "integer", "v": kind}, unit="id", namespace="x")


@pytest.mark.parametrize(
    ("kind", "lower", "upper"),
    [("decimal(38,20)", "0", "100000"), ("integer", "1/3", "1/2")],
)
def test_bounds_that_leave_no_exact_sum_are_refused(kind, lower, upper):
    error = refused("SELECT sum(v) FROM a.t", summed(kind, lower, upper))
    assert error.code == "admission.measure-range"


@pytest.mark.parametrize(
    ("kind", "lower", "upper"),
    [("double", "-1", "100000000000000000"), ("decimal(38,2)", "0", "1"), ("integer", "0", "7")],
)
def test_measures_of_every_number_type_are_summed(kind, lower, upper):
    catalog = summed(kind, lower, upper)
    assert admit(b"SELECT sum(v) FROM a.t", catalog=catalog, parameters={}).stages


@pytest.mark.parametrize(
    ("number", "scale"),
    [("v / 7", 14), ("v / 7.5", 14), ("v / 1000", 14), ("v / 0", 8), ("v / (v + 1)", 0), ("t", 8)],
)
def test_numbers_on_no_grid_keep_their_decimals(number, scale):
    inner = "SELECT id, v, sum(v / 7) OVER (PARTITION BY id) AS t FROM a.t"
    sql = f"SELECT sum({number}) FROM ({inner})"
    if scale:
        [stage] = admit(sql.encode(), catalog=summed("integer", "0", "60"), parameters={}).stages
        assert stage.arguments[0].grid.scale == scale
    else:
        assert refused(sql, summed("integer", "0", "60")).code == "admission.linear"


def many(count: int, item: str, separator: str) -> str:
    return separator.join(item.format(i) for i in range(count))


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT " + "x" * 70_000, "size"),
        ("SELECT " + "(" * 10_000 + ")" * 10_000, "nesting"),
        ("WITH a AS (" * 12, "nesting"),
        (
            "SELECT "
            + many(33, "count(*) FILTER (WHERE birth_year > {0}) AS a{0}", ", ")
            + " FROM hospital.patients",
            "aggregates",
        ),
        (
            "SELECT count(*) FROM hospital.patients WHERE " + many(65, "zip = '{}'", " AND "),
            "conditions",
        ),
        (
            "SELECT count(*) FROM hospital.patients WHERE zip IN (" + many(1001, "'{}'", ",") + ")",
            "list",
        ),
        (
            "SELECT count(*) FROM hospital.patients p"
            + many(32, " JOIN ref.numbers n{0} ON n{0}.n = p.birth_year", ""),
            "sources",
        ),
        (
            "SELECT count(*) FROM hospital.patients JOIN ref.numbers ON n = birth_year GROUP BY "
            + ", ".join(
                name + column
                for name in ("", "patients.", "hospital.patients.")
                for column in ("birth_year", "sex", "zip", "region", "smoker")
            )
            + ", n, numbers.n",
            "keys",
        ),
        (b"SELECT count(*) FROM hospital.patients WHERE zip = '\xff'", "encoding"),
        ("SELECT count(*) FROM\u00a0hospital.patients", "encoding"),
        ("SELECT count(*) FROM hospital.patients -- \u202e", "encoding"),
        ("SELECT count(*)\x00 FROM hospital.patients", "encoding"),
        ("SELECT " + "1+" * 5000 + "1 FROM hospital.patients", "syntax"),
    ],
)
def test_size_and_nesting_are_bounded(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


def test_limits_themselves_are_admitted():
    counts = many(32, "count(*) FILTER (WHERE birth_year > {0}) AS a{0}", ", ")
    [stage] = admitted(f"SELECT {counts} FROM hospital.patients").stages
    assert len(stage.aggregates) == len(stage.branches) == 32


def test_a_refusal_never_quotes_text_that_disturbs_a_terminal():
    error = refused('SELECT count("a\tb") FROM hospital.patients')
    assert "\t" not in error.message
    assert replace(error.place, line=2).line == 2
