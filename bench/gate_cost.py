# SPDX-License-Identifier: Apache-2.0
"""Measure what the gates cost beside a plain threshold, and how long admission takes.

The baseline is the least that anybody would write: ``HAVING count(DISTINCT unit) >= k`` in
the same engine on the same table. Ours is the generated statement, its rows fetched, and the
decision. The query without any rule stands beside both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import duckdb

from bench.measure import Report, Settings, compare
from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.generate import generate
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql
from tests.support.gate_policies import measure, policy, schema
from tests.support.gate_runs import rules_of, shape_of

ROWS_OF_SCALE_ONE = 10_000_000
ADMITTED = 50

PREFIX = "benchprefix00000_"
THREADS = 2
ROWS_A_UNIT = 10
POLICY = policy(
    "shop.sales",
    {
        "id": "key:x",
        "few": "dimension",
        "many": "dimension",
        "cost": measure("0", "1000"),
        "rate": measure("0", "1"),
    },
    unit="id",
    namespace="x",
    joins=("shop.people",),
)
PEOPLE = policy(
    "shop.people",
    {"id": "key:x", "region": "dimension"},
    unit="id",
    namespace="x",
    rows="one",
    joins=("shop.sales",),
)
CATALOG = Catalog(
    datasets={
        "shop.sales": (
            POLICY,
            schema(id="integer", few="integer", many="integer", cost="double", rate="double"),
        ),
        "shop.people": (PEOPLE, schema(id="integer", region="integer")),
    },
    links=frozenset(),
)
QUERIES = {
    "count, 25 groups": "SELECT few, count(*) AS n FROM shop.sales GROUP BY few",
    "count, 1000 groups": "SELECT many, count(*) AS n FROM shop.sales GROUP BY many",
    "count, sum, avg, 25 groups": (
        "SELECT few, count(*) AS n, sum(cost) AS s, avg(cost) AS m FROM shop.sales GROUP BY few"
    ),
    "count, sum, avg, 1000 groups": (
        "SELECT many, count(*) AS n, sum(cost) AS s, avg(cost) AS m FROM shop.sales GROUP BY many"
    ),
    "count above a bound, 25 groups": (
        "SELECT few, count(*) AS n FROM shop.sales WHERE cost > 100 GROUP BY few"
    ),
    "count, sum of a CASE, 25 groups": (
        "SELECT few, count(*) AS n, sum(CASE WHEN cost > 100 THEN cost ELSE 0 END) AS s "
        "FROM shop.sales GROUP BY few"
    ),
    "count, sum of a product, 25 groups": (
        "SELECT few, count(*) AS n, sum(cost * (1 - rate)) AS s FROM shop.sales GROUP BY few"
    ),
    "average, deviation, 25 groups": (
        "SELECT few, avg(cost) AS m, stddev_samp(cost) AS d FROM shop.sales GROUP BY few"
    ),
    "join, count, sum, 50 groups": (
        "SELECT p.region, count(*) AS n, sum(s.cost) AS c FROM shop.sales s "
        "JOIN shop.people p ON s.id = p.id GROUP BY p.region"
    ),
}


def tables(rows: int) -> duckdb.DuckDBPyConnection:
    """Make a table of sales: ten rows a unit on average, spread over all groups."""
    connection = duckdb.connect(":memory:", config={"threads": THREADS})
    connection.execute("CREATE SCHEMA shop")
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        "CREATE TABLE shop.sales AS SELECT (random() * $units)::BIGINT AS id, "
        "(random() * 24)::BIGINT AS few, (random() * 999)::BIGINT AS many, "
        "random() * 1000 AS cost, random() AS rate FROM range($rows)",
        {"rows": rows, "units": rows // ROWS_A_UNIT},
    )
    connection.execute(
        "CREATE TABLE shop.people AS SELECT range AS id, (random() * 49)::BIGINT AS region "
        "FROM range($units + 1)",
        {"units": rows // ROWS_A_UNIT},
    )
    return connection


def gated(connection: duckdb.DuckDBPyConnection, sql: str) -> Callable[[], object]:
    """Admit once; compute and decide at every call."""
    query = admit(sql.encode(), catalog=CATALOG, parameters={})
    (stage,) = query.stages
    shape, rules = shape_of(stage), rules_of(query, CATALOG)
    statement = statistics_sql(
        generate(stage, prefix=PREFIX), shape=shape, rules=rules, prefix=PREFIX
    )
    salt = {salt_parameter(PREFIX, 0): "salt"}

    def work() -> object:
        rows = connection.execute(statement, salt).fetchall()
        return decide(rows, shape=shape, rules=rules, history=())

    return work


def plain(connection: duckdb.DuckDBPyConnection, sql: str) -> Callable[[], object]:
    """Add the plain threshold to the query itself."""
    unit = "s.id" if " JOIN " in sql else "id"
    statement = f"{sql} HAVING count(DISTINCT {unit}) >= {POLICY.threshold}"
    return lambda: connection.execute(statement).fetchall()


def measure_gate(settings: Settings) -> Report:
    """Ask every query with a plain threshold, with the gate, and with no rule at all."""
    rows = int(ROWS_OF_SCALE_ONE * settings.scale)
    with tables(rows) as connection:
        cases = tuple(
            compare(
                name,
                {
                    "HAVING count(DISTINCT unit) >= k": plain(connection, sql),
                    "gate": gated(connection, sql),
                    "no rule": lambda sql=sql: connection.execute(sql).fetchall(),
                },
                times=settings.times,
            )
            for name, sql in QUERIES.items()
        )
    data = f"{rows:,} rows of {rows // ROWS_A_UNIT:,} units in memory, {THREADS} threads."
    return Report(title="gate", data=data, cases=cases)


def measure_admission(settings: Settings) -> Report:
    """Admit each query many times; beside it, its text planned by the engine."""
    with tables(ROWS_A_UNIT) as connection:
        cases = tuple(
            compare(
                name,
                {
                    "EXPLAIN by DuckDB": lambda sql=sql: connection.execute("EXPLAIN " + sql),
                    "admission": lambda sql=sql: admit(
                        sql.encode(), catalog=CATALOG, parameters={}
                    ),
                },
                times=settings.times,
            )
            for name, sql in QUERIES.items()
        )
    median, late = _admission_times(ADMITTED)
    figures = {
        "admission of one query, median": f"{median:.1f} ms",
        "admission of one query, 95th percentile": f"{late:.1f} ms",
    }
    data = f"{len(QUERIES)} queries, {ADMITTED} times each for the percentiles."
    return Report(title="admission", data=data, cases=cases, figures=figures)


def _admission_times(repeat: int) -> tuple[float, float]:
    taken = []
    for _ in range(repeat):
        for sql in QUERIES.values():
            start = time.perf_counter()
            admit(sql.encode(), catalog=CATALOG, parameters={})
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
