# SPDX-License-Identifier: Apache-2.0
"""Frames that code hands over: a good one with every kind of column, and who was there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa

from cleanroom.contract.analysis import GroupColumn, MeasureColumn
from cleanroom.contract.types import ColumnType
from cleanroom.runner.analysis.frames import Round, clean_frame
from cleanroom.runner.analysis.shape import frame_columns
from cleanroom.runner.arrow_types import arrow_schema
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.analyses import COHORT
from tests.support.crossing_tables import written
from tests.support.sandboxes import host


def _group(name: str, kind: str, *values: str | int) -> GroupColumn:
    return GroupColumn(name=name, type=ColumnType(kind), values=values)


def _measure(name: str, kind: str) -> MeasureColumn:
    return MeasureColumn(name=name, type=ColumnType(kind), lower=Fraction(0), upper=Fraction(1000))


ANALYSIS = replace(
    COHORT,
    groups=(
        _group("programme", "string", "standard", "plus"),
        _group("week", "integer", 0, 1),
        _group("day", "date", "2026-01-01"),
    ),
    measures=(
        _measure("amount", "double"),
        _measure("visits", "integer"),
        _measure("cost", "decimal(9,2)"),
    ),
    aggregates=COHORT.aggregates[:1],
)
SCHEMA = arrow_schema([(name, str(kind)) for name, kind in frame_columns(ANALYSIS)])
PEOPLE = [f"{number:032x}" for number in range(4)]
MEMBERS = written(pa.table({"unit": PEOPLE}))
GOOD = pa.table(
    {
        "unit": PEOPLE[:3],
        "programme": ["standard", None, "plus"],
        "week": [0, 1, None],
        "day": [dt.date(2026, 1, 1), None, None],
        "amount": [1.5, None, 9e9],
        "visits": [3, -5, None],
        "cost": [Decimal("1.25"), None, Decimal("99999.99")],
    },
    schema=SCHEMA,
)


@contextmanager
def crossing(data: bytes, *, confinement: Confinement | None = None) -> Iterator[int]:
    """Let one frame cross as in a run: a throw-away process, and a sealed copy for the block."""
    with (
        sealed_memory("units", lambda file: file.write(MEMBERS)) as units,
        sealed_memory("frame", lambda file: file.write(data)) as frame,
        clean_frame(
            [Round(members=(units,), frames=(frame,))],
            analysis=ANALYSIS,
            confinement=confinement or host().best,
            frame_bytes=len(data),
        ) as clean,
    ):
        yield clean
