# SPDX-License-Identifier: Apache-2.0
"""How key values are written and ordered, in results and in the state alike."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from cleanroom.disclosure.released import ReleasedValue


def key_value(value: object) -> ReleasedValue:
    """Write a key as a result does: dates in ISO 8601, decimals as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dt.date):  # a datetime is a date too
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def order_of(key: tuple[Any, ...]) -> tuple[tuple[bool, str, Any], ...]:
    """Order keys, NULL last; values of two types, which a key should not have, by type."""
    return tuple(
        (value is None, type(value).__name__, 0 if value is None else value) for value in key
    )
