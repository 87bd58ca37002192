# SPDX-License-Identifier: Apache-2.0
"""Tables in the shape of TPC-H, made by DuckDB: the same rows for the same size."""

from __future__ import annotations

from pathlib import Path

import duckdb

LINES_OF_SCALE_ONE = 6_000_000

_TABLES = {
    "customer": """
        SELECT range AS c_custkey,
               'Customer#' || lpad(range::VARCHAR, 9, '0') AS c_name,
               (hash(range * 5) % 25)::INTEGER AS c_nationkey,
               ((hash(range * 7) % 1100000)::BIGINT / 100.0 - 1000)::DECIMAL(12, 2) AS c_acctbal,
               ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY']
                   [1 + (hash(range * 11) % 5)::INTEGER] AS c_mktsegment
        FROM range({customers})""",
    "orders": """
        SELECT range AS o_orderkey,
               (hash(range * 3) % {customers})::BIGINT AS o_custkey,
               DATE '1992-01-01' + (hash(range * 13) % 2406)::INTEGER AS o_orderdate,
               ((hash(range * 17) % 50000000)::BIGINT / 100.0)::DECIMAL(12, 2) AS o_totalprice,
               ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW']
                   [1 + (hash(range * 19) % 5)::INTEGER] AS o_orderpriority,
               'order ' || md5(range::VARCHAR)[:20] AS o_comment
        FROM range({orders})""",
    "lineitem": """
        SELECT (hash(range * 23) % {orders})::BIGINT AS l_orderkey,
               range AS l_linenumber,
               (1 + hash(range * 29) % 50)::DECIMAL(12, 2) AS l_quantity,
               ((hash(range * 31) % 10000000)::BIGINT / 100.0)::DECIMAL(12, 2) AS l_extendedprice,
               ((hash(range * 37) % 11)::BIGINT / 100.0)::DECIMAL(12, 2) AS l_discount,
               ((hash(range * 41) % 9)::BIGINT / 100.0)::DECIMAL(12, 2) AS l_tax,
               ['A', 'N', 'R'][1 + (hash(range * 43) % 3)::INTEGER] AS l_returnflag,
               ['F', 'O'][1 + (hash(range * 47) % 2)::INTEGER] AS l_linestatus,
               DATE '1992-01-01' + (hash(range * 53) % 2520)::INTEGER AS l_shipdate,
               DATE '1992-01-31' + (hash(range * 59) % 2520)::INTEGER AS l_receiptdate,
               ['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK']
                   [1 + (hash(range * 61) % 7)::INTEGER] AS l_shipmode,
               md5(range::VARCHAR) AS l_comment
        FROM range({lines})""",
}

QUERIES = {
    "q1": """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
        sum(l_extendedprice * (1 - l_discount)), avg(l_discount), count(*) FROM {t}.lineitem
        WHERE l_shipdate <= DATE '1998-09-02' GROUP BY ALL ORDER BY ALL""",
    "q3": """SELECT o_orderdate, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM {t}.customer JOIN {t}.orders ON c_custkey = o_custkey
        JOIN {t}.lineitem ON l_orderkey = o_orderkey
        WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15'
        AND l_shipdate > DATE '1995-03-15' GROUP BY ALL ORDER BY ALL LIMIT 10""",
    "q5": """SELECT c_nationkey, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM {t}.customer JOIN {t}.orders ON c_custkey = o_custkey
        JOIN {t}.lineitem ON l_orderkey = o_orderkey
        WHERE o_orderdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
        GROUP BY ALL ORDER BY ALL""",
    "q6": """SELECT sum(l_extendedprice * l_discount) FROM {t}.lineitem
        WHERE l_shipdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
        AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    "q12": """SELECT l_shipmode, count(*) FILTER (o_orderpriority IN ('1-URGENT', '2-HIGH')),
        count(*) FROM {t}.orders JOIN {t}.lineitem ON o_orderkey = l_orderkey
        WHERE l_shipmode IN ('MAIL', 'SHIP') AND l_receiptdate BETWEEN DATE '1994-01-01'
        AND DATE '1994-12-31' GROUP BY ALL ORDER BY ALL""",
    "segment": """SELECT c_mktsegment, count(*), count(DISTINCT c_custkey)
        FROM {t}.customer JOIN {t}.orders ON c_custkey = o_custkey GROUP BY ALL ORDER BY ALL""",
    "scan_numbers": """SELECT sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax)
        FROM {t}.lineitem""",
    "scan_all": """SELECT count(*), sum(l_orderkey), sum(l_linenumber), sum(l_extendedprice),
        max(l_shipdate), max(l_receiptdate), max(l_shipmode), max(l_comment), max(l_returnflag)
        FROM {t}.lineitem""",
}


def sizes(scale: float) -> dict[str, int]:
    """How many rows each table has."""
    lines = int(LINES_OF_SCALE_ONE * scale)
    return {"lines": lines, "orders": lines // 4, "customers": lines // 40}


def write_tables(directory: Path, *, scale: float) -> dict[str, Path]:
    """Write the tables as plain Parquet with the row groups that sealing uses."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.parquet" for name in _TABLES}
    with duckdb.connect() as connection:
        for name, select in _TABLES.items():
            if not paths[name].exists():
                connection.execute(
                    f"COPY ({select.format(**sizes(scale))}) TO '{paths[name]}' "
                    "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
                )
    return paths
