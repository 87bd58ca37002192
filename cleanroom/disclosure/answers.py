# SPDX-License-Identifier: Apache-2.0
"""Answers that tell nothing: what each group is answered with, given all earlier answers.

A number whose contributors differ from those of an earlier number in fewer than d
units is answered with the earlier one, whether none or d - 1 of them differ. Refusing it, or
leaving out its row, would tell which: "all, and then all but this person" must
not answer whether the person made a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.groups import Group
from cleanroom.disclosure.layout import Layout, VectorKind, VectorPlan
from cleanroom.disclosure.makers import NO_ANSWER, Makers, Relation
from cleanroom.disclosure.margins import Line, LineRelation, agree, sums_of
from cleanroom.disclosure.past import PastNumber, PastRow, PastTable, part_digest
from cleanroom.disclosure.sketch import from_filled
from cleanroom.disclosure.subtotals import Subtotals
from cleanroom.disclosure.values import key_value, order_of
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass

_SHARED = frozenset({VectorKind.DISTINCT, VectorKind.UNITS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one group is answered with.

    Attributes:
        group: The group.
        totals: Exact total of every vector that numbers are computed from.
        earlier: The vectors whose totals are, or follow from, earlier answers.
    """

    group: Group
    totals: Mapping[VectorPlan, Fraction]
    earlier: frozenset[VectorPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Everything that leaves, what does not, and what is remembered.

    Attributes:
        answers: One for each group that leaves, in no particular order.
        withheld: Rule to how many groups it withheld.
        tables: What the state must keep, one for each grouping set.
    """

    answers: tuple[Answer, ...]
    withheld: Mapping[str, int]
    tables: tuple[PastTable, ...]


def answer_groups(
    groups: Sequence[Group],
    failed: Mapping[int, str],
    *,
    layout: Layout,
    earlier: Earlier,
    units: int,
) -> Answers:
    """Answer every group, the finest grouping set first.

    Args:
        groups: All groups.
        failed: Positions of groups that break a rule by themselves, and which one.
        layout: The plan that the groups were computed by.
        earlier: Everything released so far; grows by the grouping sets but the last one.
        units: How many units two numbers may differ by.

    Raises:
        DisclosureRefusedError: More numbers than can be compared.
    """
    room = _Room(groups, failed, layout=layout, earlier=earlier, units=units)
    sets = layout.shape.sets
    numbers = len(layout.released)
    # Before anything is answered: what is said now must not decide whether something is.
    earlier.require_comparable(row=numbers, totals=numbers * len(sets) if () in sets else 0)
    for number in sorted(range(len(sets)), key=lambda number: (-len(sets[number]), number)):
        room.answer_set(number)
    return Answers(
        answers=tuple(room.answers), withheld=dict(room.withheld), tables=tuple(room.tables)
    )


class _Table:
    """The rows of one grouping set, each answered beside what is known and the rows before it."""

    def __init__(
        self, earlier: Earlier, makers: Makers, *, units: int, buckets: int, quiet: bool
    ) -> None:
        self._earlier = earlier
        self._quiet = quiet  # while every number is answered with itself
        self._makers = makers
        self._mine = Earlier(units=units, buckets=buckets)
        self._owners: dict[int, tuple[Line, int]] = {}
        self._placed: dict[int, tuple[Line, int]] = {}
        self.lines: list[Line] = []
        self.relations: list[LineRelation] = []

    def repeat(self, place: int, parts: tuple[bytes, ...], numbers: tuple[PastNumber, ...]) -> None:
        """Add a row that was published before, as it was published."""
        self._quiet = False
        whole = (True,) * len(numbers)
        self._append(place, parts, numbers, repeats=whole)
        self.lines[-1].published = True

    def add(
        self,
        place: int,
        parts: tuple[bytes, ...],
        numbers: Sequence[PastNumber],
        *,
        torn: bool,
    ) -> bool:
        """Add a new row unless it has a number of its own although that must not be known."""
        chosen: list[PastNumber] = []
        repeats: list[bool] = []
        fresh: list[PastNumber] = []
        related: list[tuple[int, Relation]] = []
        for column, number in enumerate(numbers):
            near, relation = self._nearest(number), None
            if near is None and (self._is_beside_others() or any(repeats)):
                relation = self._makers.relation(parts, number, chosen, fresh=fresh)
                near = relation.number if relation else None
            if near is NO_ANSWER or (torn and near is None):
                return False
            self._quiet &= near is None
            follows = relation is not None and self._hangs_on_rows(relation)
            related += [(column, relation)] if relation and follows else []
            chosen.append(near or number)
            repeats.append(near is not None and not follows)
            fresh += [] if near else [number]
        self._append(place, parts, tuple(chosen), repeats=tuple(repeats))
        for column, relation in related:
            self._relate(self.lines[-1], column, relation)
        return True

    def _is_beside_others(self) -> bool:
        return not self._quiet and (self._earlier.has_any() or self._makers.has_rows())

    def _hangs_on_rows(self, relation: Relation) -> bool:
        return any(id(number) in self._placed for number, _ in relation.terms)

    def _relate(self, line: Line, column: int, relation: Relation) -> None:
        """Let a number follow the rows that it is made of, should these have to be moved."""
        line.follows[column] = True
        earlier = [term for term in relation.terms if id(term[0]) not in self._placed]
        rows = [
            (*self._placed[id(number)], factor)
            for number, factor in relation.terms
            if id(number) in self._placed
        ]
        self.relations.append(LineRelation(pivot=line, column=column, earlier=earlier, rows=rows))

    def _nearest(self, number: PastNumber) -> PastNumber | None:
        known = self._earlier.nearest(number.sketches)
        if known is not None:
            return known
        before = self._mine.nearest(number.sketches)
        if before is None:
            return None
        if id(before) not in self._owners:
            return NO_ANSWER  # a multiple of a row that may still have to give way
        line, column = self._owners[id(before)]
        line.fixed[column] = True
        return before

    def _append(
        self,
        place: int,
        parts: tuple[bytes, ...],
        numbers: tuple[PastNumber, ...],
        *,
        repeats: tuple[bool, ...],
    ) -> None:
        line = Line(
            place=place,
            parts=parts,
            numbers=[*numbers],
            repeats=repeats,
            fixed=[*repeats],
            follows=[False] * len(numbers),
        )
        self.lines.append(line)
        for column, number in enumerate(numbers):
            if not repeats[column]:
                self._owners[id(number)] = (line, column)
                self._placed[id(number)] = (line, column)
                self._mine.add(number)
        self._makers.add_row(numbers)


class _Room:
    """One release being answered, grouping set by grouping set."""

    def __init__(
        self,
        groups: Sequence[Group],
        failed: Mapping[int, str],
        *,
        layout: Layout,
        earlier: Earlier,
        units: int,
    ) -> None:
        self._groups = groups
        self._failed = failed
        self._layout = layout
        self._earlier = earlier
        self._units = units
        self._subtotals = Subtotals(groups, layout.shape.sets, earlier=earlier)
        self.answers: list[Answer] = []
        self.withheld: dict[str, int] = defaultdict(int)
        self.tables: list[PastTable] = []

    def answer_set(self, number: int) -> None:
        """Answer the groups of one grouping set in canonical order."""
        places = [place for place, group in enumerate(self._groups) if group.number == number]
        places.sort(key=lambda place: order_of(self._groups[place].key))
        asked = [place for place in places if place not in self._failed]
        parts = (part for place in places for part in self._parts(self._groups[place]))
        makers = self._earlier.makers(parts, numbers=len(asked) * len(self._layout.released))
        rows = [self._numbered(place) for place in asked] if makers.compares_rows() else []
        table = _Table(
            self._earlier,
            makers,
            units=self._units,
            buckets=self._layout.buckets,
            quiet=makers.is_quiet(rows),
        )
        for place in places:
            self._answer(place, table)
        for line in table.lines:
            line.implied = self._subtotals.implied(line)
        stuck = agree(table.lines, self._earlier, table.relations)
        fitting = [line for line in table.lines if line.place not in stuck]
        torn = stuck | self._subtotals.unbalanced(number, fitting)
        for _ in torn:
            self._withhold("difference")
        shown = [line for line in fitting if line.place not in torn]
        for line in shown:
            self._show(line)
        self._subtotals.answered(number, shown)
        self._keep(shown)

    def _numbered(self, place: int) -> tuple[tuple[bytes, ...], list[PastNumber]]:
        group = self._groups[place]
        return self._parts(group), [self._number(group, plan) for plan in self._layout.released]

    def _keep(self, shown: Sequence[Line]) -> None:
        # Rows that repeat an earlier one are kept again: the sum of the whole table is
        # something that anybody can make, and the size must not tell which were repeated.
        rows = tuple(PastRow(parts=line.parts, numbers=tuple(line.numbers)) for line in shown)
        self.tables.append(PastTable(rows=rows))
        # Finding it costs as much as answering it, and only later grouping sets look for it.
        if len(self.tables) < len(self._layout.shape.sets):
            self._earlier.add_table(self.tables[-1], sums_of(rows))

    def _answer(self, place: int, table: _Table) -> None:
        group, failure = self._groups[place], self._failed.get(place, "")
        parts = self._parts(group)
        if failure and not self._earlier.has_row(parts):
            self._withhold(failure)
            return
        numbers = [self._number(group, plan) for plan in self._layout.released]
        same = self._earlier.row_like(parts, [number.sketches for number in numbers])
        if same:
            table.repeat(place, parts, same)
        elif failure:
            self._withhold(failure)
        elif not self._earlier.are_apart(numbers):
            self._withhold("splits")
        elif not table.add(place, parts, numbers, torn=self._subtotals.is_torn(group)):
            self._withhold("difference")

    def _show(self, line: Line) -> None:
        group = self._groups[line.place]
        plans = self._layout.released
        pairs = zip(plans, line.numbers, strict=True)
        marks = zip(plans, line.repeats, line.follows, strict=True)
        self.answers.append(
            Answer(
                group=group,
                totals={plan: item.value for plan, item in pairs},
                earlier=frozenset(plan for plan, repeats, follows in marks if repeats or follows),
            )
        )

    def _withhold(self, rule: str) -> None:
        self.withheld[rule] += 1

    def _parts(self, group: Group) -> tuple[bytes, ...]:
        keys = self._layout.shape.keys
        return tuple(
            part_digest(
                f"{keys[index].source or keys[index].name}:{keys[index].type}",
                canonical_json(_plain(group.key[index])).decode(),
            )
            for index in self._layout.shape.sets[group.number]
        )

    def _number(self, group: Group, plan: VectorPlan) -> PastNumber:
        sketches: dict[str, bytes] = {}
        for unit, statistics in enumerate(group.by_unit):
            sketch = from_filled(statistics.sketches[plan], buckets=self._layout.buckets)
            for space in self._spaces(group, plan, unit):
                sketches[space] = sketch
        # A row of keys alone has no number; who is in it is counted by its first kind of unit.
        total = group.totals.get(plan, group.by_unit[0].units)
        return PastNumber(total=total, scale=self._layout.scale(plan), sketches=sketches)

    def _spaces(self, group: Group, plan: VectorPlan, unit: int) -> Iterator[str]:
        """Name where a vector can be compared: totals that add up alike, of one namespace."""
        namespace = self._layout.shape.units[unit].namespace
        if plan.kind not in _SHARED or (plan.kind is VectorKind.UNITS and plan.index == unit):
            yield namespace
            return
        if plan.kind is VectorKind.UNITS:
            yield f"{namespace} units of {self._layout.shape.units[plan.index].namespace}"
            return
        yield f"{namespace} distinct"
        found = {vector.plan: vector for vector in group.by_unit[unit].vectors}[plan]
        if found.contributed == found.total:
            yield namespace


def _plain(value: Any) -> bool | str | None:  # noqa: ANN401 - a key is any engine value
    written = key_value(value)
    return str(written) if isinstance(written, int) and not isinstance(written, bool) else written
