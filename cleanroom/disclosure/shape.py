# SPDX-License-Identifier: Apache-2.0
"""The shape of a release: what the row-level columns are and what is computed of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ArgumentKind(StrEnum):
    """What a row-level argument column holds.

    ``PRESENCE`` is 1 or NULL, ``DISTINCT`` any scalar, ``MEASURE`` an exact DECIMAL.
    """

    PRESENCE = "presence"
    DISTINCT = "distinct"
    MEASURE = "measure"


class AggregateKind(StrEnum):
    """What is released of an argument."""

    COUNT_ROWS = "count_rows"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """One group key: output name and column type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateShape:
    """One released number.

    Attributes:
        name: Output name.
        kind: What is computed.
        type: ``integer`` for counts, ``double`` otherwise.
        argument: Index of the argument column; -1 for rows and units.
        unit: Index of the unit column whose distinct values are counted; -1 otherwise.
    """

    name: str
    kind: AggregateKind
    type: str
    argument: int
    unit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseShape:
    """Everything that disclosure needs to know of a query.

    Attributes:
        keys: Group keys, in the order of the columns ``<prefix>k0..``.
        arguments: Kinds of the columns ``<prefix>a0..``.
        aggregates: Released numbers.
        units: Namespaces of the columns ``<prefix>u0..``; empty for public data.
        order: Output names in output order.
    """

    keys: tuple[KeyShape, ...]
    arguments: tuple[ArgumentKind, ...]
    aggregates: tuple[AggregateShape, ...]
    units: tuple[str, ...]
    order: tuple[str, ...]
