# SPDX-License-Identifier: Apache-2.0
"""The query child: holds one query's data keys, runs one generated statement, ends.

No code that an analyst wrote runs here, and no key of the run or of a party is
here. Whatever happens, what leaves is rows, an error of our own tree, or nothing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from cleanroom.engine.query import Limits, View, run_query
from cleanroom.errors import CleanroomError, to_wire
from cleanroom.kernel.canonical import canonical_json
from cleanroom.runner.cells import write_value
from cleanroom.runner.child_job import MAX_JOB_BYTES, ChildJob, ChildView, decode_job
from cleanroom.vault.header import PartContext
from cleanroom.vault.stream import PartReader

MAX_OPEN_FILES = 4096
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Read one job from standard input and write its answer to standard output."""
    confine()
    job = decode_job(sys.stdin.buffer.read(MAX_JOB_BYTES + 1))
    answer = canonical_json(_answer(job))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def confine() -> None:
    """Give up what a query never needs; stronger layers are levels of their own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold keys and rows
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nothing is ever written to a file
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_OPEN_FILES, most), most))
    libc = ctypes.CDLL(None, use_errno=True)
    # A killed runner must not leave a process with keys behind.
    wanted = (
        (_PR_SET_PDEATHSIG, signal.SIGKILL),
        (_PR_SET_NO_NEW_PRIVS, 1),
        (_PR_SET_DUMPABLE, 0),
    )
    for option, value in wanted:
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def _answer(job: ChildJob) -> dict[str, Any]:
    try:
        output = run_query(
            views=[_open_view(view) for view in job.views],
            sql=job.sql,
            parameters=job.parameters,
            limits=Limits(
                memory_mib=job.memory_mib,
                seconds=job.seconds,
                rows=job.rows,
                threads=job.threads,
            ),
        )
        return {"rows": [[write_value(value) for value in row] for row in output.rows]}
    except CleanroomError as error:
        return {"error": to_wire(error)}


def _open_view(view: ChildView) -> View:
    owner, _, table = view.lineage.partition(".")
    readers = tuple(
        PartReader(
            Path(part.path),
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


if __name__ == "__main__":
    # A traceback quotes values; the runner hears of a defect by the empty answer.
    sys.excepthook = lambda *_: None
    main()
    # Skip interpreter teardown: the engine's threads have nothing left to do, and
    # the answer is out.
    os._exit(0)
