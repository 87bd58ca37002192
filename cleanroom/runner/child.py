# SPDX-License-Identifier: Apache-2.0
"""The query child: holds one query's data keys, runs one generated statement, ends.

No code that an analyst wrote runs here, and no key of the run or of a party is
here. Whatever happens, what leaves is rows, an error of our own tree, or nothing.
It is confined before it gets its job; see :mod:`cleanroom.runner.sandbox.enter`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from cleanroom.engine.query import (
    ArrowTable,
    Broken,
    Limits,
    Opening,
    Table,
    View,
    opened_now,
    run_query_if,
)
from cleanroom.errors import CleanroomError, to_wire
from cleanroom.kernel.canonical import canonical_json
from cleanroom.runner.cells import write_value
from cleanroom.runner.child_job import (
    MAX_JOB_BYTES,
    NO_SPILL,
    ChildJob,
    ChildTable,
    ChildView,
    decode_job,
)
from cleanroom.vault.header import PartContext
from cleanroom.vault.spill import SPILL_KEY_BYTES, SpillFile
from cleanroom.vault.stream import PartReader

OWN_MEMORY_MIB = 96


def work(answer: BinaryIO, *, opening: Opening = opened_now) -> None:
    """Read one job from standard input and write what came of it."""
    job = decode_job(sys.stdin.buffer.read(MAX_JOB_BYTES + 1))
    answer.write(canonical_json(answer_job(job, opening=opening)))


def answer_job(
    job: ChildJob, *, frames: Sequence[ArrowTable] = (), opening: Opening = opened_now
) -> dict[str, Any]:
    """Run a job over its views and what was checked elsewhere, and describe what came of it."""
    try:
        views = [open_view(view) for view in job.views]
        output = run_query_if(
            # Declared facts come first: where one does not hold, nothing is computed.
            [fact.sql for fact in job.facts],
            views=views,
            sql=job.sql,
            parameters=job.parameters,
            limits=limits_of(job),
            scratch=scratch_of(job),
            tables=[*(_table(table) for table in job.tables), *frames],
            opening=opening,
        )
        if isinstance(output, Broken):
            return {"broken": output.number}
        return {"rows": [[write_value(value) for value in row] for row in output.rows]}
    except CleanroomError as error:
        return {"error": to_wire(error)}


def limits_of(job: ChildJob) -> Limits:
    """Return what the engine of a job may use."""
    return Limits(
        memory_mib=engine_memory(job.memory_mib),
        seconds=job.seconds,
        rows=job.rows,
        threads=job.threads,
    )


def engine_memory(memory_mib: int) -> int:
    """Leave some of a query's memory to the process around the engine, in MiB.

    The interpreter, what it loaded and what is being opened or sealed at the moment take
    about 100 MiB beside what the engine counts; small queries give up a fifth.
    """
    return memory_mib - min(OWN_MEMORY_MIB, memory_mib // 5)


def _table(table: ChildTable) -> Table:
    return Table(schema=table.schema, name=table.name, columns=table.columns, rows=table.rows)


def scratch_of(job: ChildJob) -> SpillFile | None:
    """Return scratch space for intermediate rows, sealed with a key that nobody else has."""
    if job.spill == NO_SPILL:
        return None
    key = secrets.token_bytes(SPILL_KEY_BYTES)
    return SpillFile(job.spill, key=key, most_bytes=job.spill_bytes)


def open_view(view: ChildView) -> View:
    """Open one dataset version through its inherited descriptors."""
    owner, _, table = view.lineage.partition(".")
    readers = tuple(
        PartReader(
            part.descriptor,
            key=view.key,
            expected=PartContext(
                lineage=view.lineage,
                version=view.version,
                part=part.part,
                parts=len(view.parts),
                key_id=bytes.fromhex(view.key_id),
                file_id=bytes.fromhex(part.file_id),
            ),
            name=part.name,
        )
        for part in view.parts
    )
    return View(schema=owner, name=table, columns=view.columns, parts=readers)
