# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Whatever is asked for often has a limit and an error of its own, and the gate works little.

Work is counted in calls and not in seconds: a test must not depend on how busy a machine is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from tests.support.gate_admission import admitted, refused

E, P = "hospital.encounters", "hospital.patients"
MOST_CALLS = 400_000  # the largest honest query of the corpora takes a tenth


def calls_of(work: Callable[[], object]) -> int:
    """Count the Python functions that some work calls."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def many(count: int, item: str, separator: str = ", ") -> str:
    return separator.join(item.format(n, n - 1) for n in range(1, count + 1))


def nested(levels: int, column: str, inner: str, rest: str = "") -> str:
    return f"(SELECT patient_id, {column} FROM " * levels + f"({inner})" + f"{rest})" * levels


def twice(body: str) -> str:
    """Thirty WITH queries of which each uses the one before it twice."""
    return many(30, f"c{{0}} AS ({body})")


X = f"SELECT patient_id, los AS x FROM {E}"
GROWING = "CASE WHEN x > 3 THEN x ELSE x + x END"
PATIENTS = f"c0 AS (SELECT patient_id FROM {P})"
FACTORS = many(30, "(CASE WHEN los > {0} THEN 1 ELSE 2 END)", " * ")
CAPPED = [
    ("SELECT " + many(120, "sum(los + {0}) AS a{0}") + f" FROM {E}", "aggregates"),
    (f"SELECT count(*) FROM {P} WHERE zip = '" + "x" * 1_000_000 + "'", "size"),
    ("SELECT sum(los) AS a0, " + many(60, "a{1} + a{1} AS a{0}") + f" FROM {E}", "alias"),
    ("SELECT " + "(" * 10_000 + "1" + ")" * 10_000, "nesting"),
    ("SELECT " + many(9, f"(SELECT count(*) FROM {P} WHERE birth_year > {{0}})", " + "),
     "releases"),
    ("SELECT count(*) FROM " + "(SELECT patient_id FROM " * 40 + P + ")" * 40, "sources"),
    ("SELECT (" + many(65, "(SELECT 1)", " + ") + f") + count(*) FROM {P}", "blocks"),
    (many(17, f"SELECT count(*) AS n FROM {P}", " UNION ALL "), "set-operation"),
    ("SELECT " + many(33, "max(los) OVER (PARTITION BY patient_id ORDER BY los) AS w{0}")
     + f" FROM {E}", "windows"),
    (f"SELECT count(*) FROM {P} GROUP BY CUBE (sex, region, zip, birth_year, smoker)",
     "grouping-sets"),
    ("SELECT " + many(30, "count_if(los > {0} AND cost > {0}) AS a{0}") + ", "
     + "sum(CASE " + many(40, "WHEN los = {0} THEN {0}", " ") + f" END) AS b FROM {E}", "branches"),
    ("SELECT sum(CASE " + many(65, "WHEN los = {0} THEN 1", " ") + f" END) FROM {E}", "branches"),
    ("SELECT sum(CASE " + many(63, "WHEN los = {0} THEN {0}", " ") + f" END) FROM {E}", "meetings"),
    ("SELECT sum(a), sum(b) FROM (SELECT patient_id, "
     + many(40, "sum(CASE WHEN ward = 'x' THEN los * {0} ELSE cost END)", " + ") + " AS a, "
     + many(40, "sum(CASE WHEN ward = 'x' THEN los * 1{0}.5 ELSE cost END)", " + ") + " AS b "
     f"FROM {E} GROUP BY patient_id)", "branches"),
    ("SELECT least(" + many(65, "los") + f") AS g, count(*) FROM {E} GROUP BY g", "arguments"),
    ("SELECT " + many(257, "n + {0} AS a{0}") + f" FROM (SELECT count(*) AS n FROM {E})",
     "outputs"),
    (f"SELECT count(*) AS n FROM {E} ORDER BY " + many(33, "n"), "order-by"),
    # What is written once and used twice, thirty times over.
    (f"WITH {PATIENTS}, " + twice("SELECT a.patient_id FROM c{1} a JOIN c{1} b "
     "ON a.patient_id = b.patient_id") + " SELECT count(*) FROM c30", "sources"),
    (f"WITH {PATIENTS}, " + twice("SELECT patient_id FROM c{1} UNION ALL "
     "SELECT patient_id FROM c{1}") + " SELECT count(*) FROM c30", "sources"),
    (f"WITH {PATIENTS}, " + twice("SELECT patient_id FROM c{1} WHERE patient_id IN "
     "(SELECT patient_id FROM c{1})") + " SELECT count(*) FROM c30", "sources"),
    (f"WITH c0 AS (SELECT count(*) AS n FROM {P}), "
     + twice("SELECT (SELECT n FROM c{1}) + (SELECT n FROM c{1}) AS n") + " SELECT n FROM c30",
     "sources"),
    # Conditions and parts of numbers that double with every level of subqueries.
    ("SELECT sum(x) FROM " + nested(20, f"{GROWING} AS x", X), "branches"),
    ("SELECT sum(x) FROM " + nested(20, f"sum({GROWING}) AS x", X, " GROUP BY patient_id"),
     "branches"),
    ("SELECT sum(x) FROM " + nested(20, f"sum({GROWING}) OVER (PARTITION BY patient_id) AS x", X),
     "windows"),
    # Products of conditions have as many branches as there are sets of them.
    (f"SELECT sum({FACTORS}) FROM {E}", "branches"),
    (f"SELECT sum(x) FROM (SELECT patient_id, {FACTORS} AS x FROM {E})", "branches"),
    ("SELECT sum(" + "CASE WHEN los > 3 THEN " * 60 + "los" + " ELSE cost END" * 60 + f") FROM {E}",
     "measures"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "rule"), CAPPED, ids=[f"{n}-{rule}" for n, (_, rule) in enumerate(CAPPED)]
)
def test_more_than_a_limit_is_refused_by_its_own_rule_and_soon(sql, rule):
    errors = []
    assert calls_of(lambda: errors.append(refused(sql))) < MOST_CALLS
    assert errors[0].code == f"admission.{rule}"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum(los{'*1' * 50}) FROM {E}",
        f"SELECT n{'*n' * 50} AS x FROM (SELECT count(*) AS n FROM {E})",
        "SELECT sum(x) FROM " + nested(30, "x + x AS x", X),
        f"WITH {PATIENTS}, " + twice("SELECT a.patient_id FROM c{1} a JOIN c{1} b "
        "ON a.patient_id = b.patient_id") + " SELECT count(*) FROM c0",
        "SELECT count(" + "least(" * 60 + "los" + ", 3)" * 60 + f") FROM {E}",
        "SELECT sum(" + "nullif(" * 60 + "los" + ", 3)" * 60 + f") FROM {E}",
        "SELECT CASE " + many(64, "WHEN n = {0} THEN {0}", " ") + " ELSE 0 END AS x FROM "
        f"(SELECT count(*) AS n FROM {E})",
    ],
)  # fmt: skip
def test_what_is_long_and_within_limits_takes_no_more_work_than_its_length(sql):
    assert calls_of(lambda: admitted(sql)) < MOST_CALLS


def test_work_is_counted():
    assert calls_of(lambda: admitted(f"SELECT count(*) FROM {P}")) > 100
