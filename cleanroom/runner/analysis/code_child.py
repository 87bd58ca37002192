# SPDX-License-Identifier: Apache-2.0
"""The process that runs an analyst's code: confined, without any key, and never believed.

It sees the rows of its part, as Arrow tables that lie where the runner sealed them, and
can say one thing over one pipe. Whoever reads that does not trust this module either:
the code shares its process and could have replaced it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa

from cleanroom import release
from cleanroom.kernel.limits import MAX_CODE_BYTES
from cleanroom.runner.analysis.code_words import (
    CODE_NAME,
    EXCEPTIONS,
    FRAME,
    MAX_JOB_LINE_BYTES,
    NUMBERS,
    OTHER,
    RAISED,
    UNKNOWN,
)
from cleanroom.runner.analysis.reading import read_table
from cleanroom.runner.arrow_types import arrow_schema
from cleanroom.runner.cells import read_value


def work(answer: BinaryIO) -> None:
    """Run the code on standard input and write what it handed over."""
    job = json.loads(sys.stdin.buffer.readline(MAX_JOB_LINE_BYTES))
    code = sys.stdin.buffer.read(MAX_CODE_BYTES + 1)
    tables = {lineage: read_table(file) for lineage, file in job["tables"].items()}
    head, frame = computed(job, code, tables=tables)
    answer.write(head)
    if frame is not None:
        with pa.ipc.new_stream(answer, frame.schema) as writer:
            writer.write_table(frame)


def computed(
    job: Mapping[str, Any], code: bytes, *, tables: Mapping[str, pa.Table]
) -> tuple[bytes, pa.Table | None]:
    """Call the entry point and return the line that says what came of it, and a frame.

    Raises:
        MemoryError: It needs more than it may use; that is told apart by its own error.
    """
    try:
        handed = called(job, code, tables=tables)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, two words of it leave
        return f"{RAISED} {_class_of(error)} {_line_of(error)}\n".encode(), None
    try:
        return _taken(handed, job)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a library's own words quote values
        return f"{OTHER}\n".encode(), None


def called(job: Mapping[str, Any], code: bytes, *, tables: Mapping[str, pa.Table]) -> object:
    """Compile the code and call its entry point."""
    space: dict[str, Any] = {"__name__": "analysis"}
    # Decoded here: of bytes, Python would believe a comment that names another encoding, in
    # which the comments that approvers read hold statements (PEP 263, T-09).
    text = code.decode("utf-8")
    exec(compile(text, CODE_NAME, "exec", dont_inherit=True), space)  # noqa: S102 - what this is for
    parameters = {name: read_value(value) for name, value in job["parameters"].items()}
    return space[job["entry_point"]](dict(tables), parameters)


def handed_frame(handed: object, job: Mapping[str, Any]) -> pa.Table:
    """Turn what code handed over into a table of exactly the declared columns.

    Raises:
        ValueError: It is no frame, its aggregates are not those of the query, or it lacks a column.
        pyarrow.ArrowException: Its values are not of the declared types.
    """
    unit = job["unit"]
    if isinstance(handed, release.UnitTable):
        if handed.aggregates and dict(handed.aggregates) != job["aggregates"]:
            raise ValueError("the code expects other aggregates than its query declares")
        unit, handed = handed.unit, handed.frame
    table = _arrow(handed, unit=unit)
    columns = [unit, *(name for name, _ in job["columns"][1:])]
    for name in columns:
        if table.column_names.count(name) != 1:
            raise ValueError(f"agreed one column {name!r}, found {table.column_names}")
    schema = arrow_schema(job["columns"])
    values = [_cast(table.column(name), field) for name, field in zip(columns, schema, strict=True)]
    return pa.table(values, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if column.type == field.type:  # a cast would load all of Arrow's functions
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        error.add_note(f"column {field.name!r}: agreed {field.type}, found {column.type}")
        raise


def handed_numbers(handed: object, names: Sequence[str]) -> dict[str, release.Number]:
    """Read the numbers that code handed over.

    Raises:
        TypeError: Something else than numbers.
        ValueError: They are not one for each declared statistic.
    """
    numbers = [handed] if isinstance(handed, release.Number) else handed
    if not isinstance(numbers, list | tuple):
        raise TypeError(f"agreed a list of release.stat(...), found {type(numbers).__name__}")
    found = {item.name: item for item in numbers if isinstance(item, release.Number)}
    if set(found) != set(names) or len(found) != len(numbers):
        raise ValueError(f"agreed one release.stat(...) for each of {names}, found {list(found)}")
    return found


def _taken(handed: object, job: Mapping[str, Any]) -> tuple[bytes, pa.Table | None]:
    if not job["statistics"]:
        return f"{FRAME}\n".encode(), handed_frame(handed, job)
    found = handed_numbers(handed, job["statistics"])
    value = {name: [item.value.hex(), item.units] for name, item in found.items()}
    return f"{NUMBERS}\n{json.dumps(value)}".encode(), None


def _arrow(handed: Any, *, unit: str) -> pa.Table:  # noqa: ANN401 - a table of any library
    if isinstance(handed, pa.RecordBatch):
        return pa.Table.from_batches([handed])
    if isinstance(handed, pa.Table):
        return handed
    if hasattr(handed, "collect"):  # a lazy frame of polars
        handed = handed.collect()
    if hasattr(handed, "to_arrow"):  # polars
        return handed.to_arrow()
    if unit in handed.index.names:  # what groupby leaves behind, by one column or by several
        taken = {None, *getattr(handed, "columns", ())}
        handed = handed.reset_index([name for name in handed.index.names if name not in taken])
    return pa.Table.from_pandas(handed, preserve_index=False)


def _class_of(error: BaseException) -> str:
    names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
    return next((name for name in names if name in EXCEPTIONS), UNKNOWN)


def _line_of(error: BaseException) -> int:
    """Return the last line of the analysis on the way to the error, or 0."""
    if isinstance(error, SyntaxError) and error.filename == CODE_NAME:
        return error.lineno or 0
    return _last_line(error.__traceback__)


def _last_line(place: TracebackType | None) -> int:
    line = 0
    while place is not None:
        if place.tb_frame.f_code.co_filename == CODE_NAME:
            line = place.tb_lineno
        place = place.tb_next
    return line
