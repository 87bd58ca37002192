# SPDX-License-Identifier: Apache-2.0
"""Write the rows of generated statements into open files, split by their first column.

The rows never pass through whoever asked: they go as Arrow from the engine into the
files, and nothing but the end of the work is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from cleanroom.engine.query import Attempt, Limits, Table, View, guarded
from cleanroom.engine.spill_files import Scratch
from cleanroom.kernel.record import dataclass

_BATCH_ROWS = 1_000_000
_DONE = "exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One statement and where its rows go.

    Attributes:
        sql: One SELECT whose first column is the number of a part, and which is ordered by it.
        files: Open files, one for each part; a file gets the other columns of its rows.
    """

    sql: str
    files: tuple[int, ...]


def export_tables(
    exports: Sequence[Export],
    *,
    views: Sequence[View],
    parameters: Mapping[str, str],
    limits: Limits,
    scratch: Scratch[Any] | None,
    tables: Sequence[Table] = (),
) -> None:
    """Run each statement in one locked engine and write its rows as Arrow streams.

    Every file gets a stream, if only of no rows.

    Raises:
        IntegrityError: A part is not what its owner sealed; names the part.
        QueryFailedError: Anything else, with a fixed sentence.
    """

    def work(engine: duckdb.DuckDBPyConnection, attempt: Attempt) -> None:
        for export in exports:
            bound = {name: value for name, value in parameters.items() if f"${name}" in export.sql}
            relation = engine.sql(export.sql, params=bound)
            _write(relation.to_arrow_reader(_BATCH_ROWS), files=export.files)
        attempt.output = _DONE

    guarded(work, views=views, limits=limits, scratch=scratch, tables=tables)


def _write(reader: pa.RecordBatchReader, *, files: Sequence[int]) -> None:
    schema = pa.schema(list(reader.schema)[1:])
    with ExitStack() as opened:
        writers = []
        for descriptor in files:
            file = opened.enter_context(os.fdopen(os.dup(descriptor), "wb"))
            writers.append(opened.enter_context(pa.ipc.new_stream(file, schema)))
        for batch in reader:
            for part, rows in _split(batch, parts=len(files)):
                writers[part].write_batch(rows)


def _split(batch: pa.RecordBatch, *, parts: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut a batch where its first column changes; the others keep their order."""
    numbers = batch.column(0).to_numpy()
    rows = batch.drop_columns([batch.schema.names[0]])
    starts = np.searchsorted(numbers, np.arange(parts + 1))
    for part in range(parts):
        start, end = int(starts[part]), int(starts[part + 1])
        if end > start:
            yield part, rows.slice(start, end - start)
