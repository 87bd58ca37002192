# SPDX-License-Identifier: Apache-2.0
"""Which released columns each column of the result is computed of."""

from __future__ import annotations

from collections.abc import Iterator

from cleanroom.admission.typed.columns import everything, stages_read
from cleanroom.admission.typed.expr import Expr, refs
from cleanroom.admission.typed.relation import (
    Extend,
    GroupBy,
    Match,
    Relation,
    ReleasedTable,
    Union,
    Window,
)
from cleanroom.admission.typed.tree import Origin, Stage


class Provenance:
    """Follows columns of a relation over released tables back to the releases."""

    def __init__(self, relation: Relation, stages: tuple[Stage, ...]) -> None:
        """Learn what every column is computed of."""
        self._released: dict[int, Origin] = {}
        self._rows: dict[int, tuple[int, ...]] = {}
        self._reads: dict[int, frozenset[int]] = {}
        for item in everything(relation):
            for column, exprs, below in _computed(item):
                self._reads[column] = refs(*exprs)
                if below is not None:
                    self._rows[column] = stages_read(below)
            if isinstance(item, ReleasedTable):
                names = [part.name for part in stages[item.stage].parts]
                for part in item.columns:
                    place = names.index(part.name)
                    self._released[part.column] = Origin(stage=item.stage, part=place)

    def of(self, column: int) -> tuple[Origin, ...]:
        """Return the parts of releases that a column tells about; all, if it counts their rows."""
        found: set[Origin] = set()
        seen: set[int] = set()
        waiting = [column]
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            if number in self._released:
                found.add(self._released[number])
            found |= {Origin(stage=stage, part=-1) for stage in self._rows.get(number, ())}
            waiting.extend(self._reads.get(number, ()))
        return tuple(sorted(found, key=lambda origin: (origin.stage, origin.part)))


def _computed(item: Relation) -> Iterator[tuple[int, tuple[Expr, ...], Relation | None]]:
    """Give each computed column, what it reads, and the rows that it counts or places."""
    match item:
        case Extend():
            yield from ((column, (expr,), None) for column, expr in item.outputs)
        case GroupBy():
            yield from _grouped(item)
        case Window():
            yield from _windowed(item)
        case Union():
            for place, (column, _) in enumerate(item.columns):
                yield column, tuple(source[place] for source in item.sources), None
        case Match():
            yield item.flag, (), item.right
        case _:
            return


def _grouped(item: GroupBy) -> Iterator[tuple[int, tuple[Expr, ...], Relation | None]]:
    yield from ((column, (expr,), None) for column, expr in item.keys)
    for made in item.aggregates:
        yield made.column, (*made.args, made.filter), None if made.args else item.input


def _windowed(item: Window) -> Iterator[tuple[int, tuple[Expr, ...], Relation | None]]:
    for call in item.calls:
        exprs = (*call.args, *call.partition, *(order.expr for order in call.order))
        yield call.column, exprs, None if exprs else item.input
