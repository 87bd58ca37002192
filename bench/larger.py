# SPDX-License-Identifier: Apache-2.0
"""Queries larger than their memory: a sealed child that puts rows aside sealed, and plain DuckDB.

Both read a table of their own kind and have the same memory; plain DuckDB puts rows aside as
they are. Peak memory is what the kernel says of the processes, seen from outside.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.measure import Report, Settings, compare
from bench.sandbox import seal_for_child
from bench.tables import write_tables
from cleanroom.contract.resources import Resources
from cleanroom.runner.child import engine_memory
from cleanroom.runner.child_job import ChildJob, ChildView
from cleanroom.runner.compute import CHILD, engine_threads, query_child
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.sandbox.host import examine_host
from cleanroom.vault.data_key import new_data_key
from tests.support.processes import peak_memory_of_children

ROWS = 20_000_000
LEAST_ROWS = 6_000_000  # fewer would fit
LEAST_SCALE = 0.01  # below it is asked whether all runs, and nothing is put aside
LIMIT_MIB = 512
PLAIN, SEALED = "DuckDB, rows aside in plain", "sealed, rows aside sealed"
_MOST_ASIDE = 64 << 30
_PLAIN_CODE = """
import sys, duckdb
table, sql, limit, aside, threads = sys.argv[1:]
config = {"memory_limit": limit, "threads": threads, "temp_directory": aside}
with duckdb.connect(config=config) as connection:
    connection.execute("SET enable_progress_bar = false")
    connection.execute("CREATE SCHEMA bench")
    connection.execute(f"CREATE VIEW bench.rows AS FROM read_parquet('{table}')")
    connection.execute(sql).fetchall()
"""
SQL = {
    "group": "SELECT count(*), max(n) FROM (SELECT person, count(*) AS n FROM bench.rows "
    "GROUP BY person)",
    "join": "SELECT count(*), sum(a.amount) FROM bench.rows a JOIN bench.rows b "
    "ON a.person = b.person",
    "sort": "SELECT count(*), max(person) FROM (FROM bench.rows ORDER BY amount, person OFFSET 1)",
}


def rows_of(settings: Settings) -> int:
    """How many rows the table has."""
    least = LEAST_ROWS if settings.scale >= LEAST_SCALE else 1
    return max(least, int(ROWS * settings.scale))


def measure_larger(settings: Settings) -> Report:
    """Run every query both ways, and watch what the child holds and writes."""
    rows = rows_of(settings)
    select = (
        f"SELECT sha256(range::VARCHAR) AS person, (hash(range) % 100000)::BIGINT AS amount "
        f"FROM range({rows})"
    )
    plain = write_tables(settings.work / f"larger-{rows}", {"rows": select})["rows"]
    figures: dict[str, str] = {}
    with ExitStack() as stack:
        key = new_data_key(lineage="bench.rows", version=1)
        inputs, parts = seal_for_child(plain, key, stack)
        view = ChildView(
            lineage=key.lineage,
            version=1,
            key_id=key.key_id.hex(),
            columns=("person", "amount"),
            parts=parts,
            key=key.secret,
        )
        cases = [
            compare(
                name,
                {
                    PLAIN: lambda sql=sql: _plain(plain, sql),
                    SEALED: lambda name=name, sql=sql: _sealed(
                        name, sql, view=view, inputs=inputs, figures=figures
                    ),
                },
                times=settings.times,
                note="processes in a namespace of their own are not in the processor time",
            )
            for name, sql in SQL.items()
        ]
    return Report(
        title="larger",
        data=f"{rows:,} rows of 64 letters and a number; {LIMIT_MIB} MiB of memory.",
        cases=tuple(cases),
        figures=figures,
    )


def _sealed(
    name: str, sql: str, *, view: ChildView, inputs: QueryInputs, figures: dict[str, str]
) -> None:
    with tempfile.TemporaryFile() as scratch:
        job = ChildJob(
            sql=sql,
            facts=(),
            parameters={},
            views=(view,),
            tables=(),
            memory_mib=LIMIT_MIB,
            seconds=3600,
            rows=10,
            threads=engine_threads(),
            spill=scratch.fileno(),
            spill_bytes=_MOST_ASIDE,
        )
        opened = QueryInputs(parts=inputs.parts, spill=job.spill, spill_bytes=job.spill_bytes)
        resources = Resources(memory_mib=LIMIT_MIB, seconds=3600, rows=10)
        with (
            peak_memory_of_children() as peak,
            query_child(
                opened, confinement=examine_host().best, resources=resources, module=CHILD
            ) as child,
        ):
            child.run(job)
        aside = os.fstat(scratch.fileno()).st_size >> 20
    figures[f"{name}: peak memory of the child against its limit"] = (
        f"{peak.mib:.0f} MiB, {peak.mib / LIMIT_MIB:.2f}"
    )
    figures[f"{name}: put aside, sealed"] = f"{aside} MiB"


def _plain(table: Path, sql: str) -> None:
    limit = f"{engine_memory(LIMIT_MIB)}MiB"
    with tempfile.TemporaryDirectory() as aside:
        arguments = [str(table), sql, limit, aside, str(engine_threads())]
        subprocess.run([sys.executable, "-c", _PLAIN_CODE, *arguments], check=True)
