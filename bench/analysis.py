# SPDX-License-Identifier: Apache-2.0
"""What a Python analysis costs beside the same script in a plain process.

Baseline: an interpreter that maps the table, runs the code once and writes the frame.
Beside it the same code in one confined process, and the whole of a ``python_per_unit``
analysis between export and statistics: parts and rounds for a threshold of 10, and the
throw-away process that compares them.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.measure import Case, Report, Settings, compare
from cleanroom.contract.analysis import (
    AnalysisFunction,
    FrameAggregate,
    GroupColumn,
    MeasureColumn,
    PythonAnalysis,
)
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.map_rounds import PARTS, rounds_of
from cleanroom.contract.resources import Resources
from cleanroom.contract.types import ColumnType
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.code_job import agreed_answers, encode_code_job, read_answer
from cleanroom.runner.analysis.code_words import FRAME
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch, at_once
from cleanroom.runner.analysis.frames import Round, clean_frame
from cleanroom.runner.sandbox.host import Confinement, examine_host, weaker
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.sandbox.process import ENVIRONMENT

ROWS = 1_000_000
ROWS_A_UNIT = 10
THRESHOLD = 10
RESOURCES = replace(Resources(memory_mib=4096, seconds=300, rows=1000), processor_seconds=600)
_WARDS = ("cardiology", "surgery", "oncology")
ANALYSIS = PythonAnalysis(
    entry_point="cohort",
    environment=Digest.of(b"not looked at here"),
    unit="t",
    groups=(GroupColumn(name="ward", type=ColumnType("string"), values=_WARDS),),
    measures=(
        MeasureColumn(
            name="days", type=ColumnType("double"), lower=Fraction(0), upper=Fraction(10_000)
        ),
    ),
    aggregates=(FrameAggregate(name="people", function=AnalysisFunction.COUNT, column=""),),
    statistics=(),
)
CODE = {
    "pandas": b"""
import pandas as pd

def cohort(tables, parameters):
    stays = tables["t"].to_pandas()
    return stays.groupby("unit").agg(ward=("ward", "first"), days=("days", "sum"))
""",
    "polars": b"""
import polars as pl

def cohort(tables, parameters):
    stays = pl.from_arrow(tables["t"])
    return stays.group_by("unit").agg(pl.col("ward").first(), pl.col("days").sum())
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """The table, whole and as each round splits it: descriptors of members and of rows."""

    whole: int
    rounds: tuple[tuple[tuple[int, int], ...], ...]
    path: Path


def measure_analysis(settings: Settings) -> Report:
    """Run one cohort table in two libraries, bare, confined, and in parts and rounds."""
    best = examine_host().best
    levels = [
        weaker(best, level)
        for level in (SandboxLevel.SELF, SandboxLevel.FULL)
        if best.level.satisfies(level)
    ]
    rows = max(int(ROWS * settings.scale), 100)
    settings.work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        data = _data(rows, settings.work / "analysis.arrow", held)
        cases = [_case(library, data, levels, settings) for library in CODE]
    said = f"{rows:,} rows, {ROWS_A_UNIT} a unit; {PARTS} parts, {rounds_of(THRESHOLD)} rounds."
    return Report(title="analysis", data=said, cases=tuple(cases))


def _case(library: str, data: _Data, levels: list[Confinement], settings: Settings) -> Case:
    code = settings.work / f"analysis-{library}.py"
    code.write_bytes(CODE[library])
    ways = {"bare interpreter": lambda: _bare(code, data.path)}
    for level in levels:
        runner = lambda level=level: _runner(CODE[library], level)  # noqa: E731
        ways[f"one process, {level.level}"] = lambda runner=runner: _once(runner(), data)
        ways[f"parts and rounds, {level.level}"] = lambda runner=runner: _rounds(runner(), data)
    return compare(
        f"cohort table, {library}",
        ways,
        times=settings.times,
        note="processes in a namespace of their own are not in the processor time",
    )


def _bare(code: Path, table: Path) -> None:
    line = encode_code_job(b"", analysis=ANALYSIS, parameters={}, tables={}).decode()
    script = Path(__file__).parent / "confined" / "bare_analysis.py"
    command = [sys.executable, "-B", str(script), str(code), line, str(table)]
    root = str(Path(__file__).parents[1])
    subprocess.run(command, check=True, env={**ENVIRONMENT, "PYTHONPATH": root})


def _runner(code: bytes, confinement: Confinement) -> CodeRunner:
    return CodeRunner(
        code=code,
        analysis=ANALYSIS,
        parameters={},
        resources=RESOURCES,
        confinement=confinement,
        watch=Stopwatch(RESOURCES.seconds),
    )


def _once(runner: CodeRunner, data: _Data) -> None:
    read_answer(runner.run({"t": data.whole}), code=runner.code, wanted=FRAME)


def _rounds(runner: CodeRunner, data: _Data) -> None:
    with ExitStack() as held:
        made, size = [], 0
        for parts in data.rounds:
            answers: list[bytes | QueryFailedError] = at_once(
                runner.try_run, [{"t": rows} for _, rows in parts]
            )
            frames = agreed_answers(answers, code=runner.code)
            size += sum(map(len, frames))
            files = tuple(_sealed(frame, held) for frame in frames)
            made.append(Round(members=tuple(units for units, _ in parts), frames=files))
        held.enter_context(
            clean_frame(made, analysis=ANALYSIS, confinement=runner.confinement, frame_bytes=size)
        )


def _data(rows: int, path: Path, held: ExitStack) -> _Data:
    chance = np.random.default_rng(5)
    people = np.arange(rows) // ROWS_A_UNIT
    table = pa.table(
        {
            "unit": [f"{person:032x}" for person in people],
            "ward": np.array(_WARDS)[people % len(_WARDS)],
            "days": chance.integers(1, 60, rows).astype(float),
        }
    )
    path.write_bytes(_written(table))
    rounds = []
    for _ in range(rounds_of(THRESHOLD)):
        part = pa.array(chance.integers(PARTS, size=int(people[-1]) + 1)[people])
        chosen = [table.filter(pc.equal(part, number)) for number in range(PARTS)]
        rounds.append(tuple((_members(one, held), _table(one, held)) for one in chosen))
    return _Data(whole=_table(table, held), rounds=tuple(rounds), path=path)


def _members(table: pa.Table, held: ExitStack) -> int:
    return _table(pa.table({"unit": table["unit"].unique()}), held)


def _table(table: pa.Table, held: ExitStack) -> int:
    return _sealed(memoryview(_written(table)), held)


def _written(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _sealed(data: memoryview, held: ExitStack) -> int:
    return held.enter_context(sealed_memory("frame", lambda file: file.write(data)))
