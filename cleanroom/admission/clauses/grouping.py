# SPDX-License-Identifier: Apache-2.0
"""GROUP BY and what stands above it: keys, aggregates, and expressions of both.

Which kind of grouping it is follows from the rows and the keys: protected rows grouped by
their unit's key stay at the unit's level; otherwise grouping is a release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cleanroom.admission.clauses.output_names import Item
from cleanroom.admission.clauses.release import Places, release
from cleanroom.admission.clauses.released_level import group_released
from cleanroom.admission.clauses.rows import Rows
from cleanroom.admission.clauses.unit_level import group_units
from cleanroom.admission.clauses.windows import lower_window
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import ColumnFacts, Level, identifiers_of, sources_of
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.context.scope import column_name
from cleanroom.admission.context.types import refuse_interval
from cleanroom.admission.expressions.aggregates import Call, lower_aggregate
from cleanroom.admission.expressions.lower import lower
from cleanroom.admission.expressions.values import read_integer
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import (
    PLACED,
    Node,
    Shape,
    class_of,
    open_node,
    type_of,
    unknown,
)
from cleanroom.admission.typed.expr import Expr, Ref
from cleanroom.admission.typed.functions import is_aggregate
from cleanroom.contract.policy_terms import Role
from cleanroom.kernel.record import dataclass

MAX_KEYS = 16
MAX_GROUPING_SETS = 16

_GROUPING = Shape(
    used=PLACED,
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "OPERATOR", "type": "GROUPING_FUNCTION"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """What rows are grouped by.

    Attributes:
        keys: The group expressions over the rows, in order.
        places: Where each of them stands.
        sets: Indexes of the keys of each grouping.
        given: Whether there is a GROUP BY at all.
        place: Where the SELECT stands.
        at: Where the first group stands.
    """

    keys: tuple[Expr, ...]
    places: tuple[Place, ...]
    sets: tuple[tuple[int, ...], ...]
    given: bool
    place: Place
    at: Place


def is_grouped(opened: Node, items: Sequence[Item]) -> bool:
    """Tell whether a SELECT groups rows."""
    if opened["group_sets"] != [] or opened["having"] is not None:
        return True
    if opened["aggregate_handling"] != "STANDARD_HANDLING":
        return True
    return any(has_aggregate(item.node) for item in items)


def has_aggregate(node: Any) -> bool:  # noqa: ANN401 - the engine's JSON
    """Tell whether an aggregate is in an expression; a loop, and not in subqueries or windows."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            if class_of(item) == "FUNCTION" and is_aggregate(
                str(item.get("function_name")).lower()
            ):
                return True
            if class_of(item) == "SUBQUERY":
                continue
            waiting.extend(item.values())
    return False


def lower_groups(opened: Node, items: Sequence[Item], rows: Rows, *, near: Place) -> Groups:
    """Lower GROUP BY: columns, expressions, positions, aliases, ALL, and grouping sets.

    Raises:
        QueryRefusedError: Something that cannot be a group.
    """
    forced = opened["aggregate_handling"] == "FORCE_AGGREGATES"
    expressions, sets = opened["group_expressions"], opened["group_sets"]
    if not isinstance(sets, list) or (expressions and (forced or not sets)):
        unknown("a grouping of no known form", place=near)
    if forced:
        nodes = [item.node for item in items if not has_aggregate(item.node)]
        found = _keys(nodes, (), rows, near=near)
        return Groups(
            keys=found,
            places=_places(nodes, rows, near=near),
            sets=(tuple(range(len(found))),),
            given=bool(found),
            place=near,
            at=near,
        )
    if opened["aggregate_handling"] != "STANDARD_HANDLING":
        refuse("group-by-all", "grouping of another kind", fix="name the columns", place=near)
    keys = _keys(expressions, items, rows, near=near)
    places = _places(expressions, rows, near=near)
    at = places[0] if places else near
    if len(sets) > MAX_GROUPING_SETS:
        refuse(
            "grouping-sets",
            f"more than {MAX_GROUPING_SETS} grouping sets",
            fix="name the groupings that you need",
            place=at,
        )
    for item in sets:
        if not isinstance(item, list) or not set(item) <= set(range(len(keys))):
            refuse("grouping-sets", "grouping sets of no known form", fix="use ROLLUP", place=at)
    made = tuple(tuple(sorted(item)) for item in sets) or (tuple(range(len(keys))),)
    return Groups(
        keys=keys,
        places=places,
        sets=made,
        given=bool(sets),
        place=near,
        at=at,
    )


