# SPDX-License-Identifier: Apache-2.0
"""Read the rows of the statement over released tables into a result.

Numbers are written with at most 15 digits, so that the last bits of a quotient tell
nothing about the order in which it was computed.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from cleanroom.admission.typed.tree import Output
from cleanroom.disclosure.grid import round_number
from cleanroom.disclosure.released import ReleasedValue, ResultColumn
from cleanroom.disclosure.result import ResultTable
from cleanroom.runner.cells import Value

MOST_DIGITS = 15


def result_table(
    rows: Sequence[Sequence[Value]],
    *,
    output: Sequence[Output],
    withheld: Mapping[str, str],
    repeats: bool,
) -> ResultTable:
    """Describe rows as their receivers see them; ``repeats`` marks all of them as earlier ones."""
    marked = tuple(item.name for item in output) if repeats else ()
    return ResultTable(
        columns=tuple(ResultColumn(name=item.name, type=item.type) for item in output),
        rows=tuple(tuple(_released(value) for value in row) for row in rows),
        earlier=(marked,) * len(rows),
        withheld=withheld,
    )


def _released(value: Value) -> ReleasedValue:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return round_number(Fraction(value), digits=MOST_DIGITS)
    if isinstance(value, dt.date):  # a datetime is a date too
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, bool | int | str) else None
