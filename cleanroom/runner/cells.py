# SPDX-License-Identifier: Apache-2.0
"""Write engine values as JSON text and read them back exactly.

The query child hands its rows to the runner over a pipe. JSON has neither wide
integers nor decimals nor dates, so every value carries its kind. Anything that
is not one of these kinds is refused: nested results have no business here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from cleanroom.errors import MalformedError, QueryFailedError

Cell: TypeAlias = bool | int | float | str | Decimal | dt.date | dt.datetime | None
Value: TypeAlias = Cell | list["Value"]

_READ: dict[str, Callable[[str], Cell]] = {
    "b": lambda text: {"1": True, "0": False}[text],
    "i": int,
    "f": float.fromhex,
    "n": Decimal,
    "s": str,
    "d": dt.date.fromisoformat,
    "t": dt.datetime.fromisoformat,
}


def write_value(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Turn one engine value into JSON.

    Raises:
        QueryFailedError: The engine returned a kind that the gate does not know.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [write_value(item) for item in value]
    kind, text = _written(value)
    return f"{kind}{text}"


def _written(value: object) -> tuple[str, str]:
    # bool before int and datetime before date: each is a kind of the other.
    if isinstance(value, bool):
        return "b", "1" if value else "0"
    if isinstance(value, int | Decimal | str):
        return {int: "i", Decimal: "n"}.get(type(value), "s"), str(value)
    if isinstance(value, float):
        return "f", value.hex()
    if isinstance(value, dt.datetime):
        return "t", value.isoformat()
    if isinstance(value, dt.date):
        return "d", value.isoformat()
    raise QueryFailedError("engine: a result of an unknown kind", code="engine.kind")


def read_value(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    """Turn JSON back into the engine's value.

    Raises:
        MalformedError: Not something :func:`write_value` wrote.
    """
    if value is None:
        return None
    if isinstance(value, list):
        return [read_value(item) for item in value]
    if not isinstance(value, str) or value[:1] not in _READ:
        raise MalformedError("query child: a value of no known kind", code="child.format")
    try:
        return _READ[value[:1]](value[1:])
    except (KeyError, ValueError, OverflowError, InvalidOperation):
        pass
    # Raised outside the handler: the parser's own error quotes the value.
    raise MalformedError("query child: a value that does not parse", code="child.format")
