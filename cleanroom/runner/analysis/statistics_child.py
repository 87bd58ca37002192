# SPDX-License-Identifier: Apache-2.0
"""The statistics child of an analysis: data keys of the units, and a frame that was checked.

It reads the frame again as if nobody had. No code that an analyst wrote runs here.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

import duckdb  # noqa: F401 - its Python half scans Arrow tables; nothing is loaded once confined

from cleanroom.engine.query import ArrowTable
from cleanroom.errors import QueryFailedError, to_wire
from cleanroom.kernel.canonical import canonical_json
from cleanroom.runner.analysis.crossing import ACCEPTED
from cleanroom.runner.analysis.judge import judge
from cleanroom.runner.analysis.reading import read_stream
from cleanroom.runner.analysis.tables_sql import engine_columns
from cleanroom.runner.arrow_types import arrow_schema
from cleanroom.runner.child import answer_job
from cleanroom.runner.child_job import MAX_JOB_BYTES, decode_job

MAX_LINE_BYTES = 1 << 20


def work(answer: BinaryIO) -> None:
    """Read the frame's place and one job from standard input; write what came of it."""
    described = json.loads(sys.stdin.buffer.readline(MAX_LINE_BYTES))
    job = decode_job(sys.stdin.buffer.read(MAX_JOB_BYTES + 1))
    frame = _frame(described)
    if frame is None:
        damaged = QueryFailedError("analysis: its frame was damaged", code="analysis.damaged")
        answer.write(canonical_json({"error": to_wire(damaged)}))
        return
    answer.write(canonical_json(answer_job(job, frames=[frame])))


def _frame(described: dict[str, Any]) -> ArrowTable | None:
    schema = arrow_schema(described["columns"])
    size = os.fstat(described["descriptor"]).st_size
    word, table = judge(read_stream(described["descriptor"]), schema=schema, most_rows=max(size, 1))
    if word != ACCEPTED:
        return None
    return ArrowTable(
        schema=described["schema"],
        name=described["name"],
        columns=engine_columns(described["columns"]),
        content=table,
    )
