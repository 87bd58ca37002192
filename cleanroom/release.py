# SPDX-License-Identifier: Apache-2.0
"""What a Python analysis hands back: ``from cleanroom import release``.

Code computes and never releases: it says what it computed, and the gate aggregates
and judges it after the code has ended. This module is all of ``cleanroom`` that an
analysis needs; it imports nothing and knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTable:
    """A frame with at most one row a unit; :func:`table` makes one.

    Attributes:
        frame: A pandas, polars or pyarrow table.
        unit: Its column that tells units apart.
        aggregates: What the code expects to be released of it; empty for what the query says.
    """

    frame: Any
    unit: str
    aggregates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that the code computed over many units; :func:`stat` makes one.

    Attributes:
        name: The statistic of the query document that it is.
        value: The number.
        units: How many units it was computed from, on the code's word.
    """

    name: str
    value: float
    units: int


def table(
    frame: Any,  # noqa: ANN401 - a table of any library
    *,
    unit: str = "unit",
    aggregates: Mapping[str, str] | None = None,
) -> UnitTable:
    """Hand over a frame with at most one row a unit.

    Args:
        frame: A pandas, polars or pyarrow table with the columns that the query document
            declares, in any order; other columns are left behind.
        unit: Its column that tells units apart, as the input tables spell them.
        aggregates: Output name to ``count`` or ``count(measure)``, ``sum(measure)``,
            ``avg(measure)``, to state in the code what is released. The query document decides;
            code that expects something else is stopped.
    """
    return UnitTable(frame=frame, unit=unit, aggregates=dict(aggregates or {}))


def stat(name: str, value: float, *, units: int) -> Number:
    """Hand over one number, in an analysis that every owner granted as reviewed.

    Args:
        name: A statistic that the query document declares.
        value: The number; it is released with as many digits as the document says.
        units: How many units it was computed from. Fewer than the strictest threshold, and
            it is withheld.
    """
    return Number(name=name, value=float(value), units=int(units))
