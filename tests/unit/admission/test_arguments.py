# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Aggregates take what each row gives to them, and no more."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.typed.plain_words import Words
from cleanroom.admission.typed.tree import AggregateKind, ArgumentKind
from cleanroom.contract.types import ParameterType
from cleanroom.runner.shapes import shape_of
from tests.support.gate_admission import CATALOG, JOIN, admitted, only, refused
from tests.support.gate_policies import measure

E, P = "hospital.encounters", "hospital.patients"
LOS, COST, ID = f"{E}.los", f"{E}.cost", f"{E}.patient_id"


def only_aggregate(aggregate: str, table: str = E):
    """The one aggregate of a query, and what its arguments are in words."""
    [stage] = admitted(f"SELECT {aggregate} AS x FROM {table}").stages
    words = Words(stage.base)
    [made] = stage.aggregates
    return made, [(stage.arguments[n].kind, words.of(stage.arguments[n].expr))
                  for n in made.arguments]  # fmt: skip


@pytest.mark.parametrize(
    ("aggregate", "kind", "argument", "words"),
    [
        ("count(los)", "count", "presence", f"case when present({LOS}) then '1' else null end"),
        (
            "count(*) FILTER (WHERE los > 3)",
            "count",
            "presence",
            f"case when ({LOS} > '3') then '1' else null end",
        ),
        ("count_if(los > 3)", "count", "presence",
         f"case when ({LOS} > '3') then '1' else null end"),
        (
            "regr_count(los, cost)",
            "count",
            "presence",
            f"case when (present({LOS}) and present({COST})) then '1' else null end",
        ),
        (
            "count(DISTINCT patient_id) FILTER (WHERE los > 3)",
            "count_distinct",
            "distinct",
            f"case when ({LOS} > '3') then {ID} else null end",
        ),
        (
            "sum(cost) FILTER (WHERE los > 3)",
            "sum",
            "measure",
            f"case when ({LOS} > '3') then {COST} else null end",
        ),
    ],
)  # fmt: skip
def test_a_filter_is_folded_into_what_a_row_gives(aggregate, kind, argument, words):
    made, arguments = only_aggregate(aggregate)
    assert made.kind is AggregateKind(kind)
    assert arguments == [(ArgumentKind(argument), words)]


def test_counting_a_constant_is_counting_rows():
    made, arguments = only_aggregate("count(1)")
    assert (made.kind, arguments) == (AggregateKind.COUNT_ROWS, [])
    assert refused(f"SELECT count(NULL) FROM {E}").code == "admission.constant"


def test_a_pair_counts_only_where_both_numbers_are():
    made, arguments = only_aggregate("covar_pop(los, cost)")
    assert made.kind is AggregateKind.COVAR_POP
    both = f"(present({LOS}) and present({COST}))"
    assert [words for _, words in arguments] == [
        f"case when {both} then {LOS} else null end",
        f"case when {both} then {COST} else null end",
    ]


def test_a_pair_is_a_product_of_its_two_columns():
    sql = f"SELECT corr(p.birth_year, m.premium) FROM {JOIN}"
    assert refused(sql).code == "admission.product"
    assert refused(f"SELECT stddev(los * cost) FROM {E}").code == "admission.linear"


@pytest.mark.parametrize(
    "aggregate",
    ["var_pop(cost + 1000000 * los)", "stddev(CASE WHEN los > 3 THEN cost ELSE 1000000 END)",
     "corr(los + cost, cost)", "regr_intercept(los + 1000000, cost)",
     "stddev(CASE WHEN los > 3 THEN cost + 1000000 END)"],
)  # fmt: skip
def test_a_moment_of_a_sum_would_hide_who_has_most_of_a_part(aggregate):
    # Squares of a million and somebody's cost are all alike, and the deviation is the cost's.
    error = refused(f"SELECT {aggregate} AS x FROM {E}")
    assert error.code == "admission.moment"
    assert "one column" in error.hint
    sql = f"SELECT stddev(more) FROM (SELECT patient_id, cost + 1000000 AS more FROM {E})"
    assert refused(sql).code == "admission.moment"
    assert admitted("SELECT stddev(n + 5 * n) FROM ref.numbers").stages