def _places(nodes: Sequence[Any], rows: Rows, *, near: Place) -> tuple[Place, ...]:
    return tuple(rows.builder.place(node, near) for node in nodes)


def _keys(
    nodes: Sequence[Any], items: Sequence[Item], rows: Rows, *, near: Place
) -> tuple[Expr, ...]:
    if len(nodes) > MAX_KEYS:
        refuse(
            "keys", f"more than {MAX_KEYS} group columns", fix="group by fewer columns", place=near
        )
    return tuple(_key(node, items, rows, near=near) for node in nodes)


def _key(node: Any, items: Sequence[Item], rows: Rows, *, near: Place) -> Expr:  # noqa: ANN401
    place = rows.builder.place(node, near)
    if class_of(node) == "CONSTANT":
        position = read_integer(node, what="GROUP BY", place=place)
        if not 0 < position <= len(items):
            refuse("positional", "GROUP BY a position", fix="name the column", place=place)
        node = items[position - 1].node
    elif class_of(node) == "COLUMN_REF" and len(node["column_names"]) == 1:
        node = _aliased(node, items, rows, place=place)
    if has_aggregate(node):
        refuse("group-key", "an aggregate as a group", fix="group by columns", place=place)
    key = lower(node, rows, near=near, identifier=True)
    refuse_interval(key, what="a group", place=place)
    return key


def _aliased(node: Any, items: Sequence[Item], rows: Rows, *, place: Place) -> Any:  # noqa: ANN401
    """Return what an alias stands for; a column of that name must not mean something else."""
    name = str(node["column_names"][0]).lower()
    found = next((item.node for item in items if item.alias == name), None)
    if found is None:
        return node
    same = class_of(found) == "COLUMN_REF" and str(found["column_names"][-1]).lower() == name
    if rows.scope.has(name) and not same:
        refuse(
            "ambiguous-name",
            f"{name}, which is an alias and also a column",
            fix="choose an alias that no source has as a column",
            place=place,
        )
    return found


