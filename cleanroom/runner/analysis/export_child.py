# SPDX-License-Identifier: Apache-2.0
"""The export child of an analysis: data keys, our own statements, and no code of anybody else.

It writes what code may see into memory that it inherited, and tells nothing but its end.
"""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

from cleanroom.engine.export import Export, export_tables
from cleanroom.errors import CleanroomError, to_wire
from cleanroom.kernel.canonical import canonical_json
from cleanroom.runner.child import limits_of, open_view, scratch_of
from cleanroom.runner.child_job import MAX_JOB_BYTES, decode_job

MAX_LINE_BYTES = 16 << 20


def work(answer: BinaryIO) -> None:
    """Read statements and one job from standard input, and export."""
    exports = json.loads(sys.stdin.buffer.readline(MAX_LINE_BYTES))
    job = decode_job(sys.stdin.buffer.read(MAX_JOB_BYTES + 1))
    try:
        export_tables(
            [Export(sql=item["sql"], files=tuple(item["files"])) for item in exports],
            views=[open_view(view) for view in job.views],
            parameters={name: str(value) for name, value in job.parameters.items()},
            limits=limits_of(job),
            scratch=scratch_of(job),
        )
    except CleanroomError as error:
        answer.write(canonical_json({"error": to_wire(error)}))
        return
    answer.write(canonical_json({"rows": []}))