@pytest.mark.parametrize(
    ("aggregate", "arguments"),
    [
        ("stddev(los + 1000000)", [LOS]),
        ("var_pop(3 + los - 7)", [LOS]),
        ("var_samp(2025 - los)", [f"negate({LOS})"]),
        ("stddev(los * 2 - 1)", [f"({LOS} * '2')"]),
        ("stddev(coalesce(los, 0))", [f"coalesce({LOS}, '0')"]),
    ],
)
def test_what_is_added_to_every_value_is_left_out_of_a_moment(aggregate, arguments):
    _, found = only_aggregate(aggregate)
    assert [words for _, words in found] == arguments


def test_an_added_parameter_is_left_out_and_nothing_that_could_be_absent():
    [stage] = admitted(f"SELECT stddev(los - $n) AS x FROM {E} WHERE los > $n",
                       n=ParameterType.INTEGER).stages  # fmt: skip
    assert Words(stage.base).of(stage.arguments[0].expr) == LOS
    _, [(_, absent)] = only_aggregate("stddev(los + NULL)")
    assert absent.startswith(f"({LOS} + ")


def test_a_number_has_one_grid_wherever_it_is_used():
    # Two grids of one number would differ in the last digits of a few people.
    [stage] = admitted(f"SELECT sum(cost), stddev(cost), avg(cost) FROM {E}").stages
    assert [aggregate.arguments for aggregate in stage.aggregates] == [(0,), (0,), (0,)]
    [finer] = admitted(f"SELECT sum(cost) FROM {E}").stages
    assert stage.arguments[0].grid.scale < finer.arguments[0].grid.scale
    [counted] = admitted(f"SELECT sum(cost), regr_count(cost, los) FROM {E}").stages
    assert counted.arguments[0].grid == finer.arguments[0].grid


def test_squares_of_undeclared_numbers_stay_exact():
    [stage] = admitted(f"SELECT stddev(birth_year) FROM {P}").stages
    argument = stage.arguments[-1]
    assert argument.grid.upper == -argument.grid.lower == 10**12 - 1
    assert shape_of(stage).arguments[-1].digits == 12


def test_a_declared_number_too_wide_to_square_is_only_added():
    for bound, code in (("999999999999", ""), ("1000000000000", "admission.measure-range")):
        catalog = only("a.t", {"id": "key:x", "x": measure("0", bound)},
                       {"id": "integer", "x": "integer"}, unit="id", namespace="x")  # fmt: skip
        assert admit(b"SELECT sum(x) FROM a.t", catalog=catalog, parameters={}).stages
        if code:
            error = refused("SELECT stddev(x) FROM a.t", catalog)
            assert error.code == code
            assert "sum or avg" in error.hint
        else:
            [stage] = admit(b"SELECT stddev(x) FROM a.t", catalog=catalog, parameters={}).stages
            assert shape_of(stage).arguments[0].digits == 12


def granted(names):
    """The policies of the corpus, some of them with products across owners."""
    datasets = {
        lineage: (
            replace(policy, functions=frozenset({"product_across_owners"}))
            if lineage in names
            else policy,
            schema,
        )
        for lineage, (policy, schema) in CATALOG.datasets.items()
    }
    return replace(CATALOG, datasets=datasets)


@pytest.mark.parametrize(
    "sql",
    [
        (
            "SELECT sum(m.premium * p.birth_year) FROM hospital.patients p JOIN insurer.members m "
            "ON m.person_key = p.person_key"
        ),
        (
            "SELECT corr(m.premium, e.n) FROM (SELECT patient_id, count(*) AS n FROM "
            "hospital.encounters GROUP BY patient_id) e JOIN hospital.patients p "
            "ON p.patient_id = e.patient_id JOIN insurer.members m ON m.person_key = p.person_key"
        ),
    ],
)
def test_the_grant_for_products_across_owners_is_neither_more_nor_less_than_it_takes(sql):
    names = re.findall(r"(?:hospital|insurer)\.[a-z]+", refused(sql).grant)
    assert len(names) > 1
    assert admit(sql.encode(), catalog=granted(names), parameters={}).stages
    for name in names:
        [missing] = re.findall(r"of (\S+)$", refused(sql, granted({*names} - {name})).grant)
        assert missing == name
