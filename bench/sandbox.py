# SPDX-License-Identifier: Apache-2.0
"""What confinement costs: starting a child, running SQL in it, and giving it a table.

Baselines: the bare interpreter with the same imports; the same child at level
``process``, where no kernel sandbox is on.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.measure import Case, Report, Settings, compare
from bench.tables import write_tables
from bench.ways import seal_table
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.resources import Resources
from cleanroom.runner.child_job import NO_SPILL, ChildJob, ChildPart, ChildView
from cleanroom.runner.compute import CHILD, engine_threads, query_child
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.sandbox.host import Confinement, examine_host, weaker
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.sandbox.process import ENVIRONMENT, confined_child
from cleanroom.vault.data_key import DataKey, new_data_key

ROWS = 10_000_000
GIB = 1 << 30
RESOURCES = Resources(memory_mib=4096, seconds=300, rows=1000)
LIMITS = ChildLimits(
    memory_bytes=4 * GIB, processor_seconds=600, file_bytes=0, descriptors=64, tasks=64
)
SQL = {
    "count and sum by group": "SELECT grp, count(*), sum(amount) FROM bench.rows GROUP BY grp",
    "distinct units by group": "SELECT grp, count(DISTINCT unit) FROM bench.rows GROUP BY grp",
}


def measure_sandbox(settings: Settings) -> Report:
    """Start children, query in them, and give one a table, at every level that there is."""
    levels = [
        weaker(examine_host().best, level)
        for level in (SandboxLevel.SELF, SandboxLevel.FULL)
        if examine_host().best.level.satisfies(level)
    ]
    cases = [_starting(confinement, settings.times) for confinement in levels]
    cases += _querying(levels, settings)
    figures = _giving(levels[-1], settings.times)
    rows = int(ROWS * settings.scale)
    data = f"{rows:,} rows of a unit, a group of 1,000 and an amount; a table of 1 GiB."
    return Report(title="sandbox", data=data, cases=tuple(cases), figures=figures)


def _starting(confinement: Confinement, times: int) -> Case:
    return compare(
        f"start, level {confinement.level}",
        {"bare interpreter": _start_bare, "confined": lambda: _start(confinement)},
        times=times,
        note="processes in a namespace of their own are not in the processor time",
    )


def _start_bare() -> None:
    code = f"import {CHILD}; print('ready')"
    subprocess.run(
        [sys.executable, "-I", "-B", "-c", code], check=True, capture_output=True, env=ENVIRONMENT
    )


def _start(confinement: Confinement) -> None:
    with confined_child(CHILD, confinement=confinement, limits=LIMITS) as child:
        child.require_ready()


def _querying(levels: list[Confinement], settings: Settings) -> list[Case]:
    bare = weaker(levels[0], SandboxLevel.PROCESS)
    with ExitStack() as stack:
        key = new_data_key(lineage="bench.rows", version=1)
        inputs, parts = seal_for_child(_table(settings), key, stack)
        view = ChildView(
            lineage=key.lineage,
            version=1,
            key_id=key.key_id.hex(),
            columns=("unit", "grp", "amount"),
            parts=parts,
            key=key.secret,
        )
        return [
            compare(
                f"{name}, {confinement.level}",
                {
                    "level process": lambda sql=sql: _query(sql, view, inputs, bare),
                    "confined": lambda sql=sql, confinement=confinement: _query(
                        sql, view, inputs, confinement
                    ),
                },
                times=settings.times,
            )
            for name, sql in SQL.items()
            for confinement in levels
        ]


def _query(sql: str, view: ChildView, inputs: QueryInputs, confinement: Confinement) -> None:
    job = ChildJob(
        sql=sql,
        facts=(),
        parameters={},
        views=(view,),
        tables=(),
        memory_mib=RESOURCES.memory_mib,
        seconds=RESOURCES.seconds,
        rows=10_000,
        threads=engine_threads(),
        spill=NO_SPILL,
        spill_bytes=0,
    )
    with query_child(inputs, confinement=confinement, resources=RESOURCES, module=CHILD) as child:
        child.run(job)


def _table(settings: Settings) -> Path:
    select = (
        "SELECT (hash(range) % 1000000)::BIGINT AS unit, 'g' || range % 1000 AS grp, "
        f"(hash(range * 7) % 100000)::DOUBLE AS amount FROM range({int(ROWS * settings.scale)})"
    )
    made = settings.work / f"sandbox-{settings.scale:g}"
    return write_tables(made, {"rows": select})["rows"]


def seal_for_child(
    plain: Path, key: DataKey, stack: ExitStack
) -> tuple[QueryInputs, tuple[ChildPart, ...]]:
    """Seal a table and open its parts for a child, until the stack is closed."""
    place = plain.parent / f"sealed-{os.getpid()}" / "parts"
    place.parent.mkdir()
    stack.callback(shutil.rmtree, place.parent)
    sealed = seal_table(plain, place, key)
    parts = []
    for number, part in enumerate(sealed.parts):
        file = place / Path(part.file).name
        descriptor = os.open(file, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        parts.append(
            ChildPart(
                descriptor=descriptor,
                name=part.file,
                part=number,
                file_id=part.file_id.hex(),
                size=part.size,
            )
        )
    opened = {key.lineage: tuple(part.descriptor for part in parts)}
    return QueryInputs(parts=opened, spill=NO_SPILL, spill_bytes=0), tuple(parts)


def _giving(confinement: Confinement, times: int) -> dict[str, str]:
    rows = GIB // 16
    table = pa.table({"unit": np.arange(rows), "amount": np.ones(rows)})

    def write(file: object) -> None:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)

    filled, used, answers = [], [], []
    for _ in range(times):
        began, spent = time.perf_counter(), time.process_time()
        with sealed_memory("table", write) as descriptor:
            filled.append(time.perf_counter() - began)
            used.append(time.process_time() - spent)
            with confined_child(
                "table_reader",
                confinement=confinement,
                limits=LIMITS,
                descriptors=(descriptor,),
                code=(str(Path(__file__).parent / "confined"),),
            ) as child:
                child.require_ready()
                answer = child.exchange(str(descriptor).encode(), seconds=60, most=1000)
                answers.append(json.loads(answer))
    return {
        "1 GiB table into sealed memory, s": f"{statistics.median(filled):.2f}",
        "the same, of processor time, s": f"{statistics.median(used):.2f}",
        "opening it in the child, ms": f"{1000 * _median(answers, 'open'):.1f}",
        "summing 512 MiB of it in the child, s": f"{_median(answers, 'sum'):.2f}",
        "bytes that the child allocated for it": str(max(found["allocated"] for found in answers)),
    }


def _median(answers: list[dict[str, float]], name: str) -> float:
    return statistics.median(answer[name] for answer in answers)
