# SPDX-License-Identifier: Apache-2.0
"""Queries on sealed data beside every other way of asking them.

``tpch``: all 22 queries of TPC-H, plain and sealed. ``compared``: scans, a filter, a join and a
grouping, beside the other ways to keep data encrypted and beside pandas. ``joins``: an overlap of
two lists, and claims of members.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.measure import Case, Report, Settings, Work, compare
from bench.tables import has_generator, shaped_tables, sizes, tpch_tables, write_tables
from bench.ways import Ways, open_ways

PLAIN, SEALED, ALIKE = "plain DuckDB", "sealed", "plain, encoded alike"
_LISTED = 10_000_000
_QUERIES = Path(__file__).parent / "tpch"

# On what both generators make, so that they run anywhere.
COMPARED = {
    "all columns": """SELECT count(*), sum(l_orderkey), sum(l_linenumber), sum(l_extendedprice),
        max(l_shipdate), max(l_receiptdate), max(l_shipmode), max(l_comment), max(l_returnflag)
        FROM t.lineitem""",
    "four numbers": """SELECT sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax)
        FROM t.lineitem""",
    "filter": """SELECT sum(l_extendedprice * l_discount) FROM t.lineitem
        WHERE l_shipdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
        AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    "join and group": """SELECT c_mktsegment, count(*), count(DISTINCT c_custkey)
        FROM t.customer JOIN t.orders ON c_custkey = o_custkey GROUP BY ALL ORDER BY ALL""",
    "group": """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), count(*)
        FROM t.lineitem WHERE l_shipdate <= DATE '1998-09-02' GROUP BY ALL ORDER BY ALL""",
}


def measure_tpch(settings: Settings) -> Report:
    """Ask all 22 queries, or those on our own tables where there is no generator."""
    tables, data = _tables(settings)
    queries = COMPARED
    if has_generator():
        queries = {path.stem: path.read_text() for path in sorted(_QUERIES.glob("*.sql"))}
    with open_ways(tables, work=_work(settings, "tpch")) as ways:
        cases = tuple(_plain_and_sealed(ways, queries, settings))
    return Report(title="tpch", data=data, cases=cases, figures=_beside_alike(cases))


def measure_compared(settings: Settings) -> Report:
    """Ask a few queries in every way that there is."""
    tables, data = _tables(settings)
    used = {name: tables[name] for name in ("lineitem", "orders", "customer")}
    with open_ways(used, work=_work(settings, "tpch")) as ways:
        cases = tuple(
            compare(name, settings.chosen(_every_way(ways, name)), times=settings.times)
            for name in COMPARED
        )
    return Report(title="compared", data=data, cases=cases, figures=_beside_alike(cases))


def _every_way(ways: Ways, name: str) -> dict[str, Work]:
    sql = COMPARED[name]
    return {
        PLAIN: _bound(ways.run_plain, sql),
        SEALED: _bound(ways.run_sealed, sql),
        ALIKE: _bound(ways.run_alike, sql),
        "DuckDB's own encryption": _bound(ways.run_engine_encrypted, sql),
        "Parquet Modular Encryption": _bound(ways.run_modular, sql),
        "decrypted first": _bound(ways.run_decrypted_first, sql),
        "pandas, plain": lambda: _PANDAS[name](ways.plain),
    }


def measure_joins(settings: Settings) -> Report:
    """Join two lists of people, and many claims with their members."""
    rows = int(_LISTED * settings.scale)
    selects = {
        "left_list": f"SELECT hash(range)::VARCHAR AS person FROM range({rows})",
        "right_list": f"SELECT hash(range)::VARCHAR AS person FROM range({rows // 2}, "
        f"{rows // 2 + rows})",
        "members": f"SELECT range AS member, 'r' || hash(range) % 50 AS region "
        f"FROM range({rows // 10})",
        "claims": f"SELECT (hash(range) % {max(rows // 10, 1)})::BIGINT AS member, "
        f"((hash(range * 7) % 100000)::BIGINT / 100)::DECIMAL(12, 2) AS amount FROM range({rows})",
    }
    queries = {
        "overlap": "SELECT count(*) FROM t.left_list JOIN t.right_list USING (person)",
        "claims of members": "SELECT region, count(*), sum(amount), count(DISTINCT member) "
        "FROM t.claims JOIN t.members USING (member) GROUP BY ALL ORDER BY ALL",
    }
    work = _work(settings, "joins")
    with open_ways(write_tables(work / "made", selects), work=work) as ways:
        cases = tuple(_plain_and_sealed(ways, queries, settings))
    data = (
        f"Two lists of {rows:,}, half of them in both; {rows:,} claims of {rows // 10:,} members."
    )
    return Report(title="joins", data=data, cases=cases, figures=_beside_alike(cases))


