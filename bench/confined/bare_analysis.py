# SPDX-License-Identifier: Apache-2.0
"""The baseline of an analysis: a plain process that runs the same code on the same table.

Arguments: the code, the job as JSON, and an Arrow file of the table.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa

from cleanroom.runner.analysis.code_child import computed


def main() -> None:
    """Map the table, run the code once, write the frame where nobody reads it."""
    code, job, table = sys.argv[1:]
    with pa.memory_map(table) as file:
        rows = pa.ipc.open_stream(file).read_all()
        _, frame = computed(json.loads(job), Path(code).read_bytes(), tables={"t": rows})
        with pa.ipc.new_stream(pa.BufferOutputStream(), frame.schema) as writer:
            writer.write_table(frame)


if __name__ == "__main__":
    main()
