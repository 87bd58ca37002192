# SPDX-License-Identifier: Apache-2.0
"""Tables that untrusted code returns: a good one of every type, and how to write it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa

from cleanroom.runner.arrow_types import arrow_schema

COLUMNS = (
    ("unit", "integer"),
    ("name", "string"),
    ("amount", "double"),
    ("ok", "boolean"),
    ("day", "date"),
    ("at", "timestamp"),
    ("money", "decimal(12,2)"),
)
MOST_ROWS = 100
SCHEMA = arrow_schema(COLUMNS)
_NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
GOOD = pa.table(
    {
        "unit": [1, 2, None],
        "name": ["a", "b\N{LATIN SMALL LETTER E WITH ACUTE}", None],
        "amount": [1.5, None, float("inf")],
        "ok": [True, None, False],
        "day": [dt.date(2026, 1, 1), None, dt.date(1970, 1, 1)],
        "at": [_NOON, None, _NOON],
        "money": [Decimal("1.25"), None, Decimal("-2.00")],
    },
    schema=SCHEMA,
)


def written(table: pa.Table, **options: str) -> bytes:
    """Write a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    how = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=how) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
