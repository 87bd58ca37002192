# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries in a table
"""T-10: a text that two parsers read differently is refused, and plain SQL is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cleanroom.errors import AdmissionRefusedError
from cleanroom.second_reading.agree import load_readers, require_one_reading
from tests.support.gate_corpus import load

ONE = [
    "abs",
    "ceil",
    "ceiling",
    "floor",
    "sign",
    "round",
    "sqrt",
    "ln",
    "log",
    "log10",
    "log2",
    "exp",
    "trim",
    "ltrim",
    "rtrim",
    "upper",
    "lower",
    "length",
    "isfinite",
    "isnan",
    "isinf",
    "year",
    "quarter",
    "month",
    "week",
    "weekofyear",
    "day",
    "dayofmonth",
    "dayofweek",
    "weekday",
    "isodow",
    "isoyear",
    "dayofyear",
    "hour",
    "minute",
    "second",
    "epoch",
    "monthname",
    "dayname",
    "last_day",
    "to_days",
    "to_hours",
    "to_months",
    "to_years",
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "count_if",
    "bool_or",
    "bool_and",
    "approx_count_distinct",
    "median",
    "mode",
    "kurtosis",
    "skewness",
]
TWO = [
    "left",
    "right",
    "substr",
    "substring",
    "concat",
    "starts_with",
    "prefix",
    "suffix",
    "ends_with",
    "contains",
    "instr",
    "round",
    "least",
    "greatest",
    "nullif",
    "ifnull",
    "coalesce",
    "pow",
    "power",
    "mod",
    "lpad",
    "rpad",
    "strftime",
    "covar_pop",
    "covar_samp",
    "corr",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "regr_count",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "time_bucket",
]
PARTS = ["date_trunc", "datetrunc", "date_part", "datepart"]
WINDOWS = [(name, "a") for name in ["lag", "lead", "first_value", "last_value", "ntile"]]
WINDOWS += [(name, "") for name in ["row_number", "rank", "dense_rank"]]


def reads(sql: str) -> None:
    require_one_reading(sql.encode())


def refused(sql: str, rule: str) -> str:
    with pytest.raises(AdmissionRefusedError, match="^second reading: found ") as caught:
        reads(sql)
    assert caught.value.code == f"second-reading.{rule}"
    assert caught.value.hint
    assert caught.value.__context__ is None
    return caught.value.message


@pytest.mark.parametrize(
    "call",
    [f"{name}(a)" for name in ONE]
    + [f"{name}(a, b)" for name in TWO]
    + [f"{name}('month', a)" for name in PARTS]
    + [f"{name}({argument}) OVER (PARTITION BY b ORDER BY c)" for name, argument in WINDOWS]
    + ["date_diff('day', a, b)", "make_date(a, b, c)", "if(a, b, c)", "row_number() OVER ()"],
)  # fmt: skip
def test_a_plain_call_is_read_alike(call):
    reads(f"SELECT {call} FROM s.t")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT extract(year FROM d), d + INTERVAL 7 DAY, d - INTERVAL '3 months' FROM s.t",
        "SELECT DATE '2025-01-01', a::DATE, CAST(a AS DECIMAL(3, 2)), TRY_CAST(a AS INT) FROM s.t",
        "SELECT a NOT LIKE 'b%', a IS DISTINCT FROM b, a BETWEEN b AND c, a NOT IN (1, 2) FROM s.t",
        "SELECT a % b, a // b, a || b, -a, NOT a, count(*) FILTER (WHERE a), sum(DISTINCT a) "
        "FROM s.t",
        "SELECT CASE a WHEN 1 THEN 2 ELSE 3 END FROM s.t WHERE EXISTS (SELECT 1 FROM s.u)",
        'SELECT T.a, "S"."B" FROM s.t T JOIN s.u "S" USING (k, l)',
        "WITH x(a) AS (SELECT 1) SELECT a FROM x",
        "SELECT a FROM s.t GROUP BY GROUPING SETS ((a), (a, b), ())",
        "SELECT a, grouping(a) FROM s.t GROUP BY ROLLUP (a, b) ORDER BY 1 LIMIT 5 OFFSET 2",
        "SELECT a, grouping_id(a, b) FROM s.t GROUP BY CUBE (a, (b > 1))",
        "SELECT a FROM s.t SEMI JOIN s.u USING (a) WHERE b = $p",
        "SELECT a FROM s.t WHERE b = $1",
        "SELECT a, b: c FROM s.t -- it is a\n /* a /* b */ */",
        "FROM s.t SELECT a",
        "SELECT count() FROM s.t GROUP BY ALL",
        "SELECT * EXCLUDE (a, B) REPLACE (lower(c) AS c) FROM s.t",
        "SELECT t.*, T.a FROM s.t t",
        "SELECT t.* EXCLUDE a FROM s.t t",
        "SELECT a FROM s.t UNION ALL SELECT b FROM s.u",
    ],
)  # fmt: skip
def test_plain_sql_is_read_alike(sql):
    reads(sql)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT list(a).list_max() FROM s.t", "columns"),
        ("SELECT list_reduce(list(a), lambda x, y: x + y) FROM s.t", "columns"),
        ("SELECT COLUMNS('a.*') FROM s.t", "functions"),
        ("SELECT {'n': a} FROM s.t", "functions"),
        ("SELECT count(*) FROM range(3)", "tables"),
        ("SELECT f(a) FROM s.t; SELECT 1", "syntax"),
        ("", "syntax"),
        ("SELECT (", "syntax"),
        ("SELECT apply(a, lambda d: d) FROM s.t", "syntax"),
        ("DELETE FROM s.t", "syntax"),
        ("SELECT '" + "x" * 70_000 + "'", "size"),
        ("SELECT " + "+".join(["a"] * 900), "syntax"),
    ],
)
def test_what_two_parsers_read_differently_is_refused(sql, rule):
    assert len(refused(sql, rule)) < 400


@pytest.mark.skipif(not load("legit.jsonl"), reason="no shared corpus beside this checkout")
def test_honest_queries_are_read_alike():
    apart = []
    for item in load("legit.jsonl"):
        try:
            reads(item.sql)
        except AdmissionRefusedError as error:
            apart.append((item.id, error.message))
    assert apart == []


def test_readers_that_are_loaded_before_need_no_module_more():
    code = (
        "import sys; from cleanroom.second_reading.agree import load_readers, require_one_reading\n"
        "load_readers(); before = set(sys.modules)\n"
        "require_one_reading(b'SELECT count(*) FROM a.b')\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    load_readers()
