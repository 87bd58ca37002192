# SPDX-License-Identifier: Apache-2.0
"""Which Arrow type a declared column has, for every process that meets tables.

Apart from what judges tables: a process that only writes one starts without it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

_SIMPLE = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")


def arrow_schema(columns: Sequence[tuple[str, str]]) -> pa.Schema:
    """Return the one Arrow schema that a declaration means; nothing nested has a name."""
    return pa.schema([pa.field(name, _arrow_type(kind)) for name, kind in columns])


def _arrow_type(kind: str) -> pa.DataType:
    match = _DECIMAL.fullmatch(kind)
    return pa.decimal128(int(match[1]), int(match[2])) if match else _SIMPLE[kind]
