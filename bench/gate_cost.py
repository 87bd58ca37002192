# SPDX-License-Identifier: Apache-2.0
"""Measure what the gates cost beside a plain threshold, and how long admission takes.

``python bench/gate_cost.py [--rows 1000000] [--times 5]`` from the repository root. The baseline
is the least that anybody would write: ``HAVING count(DISTINCT unit) >= k`` in the same engine on
the same table. Ours is the generated statement, its rows fetched, and the decision.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402

from bench.measure import Pair, compare, machine  # noqa: E402
from cleanroom.admission.admit import admit  # noqa: E402
from cleanroom.admission.catalog import Catalog  # noqa: E402
from cleanroom.admission.generate import generate  # noqa: E402
from cleanroom.disclosure.decide import decide  # noqa: E402
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql  # noqa: E402
from tests.support.gate_policies import measure, policy, schema  # noqa: E402
from tests.support.gate_runs import rules_of, shape_of  # noqa: E402

PREFIX = "benchprefix00000_"
THREADS = 2
ROWS_A_UNIT = 10
POLICY = policy(
    "shop.sales",
    {"id": "key:x", "few": "dimension", "many": "dimension", "cost": measure("0", "1000")},
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
        "shop.sales": (POLICY, schema(id="integer", few="integer", many="integer", cost="double")),
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
        "random() * 1000 AS cost FROM range($rows)",
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


def admission_times(repeat: int) -> tuple[float, float]:
    """Return median and 95th percentile of admitting one query, in milliseconds."""
    taken = []
    for _ in range(repeat):
        for sql in QUERIES.values():
            start = time.perf_counter()
            admit(sql.encode(), catalog=CATALOG, parameters={})
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def main() -> None:
    """Run every comparison and print what it ran on."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name}: {value}")
    pairs: list[Pair] = []
    with tables(options.rows) as connection:
        pairs += [
            compare(
                name,
                baseline=plain(connection, sql),
                ours=gated(connection, sql),
                times=options.times,
            )
            for name, sql in QUERIES.items()
        ]
    print(f"rows: {options.rows}, threads: {THREADS}")
    print(f"geometric mean: {statistics.geometric_mean(pair.ratio for pair in pairs):.2f}")
    median, late = admission_times(repeat=50)
    print(f"admission: median {median:.1f} ms, 95th percentile {late:.1f} ms")


if __name__ == "__main__":
    main()