def _beside_alike(cases: Sequence[Case]) -> dict[str, str]:
    """What sealing alone costs: against files of the very same pages."""
    both = [case for case in cases if {SEALED, ALIKE} <= set(case.runs)]
    if not both:
        return {}
    clock = statistics.geometric_mean([case.ratio(SEALED, to=ALIKE) for case in both])
    processor = statistics.geometric_mean([case.processor_ratio(SEALED, to=ALIKE) for case in both])
    told = f"{clock:.2f} on the clock, {processor:.2f} of processor time"
    return {f"{SEALED} against {ALIKE}, geometric mean": told}


def _plain_and_sealed(ways: Ways, queries: Mapping[str, str], settings: Settings) -> list[Case]:
    return [
        compare(
            name,
            {
                PLAIN: _bound(ways.run_plain, sql),
                SEALED: _bound(ways.run_sealed, sql),
                ALIKE: _bound(ways.run_alike, sql),
            },
            times=settings.times,
        )
        for name, sql in queries.items()
    ]


def _bound(run: Callable[[str], object], sql: str) -> Work:
    return lambda: run(sql)


def _work(settings: Settings, name: str) -> Path:
    made = "own" if name == "tpch" and not has_generator() else name
    return settings.work / f"{made}-{settings.scale:g}"


def _tables(settings: Settings) -> tuple[dict[str, Path], str]:
    made = _work(settings, "tpch") / "made"
    if has_generator():
        tables = tpch_tables(made, scale=settings.scale)
        return tables, f"TPC-H of scale factor {settings.scale:g}, made by tpchgen-cli."
    rows = ", ".join(f"{count:,} {name}" for name, count in sizes(settings.scale).items())
    return shaped_tables(made, scale=settings.scale), f"Our own TPC-H-shaped tables: {rows}."


def _frame(files: list[str], columns: list[str]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file, columns=columns) for file in files])


def _all_columns(plain: Mapping[str, list[str]]) -> object:
    columns = ["l_orderkey", "l_linenumber", "l_extendedprice", "l_shipdate"]
    columns += ["l_receiptdate", "l_shipmode", "l_comment", "l_returnflag"]
    frame = _frame(plain["lineitem"], columns)
    return [frame[name].sum() for name in columns[:3]], [frame[name].max() for name in columns[3:]]


def _four_numbers(plain: Mapping[str, list[str]]) -> object:
    columns = ["l_quantity", "l_extendedprice", "l_discount", "l_tax"]
    return _frame(plain["lineitem"], columns).astype(float).sum()


def _filter(plain: Mapping[str, list[str]]) -> object:
    columns = ["l_extendedprice", "l_discount", "l_quantity", "l_shipdate"]
    frame = _frame(plain["lineitem"], columns)
    kept = frame[pd.to_datetime(frame["l_shipdate"]).dt.year == 1994].drop(columns="l_shipdate")  # noqa: PLR2004 - of the query
    kept = kept.astype(float)
    kept = kept[kept["l_discount"].between(0.045, 0.075) & (kept["l_quantity"] < 24)]  # noqa: PLR2004
    return (kept["l_extendedprice"] * kept["l_discount"]).sum()


def _join_and_group(plain: Mapping[str, list[str]]) -> object:
    customers = _frame(plain["customer"], ["c_custkey", "c_mktsegment"])
    orders = _frame(plain["orders"], ["o_custkey"])
    joined = customers.merge(orders, left_on="c_custkey", right_on="o_custkey")
    return joined.groupby("c_mktsegment")["c_custkey"].agg(["count", "nunique"])


def _group(plain: Mapping[str, list[str]]) -> object:
    measured = ["l_quantity", "l_extendedprice"]
    frame = _frame(plain["lineitem"], ["l_returnflag", "l_linestatus", "l_shipdate", *measured])
    frame = frame[pd.to_datetime(frame["l_shipdate"]) <= pd.Timestamp("1998-09-02")]
    frame[measured] = frame[measured].astype(float)
    return frame.groupby(["l_returnflag", "l_linestatus"])[measured].agg(["sum", "count"])


_PANDAS: dict[str, Callable[[Mapping[str, list[str]]], object]] = {
    "all columns": _all_columns,
    "four numbers": _four_numbers,
    "filter": _filter,
    "join and group": _join_and_group,
    "group": _group,
}