class Grouped(Clause):
    """A clause above GROUP BY: over group keys and aggregates.

    The groups are made at last, once all clauses have said what they need.
    """

    def __init__(self, rows: Rows, groups: Groups, lowered: Lowered) -> None:
        """Begin above the rows of a FROM and WHERE clause."""
        self._deferred = lowered.level is Level.PROTECTED and _by_unit(rows, groups)
        level = Level.PROTECTED if self._deferred else Level.RELEASED
        super().__init__(rows.env, rows.scope, level)
        self.groups = groups
        self._rows = rows
        self._groups = groups
        self._lowered = lowered
        self._calls: dict[Call, int] = {}
        self._call_places: dict[Call, Place] = {}
        self._groupings: dict[tuple[int, ...], int] = {}
        self._keys = [rows.builder.new(_key_facts(key, rows)) for key in groups.keys]

    def known(self, node: Any, *, place: Place) -> Expr | None:  # noqa: ANN401
        """Recognise a whole expression that is a group key."""
        if type_of(node) == "GROUPING_FUNCTION":
            return self._grouping(node, place=place)
        if class_of(node) in {"CONSTANT", "PARAMETER", "WINDOW", "SUBQUERY"}:
            return None
        if class_of(node) == "COLUMN_REF" and self._is_alias(node):
            return None
        compound = any(not isinstance(key, Ref) for key in self._groups.keys)
        if class_of(node) != "COLUMN_REF" and (not compound or has_aggregate(node)):
            return None
        if class_of(node) != "COLUMN_REF" and _has(node, {"SUBQUERY", "WINDOW"}):
            return None
        expr = lower(node, self._rows, near=place, identifier=True)
        if expr in self._groups.keys:
            column = self._keys[self._groups.keys.index(expr)]
            return Ref(column=column, type=expr.type)
        return None

    def _is_alias(self, node: Any) -> bool:  # noqa: ANN401 - the engine's JSON
        name = str(node["column_names"][-1]).lower()
        return len(node["column_names"]) == 1 and name in self.aliases and not self.scope.has(name)

    def column(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401
        """Refuse a column that is no group key: it has many values in a group.

        Raises:
            QueryRefusedError: Always; keys were recognised before.
        """
        expr = super().column(node, place=place)
        if not isinstance(expr, Ref) or not self.scope.find(*column_name(node, place=place)):
            return expr
        name = str(node["column_names"][-1]).lower()
        return refuse(
            "row-level",
            f"the column {name} of single rows",
            fix=f"aggregate it, or GROUP BY {name} if it is a dimension",
            place=place,
        )

    def aggregate(self, node: Node, name: str, *, place: Place) -> Expr:
        """Lower an aggregate of the rows below."""
        level = Level.PROTECTED if self._deferred else self._lowered.level
        call = lower_aggregate(
            node, name, self._rows, level=level, deferred=self._deferred, place=place
        )
        self._call_places.setdefault(call, place)
        if call not in self._calls:
            found = sources_of(self.builder.columns, *call.args, call.filter)
            # How many identifiers there are is a number like any other.
            sources = frozenset(source for source in found if not source.is_identifier)
            self._calls[call] = self.builder.new(ColumnFacts(type=call.type, sources=sources))
        return Ref(column=self._calls[call], type=call.type)

    def window(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401 - the engine's JSON
        """Lower a window function over the groups."""
        return lower_window(node, self, place=place)

    def finish(self) -> Lowered:
        """Make the groups.

        Raises:
            QueryRefusedError: What the clauses asked for cannot be released.
        """
        lowered = self._rows.apply(self._lowered)
        keys = list(zip(self._keys, self._groups.keys, strict=True))
        if self._deferred:
            _require_one_set(self._groups)
            return group_units(lowered, keys, self._calls, self.builder, place=self._groups.place)
        if lowered.level is Level.RELEASED:
            return group_released(
                lowered, keys, self._calls, groups=self._groups, builder=self.builder
            )
        return release(
            lowered,
            keys,
            self._calls,
            builder=self.builder,
            sets=self._groups.sets,
            groupings=self._groupings,
            given=self._groups.given,
            places=Places(
                block=self._groups.place, keys=self._groups.places, calls=self._call_places
            ),
        )

    def _grouping(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401
        children = open_node(node, _GROUPING, place=place)["children"]
        releases = not self._deferred and self._lowered.level is not Level.RELEASED
        exprs = [lower(child, self._rows, near=place) for child in children[: MAX_KEYS + 1]]
        if not releases or not 0 < len(exprs) <= MAX_KEYS or set(exprs) - set(self._groups.keys):
            refuse(
                "grouping-sets",
                "GROUPING of no group of a release",
                fix="name columns that ROLLUP, CUBE or GROUPING SETS group by",
                place=place,
            )
        asked = tuple(self._groups.keys.index(expr) for expr in exprs)
        if asked not in self._groupings:
            self._groupings[asked] = self.builder.new(ColumnFacts(type="integer"))
        return Ref(column=self._groupings[asked], type="integer")


def _require_one_set(groups: Groups) -> None:
    """Refuse sub-totals of people: a row without the key would be nobody's."""
    if groups.sets != (tuple(range(len(groups.keys))),):
        refuse(
            "grouping-sets",
            "grouping sets over a unit's key",
            fix="group by the unit's key and the other columns in a subquery, and use ROLLUP, CUBE "
            "or GROUPING SETS around it",
            place=groups.at,
        )


def _key_facts(key: Expr, rows: Rows) -> ColumnFacts:
    """Return what clauses above the groups need to know; the rest is known once they are made."""
    columns = rows.builder.columns
    return ColumnFacts(
        type=key.type,
        sources=sources_of(columns, key),
        identifiers=identifiers_of(columns, key),
    )


def _by_unit(rows: Rows, groups: Groups) -> bool:
    columns = rows.builder.columns
    return any(
        item.identifies and item.role is Role.KEY
        for key in groups.keys
        for item in identifiers_of(columns, key)
    )


def _has(node: Any, classes: set[str]) -> bool:  # noqa: ANN401 - the engine's JSON
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            if class_of(item) in classes:
                return True
            waiting.extend(item.values())
    return False
