# SPDX-License-Identifier: Apache-2.0
"""Invent rows that look like the datasets of a contract, from its documents alone.

An analyst develops against them before anybody approves anything. They know names, types,
roles, bounds, keys and links, and nothing of any real row: two rooms with the same documents
have the same mock data. What breaks gates and queries is planted: NULL, NaN, infinity, values
beyond the bounds, rows of nobody, somebody with many rows, values that are rare.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from random import Random  # noqa: TID251 - seeded, so that everybody invents the same rows
from typing import TypeAlias

from cleanroom.contract.policy_terms import Column, Policy, Role, Unit
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass

MockValue: TypeAlias = str | int | float | bool | Decimal | dt.date | dt.datetime | None
MockRow: TypeAlias = tuple[MockValue, ...]

DEFAULT_UNITS = 400
_SHARE_PRESENT = 0.85  # of all people, in each dataset
_MOST_USUAL_ROWS = 6
_MOST_ROWS = 60  # of the one person who has many
_ROWS_OF_NOBODY = 3
_SHARE_ABSENT = 0.02  # of the values of a column that is no key
_LETTERS = "abcdefgh"
_NUMBERS = 12
_FIRST_DAY = dt.date(2025, 1, 1)
_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class MockDataset:
    """A dataset to invent rows for.

    Attributes:
        lineage: ``owner.table``.
        policy: Its policy.
        columns: Names and types in file order.
        known: Values that columns of a name take, where a query says so; the rarest stays
            another one.
    """

    lineage: str
    policy: Policy
    columns: tuple[tuple[str, ColumnType], ...]
    known: Mapping[str, Sequence[str | int]] = field(default_factory=dict)


def mock_rows(dataset: MockDataset, *, seed: int, units: int = DEFAULT_UNITS) -> list[MockRow]:
    """Invent the rows of one dataset.

    Person ``n`` has the same identifier in every key column of one type, in whatever namespace,
    so that declared links and equal namespaces join; a public dataset lists the values that
    dimensions of the same name take.

    Args:
        dataset: Schema and policy.
        seed: Other seeds invent other rows.
        units: How many people there are in all; fewer are in each dataset.
    """
    writer = _Writer(dataset, Random(f"{seed} {dataset.lineage}"))  # noqa: S311 - no secrets
    unit = dataset.policy.unit
    if not isinstance(unit, Unit):
        return list(writer.look_up())
    return list(writer.people(unit, units))


class _Writer:
    def __init__(self, dataset: MockDataset, random: Random) -> None:
        self._dataset = dataset
        self._random = random
        self._number = 0

    def look_up(self) -> Iterator[MockRow]:
        """List every usual value once; the n-th of each column stand in one row."""
        for number in range(len(_LETTERS)):
            yield tuple(self._listed(name, kind, number) for name, kind in self._dataset.columns)

    def people(self, unit: Unit, units: int) -> Iterator[MockRow]:
        present = [person for person in range(units) if self._random.random() < _SHARE_PRESENT]
        busiest = present[0] if present else -1
        for person in present:
            for _ in range(self._rows_of(unit, busy=person == busiest)):
                yield self._row(unit, person)
        for _ in range(_ROWS_OF_NOBODY if present else 0):
            yield self._row(unit, None)

    def _rows_of(self, unit: Unit, *, busy: bool) -> int:
        most = 1 if unit.one_row else unit.max_rows
        if busy:
            return min(most, _MOST_ROWS)
        return self._random.randint(1, min(most, _MOST_USUAL_ROWS))

    def _row(self, unit: Unit, person: int | None) -> MockRow:
        self._number += 1
        return tuple(self._value(name, kind, unit, person) for name, kind in self._dataset.columns)

    def _value(self, name: str, kind: ColumnType, unit: Unit, person: int | None) -> MockValue:
        column = self._dataset.policy.columns.get(name)
        role = column.role if column else Role.BLOCKED
        if role is Role.ROW_ID:
            return _identifier(kind, self._number)
        if role is Role.KEY:
            return self._key(name, kind, unit, person)
        if self._random.random() < _SHARE_ABSENT:
            return None
        if role is Role.MEASURE and column is not None:
            return self._measure(column, kind)
        return self._usual(name, kind)

    def _key(self, name: str, kind: ColumnType, unit: Unit, person: int | None) -> MockValue:
        if name == unit.column or unit.one_row:
            return None if person is None else _identifier(kind, person)
        # Somebody else: the doctor of a visit, the seller of an order.
        return _identifier(kind, self._random.randrange(_NUMBERS))

    def _measure(self, column: Column, kind: ColumnType) -> MockValue:
        lower, upper = float(column.lower or 0), float(column.upper or 1)
        chance = self._random.random()
        if kind == "double" and chance < _SHARE_ABSENT:
            return self._random.choice((math.nan, math.inf, -math.inf))
        # At the bounds, and beyond them: values are clamped, and queries must live with that.
        if chance < 3 * _SHARE_ABSENT:
            return _number(self._random.choice((lower, upper, upper + (upper - lower) / 2)), kind)
        return _number(self._random.uniform(lower, upper), kind)

    def _usual(self, name: str, kind: ColumnType) -> MockValue:
        # The first values are common and the last is rare.
        number = int(len(_LETTERS) * self._random.random() ** 3)
        return self._listed(name, kind, number)

    def _listed(self, name: str, kind: ColumnType, number: int) -> MockValue:
        known = self._dataset.known.get(name, ())
        if not known or number == len(_LETTERS) - 1:
            return _listed(name, kind, number)
        return _known(known[number % len(known)], kind)


def _known(value: str | int, kind: ColumnType) -> MockValue:
    """Give a value that a query spells as the type of its column; another type has none."""
    if kind == "date":
        return dt.date.fromisoformat(str(value))
    if kind == "integer":
        return int(value)
    return str(value) if kind == "string" else None


def _listed(name: str, kind: ColumnType, number: int) -> MockValue:
    """The n-th usual value of a column, the same in every dataset that has one of this name."""
    if kind == "string":
        return f"{name}-{_LETTERS[number]}"
    if kind == "boolean":
        return number % 2 == 0
    day = _FIRST_DAY + dt.timedelta(days=(number * 47) % _DAYS)
    if kind == "date":
        return day
    if kind == "timestamp":
        return dt.datetime.combine(day, dt.time(hour=3 * number))
    return _number(float(number + 1), kind)


def _number(value: float, kind: ColumnType) -> MockValue:
    if kind == "integer":
        return round(value)
    if kind.decimal is not None:
        precision, scale = kind.decimal
        most = Decimal(10) ** (precision - scale) - Decimal(1).scaleb(-scale)
        return min(Decimal(repr(value)), most).quantize(Decimal(1).scaleb(-scale))
    return round(value, 2)


def _identifier(kind: ColumnType, number: int) -> MockValue:
    if kind == "string":
        return f"mock-{number:06d}"
    if kind in {"date", "timestamp", "boolean"}:
        return _listed("", kind, number % len(_LETTERS))
    return _number(float(number + 1), kind)
