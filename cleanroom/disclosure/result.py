# SPDX-License-Identifier: Apache-2.0
"""The bytes of a released result, and how a receiver reads them.

Their length is hidden where they are sealed (``vault.sealed_result``), together
with that of refusals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cleanroom.disclosure.released import Released, ReleasedValue, ResultColumn
from cleanroom.errors import DisclosureRefusedError, MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_RESULT_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

FORMAT = "cleanroom.result.v0"
_FIELDS = {
    "format": str,
    "columns": list,
    "rows": list,
    "earlier": list,
    "withheld": dict,
    "caution": str,
}
_COLUMN = {"name": str, "type": str, "statbarn": str}
_INTEGER = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """A result as its receiver sees it.

    Attributes:
        columns: Released columns in order.
        rows: Released rows in canonical order.
        earlier: For each row, the columns whose value is an earlier answer or follows from one.
        withheld: Rule to a band of how many rows it withheld.
        caution: What whoever reads the numbers must know about them; empty if nothing.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[ReleasedValue, ...], ...]
    earlier: tuple[tuple[str, ...], ...]
    withheld: Mapping[str, str]
    caution: str = ""


def encode_result(released: Released | ResultTable) -> bytes:
    """Write a result as canonical JSON.

    Raises:
        DisclosureRefusedError: Larger than a sealed result may be.
    """
    data = canonical_json(
        {
            "format": FORMAT,
            "columns": [
                {"name": column.name, "type": column.type, "statbarn": column.statbarn}
                for column in released.columns
            ],
            "rows": [[_written(value) for value in row] for row in released.rows],
            "earlier": [list(names) for names in released.earlier],
            "withheld": dict(released.withheld),
            "caution": released.caution if isinstance(released, ResultTable) else "",
        }
    )
    if len(data) > MAX_RESULT_BYTES:
        raise DisclosureRefusedError(
            f"result: larger than {MAX_RESULT_BYTES} bytes",
            code="disclosure.size",
            hint="group by fewer columns",
        )
    return data


def decode_result(data: bytes, *, what: str = "result") -> ResultTable:
    """Read a result.

    Raises:
        MalformedError: Not a result of this format.
    """
    document = parse_json(data, what=what, limit=MAX_RESULT_BYTES)
    _require(isinstance(document, dict), what)
    _require({name: type(value) for name, value in document.items()} == _FIELDS, what)
    _require(document["format"] == FORMAT, what)
    withheld = document["withheld"]
    _require(all(isinstance(name, str) for name in withheld.values()), what)
    columns = tuple(_column(item, what=what) for item in document["columns"])
    rows = tuple(_row(item, columns, what=what) for item in document["rows"])
    earlier = tuple(_names(item, columns, what=what) for item in document["earlier"])
    _require(len(earlier) == len(rows), what)
    return ResultTable(
        columns=columns,
        rows=rows,
        earlier=earlier,
        withheld=withheld,
        caution=document["caution"],
    )


def _written(value: ReleasedValue) -> bool | str | None:
    # JSON integers end at 2**53; a group key may be any 64-bit integer.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _column(item: Any, *, what: str) -> ResultColumn:  # noqa: ANN401 - any JSON value
    _require(isinstance(item, dict), what)
    _require({name: type(value) for name, value in item.items()} == _COLUMN, what)
    return ResultColumn(name=item["name"], type=item["type"], statbarn=item["statbarn"])


def _names(item: Any, columns: tuple[ResultColumn, ...], *, what: str) -> tuple[str, ...]:  # noqa: ANN401
    _require(isinstance(item, list), what)
    known = {column.name for column in columns}
    _require(all(isinstance(name, str) and name in known for name in item), what)
    return tuple(item)


def _row(item: Any, columns: tuple[ResultColumn, ...], *, what: str) -> tuple[ReleasedValue, ...]:  # noqa: ANN401
    _require(isinstance(item, list), what)
    _require(len(item) == len(columns), what)
    return tuple(
        _value(value, column, what=what) for value, column in zip(item, columns, strict=True)
    )


def _value(value: Any, column: ResultColumn, *, what: str) -> ReleasedValue:  # noqa: ANN401
    if value is None or (column.type == "boolean" and isinstance(value, bool)):
        return value
    if not isinstance(value, str) or column.type == "boolean":
        raise _malformed(what)
    if column.type != "integer":
        return value
    if not _INTEGER.fullmatch(value):
        raise _malformed(what)
    return int(value)


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - one condition of a format
    if not holds:
        raise _malformed(what)


def _malformed(what: str) -> MalformedError:
    return MalformedError(f"{what}: found another form, agreed {FORMAT}", code="result.format")
