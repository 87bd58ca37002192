# SPDX-License-Identifier: Apache-2.0
"""The throw-away process that reads frames of untrusted code, and writes one clean frame.

It holds no key and no row, only frames and the list of units. It ends with what it read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cleanroom.runner.analysis.crossing import ACCEPTED
from cleanroom.runner.analysis.frames import (
    GROUP_VALUE,
    MAX_LINE_BYTES,
    NOT_A_MAP,
    TWO_ROWS,
    UNKNOWN_UNIT,
)
from cleanroom.runner.analysis.judge import judge
from cleanroom.runner.analysis.reading import read_stream, read_table
from cleanroom.runner.arrow_types import arrow_schema


class Refused(Exception):  # noqa: N818 - a word, not an error
    """A rule that a frame breaks, by its word.

    Attributes:
        word: One of the closed list in :mod:`cleanroom.runner.analysis.frames`.
    """

    def __init__(self, word: str) -> None:
        """Take the word."""
        super().__init__(word)
        self.word = word


def work(answer: BinaryIO) -> None:
    """Judge the frames that standard input describes."""
    job = json.loads(sys.stdin.buffer.readline(MAX_LINE_BYTES))
    try:
        frame = clean_frame(job)
    except Refused as refused:
        answer.write(f"{refused.word}\n".encode())
        return
    answer.write(f"{ACCEPTED}\n".encode())
    with pa.ipc.new_stream(answer, frame.schema) as writer:
        writer.write_table(frame)


def clean_frame(job: Mapping[str, Any]) -> pa.Table:
    """Return the one frame that all rounds agree on.

    Raises:
        Refused: They do not, or a frame is none, or speaks for somebody whom it was not given.
    """
    schema = arrow_schema(job["columns"])
    rounds = [_round(item, schema=schema, job=job) for item in job["rounds"]]
    first, *others = rounds
    for other in others:
        # A map gives every unit the same row whoever else is there; anything else let
        # somebody speak for another.
        if not other.equals(first):
            raise Refused(NOT_A_MAP)
    return first


def _round(item: Mapping[str, Any], *, schema: pa.Schema, job: Mapping[str, Any]) -> pa.Table:
    unit = schema.names[0]
    tables = []
    for frame, members in zip(item["frames"], item["members"], strict=True):
        known = read_table(members).column(0).combine_chunks()
        # 1. A table of the declared types with no more rows than there are units, every value
        # validated before it is looked at.
        word, table = judge(read_stream(frame), schema=schema, most_rows=len(known))
        if table is None:
            raise Refused(word)
        # 2. Units of this very part, each once.
        _require_units(table.column(unit), known)
        tables.append(table)
    whole = pa.concat_tables(tables)
    # 3. Groups of the listed values, measures within their bounds and on their grid.
    columns = [whole.column(unit).combine_chunks()]
    columns += [_group(whole.column(name), values) for name, values in job["groups"]]
    columns += [_measure(whole.column(given["name"]), given) for given in job["measures"]]
    return pa.table(columns, schema=schema).sort_by(unit).combine_chunks()


def _require_units(units: pa.ChunkedArray, known: pa.Array) -> None:
    if units.null_count or not pc.all(pc.is_in(units, value_set=known), min_count=0).as_py():
        raise Refused(UNKNOWN_UNIT)
    if len(units.unique()) != len(units):
        raise Refused(TWO_ROWS)


def _group(column: pa.ChunkedArray, values: Sequence[str | int]) -> pa.Array:
    listed = pa.array(values, type=pa.int64() if column.type == pa.int64() else pa.string())
    known = pc.is_in(column, value_set=listed.cast(column.type))
    if not pc.all(pc.or_(known, pc.is_null(column)), min_count=0).as_py():
        raise Refused(GROUP_VALUE)
    return _one(column)


def _measure(column: pa.ChunkedArray, given: Mapping[str, Any]) -> pa.Array:
    least, most, scale = given["least"], given["most"], given["scale"]
    if column.type == pa.float64():
        return _rounded(column, least=least, most=most, unit=10.0**scale)
    if column.type == pa.int64():
        low, high = pa.scalar(least), pa.scalar(most)
    else:
        low, high = (
            pa.scalar(Decimal(bound).scaleb(-scale)).cast(column.type) for bound in (least, most)
        )
    clamped = pc.min_element_wise(
        pc.max_element_wise(column, low, skip_nulls=False), high, skip_nulls=False
    )
    return _one(clamped.cast(column.type))


def _rounded(column: pa.ChunkedArray, *, least: int, most: int, unit: float) -> pa.Array:
    """Clamp and round doubles; what is no number becomes nothing."""
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    finite = np.isfinite(values)
    whole = np.rint(np.clip(np.where(finite, values, 0.0), least / unit, most / unit) * unit)
    # Adding nothing turns -0.0 into 0.0, which equals it and has other bytes.
    return pa.array(np.clip(whole, least, most) / unit + 0.0, mask=~finite)


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
