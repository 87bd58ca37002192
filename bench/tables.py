# SPDX-License-Identifier: Apache-2.0
"""Tables to measure on: TPC-H by ``tpchgen-cli`` where it is installed, and our own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

LINES_OF_SCALE_ONE = 6_000_000
GENERATOR = "tpchgen-cli"
# In the order of the specification; the first three are what queries mostly read.
TPCH_TABLES = (
    "lineitem",
    "orders",
    "customer",
    "part",
    "partsupp",
    "supplier",
    "nation",
    "region",
)

# Without the generator: three tables in the shape of TPC-H, for queries on those alone.
_SHAPED = {
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


def sizes(scale: float) -> dict[str, int]:
    """How many rows each of the three tables has."""
    lines = int(LINES_OF_SCALE_ONE * scale)
    return {"lines": lines, "orders": lines // 4, "customers": lines // 40}


def has_generator() -> bool:
    """Tell whether the TPC-H generator is on the path or beside this interpreter."""
    return bool(_generator())


def _generator() -> str:
    return (
        shutil.which(GENERATOR) or shutil.which(GENERATOR, path=Path(sys.executable).parent) or ""
    )


def tpch_tables(directory: Path, *, scale: float) -> dict[str, Path]:
    """Generate all eight tables as plain Parquet, once."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.parquet" for name in TPCH_TABLES}
    if not all(path.exists() for path in paths.values()):
        command = [_generator(), "parquet", "-s", str(scale), "-o", str(directory), "--overwrite"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return paths


def shaped_tables(directory: Path, *, scale: float) -> dict[str, Path]:
    """Write the three tables in the shape of TPC-H: the same rows for the same size."""
    selects = {name: select.format(**sizes(scale)) for name, select in _SHAPED.items()}
    return write_tables(directory, selects)


def write_tables(directory: Path, selects: dict[str, str]) -> dict[str, Path]:
    """Write tables as plain Parquet, each once."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.parquet" for name in selects}
    with duckdb.connect() as connection:
        for name, select in selects.items():
            if not paths[name].exists():
                connection.execute(
                    f"COPY ({select}) TO '{paths[name]}' (FORMAT parquet, ROW_GROUP_SIZE 122880)"
                )
    return paths
