# SPDX-License-Identifier: Apache-2.0
"""Leave every unit out in turn: which released cells hang on fewer than k of them?

The judge knows no rule of the gate. It compares what was released of the data with what
would have been released had one unit never been there, rounding left aside: each row,
each number, and each difference of two numbers of one series. It stops looking at a cell once
enough units are found to matter, so that only the rare ones cost a run for every unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated
from typing import Any, TypeAlias

from bench.gate.ask import Answer, ask_all
from bench.gate.corpus import Item
from bench.gate.room import Room, UnitIds

_SEED = 20_260_101
_MOST_MOVED = Fraction(9, 10)  # of a number, by one unit
_NUMBERS = frozenset({"integer", "double"})

Cell: TypeAlias = tuple[Any, ...]
Cells: TypeAlias = dict[Cell, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One released cell that says something about a few units."""

    step: int
    cell: Cell
    units: int
    moved: bool


def findings(series: Sequence[Item], room: Room, *, k: int) -> list[Finding]:
    """Find every cell of a series that depends on 1 to k - 1 units, or mostly on one."""
    room.show()
    answers = ask_all(series, room, exact=True)
    # Told apart alike in every neighbour: where a row is gone, fewer columns would do.
    keys = [key_places(answer) for answer in answers]
    whole = cells_of(answers, keys)
    if not whole:
        return []
    pending = dict.fromkeys(whole, 0)
    moved: set[Cell] = set()
    for unit in _shuffled(room.units(" ".join(item.sql for item in series))):
        room.show(unit)
        other = cells_of(ask_all(series, room, exact=True), keys)
        for cell in list(pending):
            pending[cell] += other.get(cell) != whole[cell]
            moved |= {cell} if _is_moved(whole[cell], other.get(cell)) else set()
            if pending[cell] >= k:
                del pending[cell]
        if not pending:
            break
    room.show()
    few = {cell: units for cell, units in pending.items() if units}
    return [
        Finding(step=cell[0], cell=cell, units=few.get(cell, k), moved=cell in moved)
        for cell in whole
        if cell in few or cell in moved
    ]


def cells_of(answers: Sequence[Answer], keys: Sequence[Sequence[int]]) -> Cells:
    """Name every released row and number, and the differences of numbers.

    Args:
        answers: One for each step.
        keys: The columns that tell the rows of each apart.
    """
    cells: Cells = {}
    numbers: dict[Cell, dict[Cell, Fraction]] = {}
    for step, (answer, chosen) in enumerate(zip(answers, keys, strict=True)):
        for row in answer.rows:
            key = tuple(row[place] for place in chosen)
            cells[step, "row", key] = True
            for column, value in _numbers(answer, row):
                cells[step, "number", key, column] = value
                if value is not None:
                    numbers.setdefault(key, {})[step, key, column] = value
    # Numbers of equal keys, in one row or in two steps, and a total beside its parts.
    totals = numbers.get((), {})
    for key, found in numbers.items():
        pairs = combinations((totals | found).items() if key else found.items(), 2)
        for (one, first), (other, second) in pairs:
            cells[max(one[0], other[0]), "difference", one, other] = second - first
    return cells


def key_places(answer: Answer) -> tuple[int, ...]:
    """Tell rows apart by the columns that are no numbers, and by more only if they must be."""
    plain = [place for place, (_, kind) in enumerate(answer.columns) if kind not in _NUMBERS]
    chosen = list(plain)
    for place in [place for place, _ in enumerate(answer.columns) if place not in plain]:
        if len({tuple(row[i] for i in chosen) for row in answer.rows}) == len(answer.rows):
            break
        chosen.append(place)
    return tuple(chosen)


def _numbers(answer: Answer, row: tuple[Any, ...]) -> Iterator[tuple[int, Fraction | None]]:
    for place, (_, kind) in enumerate(answer.columns):
        if kind in _NUMBERS:
            yield place, None if row[place] is None else Fraction(str(row[place]))


def _is_moved(value: Any, other: Any) -> bool:  # noqa: ANN401 - a fraction or nothing
    if not isinstance(value, Fraction) or not isinstance(other, Fraction) or not value:
        return False
    return abs(value - other) > _MOST_MOVED * max(abs(value), abs(other))


def _shuffled(units: Sequence[UnitIds]) -> list[UnitIds]:
    # Units spread over every group are found sooner than in the order of their numbers.
    return Random(_SEED).sample(list(units), len(units))  # noqa: S311 - an order
