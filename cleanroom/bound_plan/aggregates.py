# SPDX-License-Identifier: Apache-2.0
"""Aggregation: by a unit's key it makes partials of units, without one it makes statistics.

Only over partials with one row for each group and unit does ``count(*)`` count people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cleanroom.bound_plan.expressions import Reader
from cleanroom.bound_plan.functions import (
    COUNT_ROWS,
    COUNTS,
    OF_STATISTICS,
    STATISTIC_AGGREGATES,
    SYSTEM,
    UNIT_AGGREGATES,
    Place,
)
from cleanroom.bound_plan.joins import require_named
from cleanroom.bound_plan.node import Fields, Node, Unread, open_node, path_of
from cleanroom.bound_plan.refusal import require
from cleanroom.bound_plan.relation import Lineage, Meaning, Origins, Relation, united
from cleanroom.kernel.record import dataclass

_AGGREGATE = Fields(
    used=frozenset({"children", "expressions", "groups", "grouping_sets", "grouping_functions"})
)
_CALL = Fields(
    used=frozenset({"children", "qname", "aggregate_type", "filter"}),
    # The text between concatenated fingerprints; they have one length.
    fixed={"function_data": {"separator": ""}},
)
_COUNTED = "identifiers that are only counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """Reads the aggregations of one statement.

    Attributes:
        origins: Numbers for new columns.
        salt: How the parameters start that fingerprints are salted with.
    """

    origins: Origins
    salt: str

    def aggregate(self, node: Node, relation: Relation) -> Relation:
        """Read one aggregation.

        Raises:
            AdmissionRefusedError: It loses people, or computes what is not listed.
        """
        opened = open_node(node, _AGGREGATE)
        require_named(relation)
        if relation.is_statistics:
            return self._listed(opened, relation)
        reader = Reader(
            relation=relation, place=_place(relation), origins=self.origins, salt=self.salt
        )
        groups = tuple(reader.read(group) for group in opened.get("groups", []))
        sets = [frozenset(chosen) for chosen in opened.get("grouping_sets", [])]
        functions = opened.get("grouping_functions", [])
        extra = self.origins.many(len(functions))
        keys = [place for place, group in enumerate(groups) if _is_unit(group)]
        if not relation.is_protected or keys:
            _require_in_every_set(keys, sets)
            computed = [self._partial(call, reader) for call in opened.get("expressions", [])]
            grain = _grain(groups, extra, sets=sets, functions=functions, keys=keys)
            return replace(
                relation, columns=(*groups, *computed, *extra), grain=grain, outer_pairs=frozenset()
            )
        computed = [self._statistic(call, reader, groups) for call in opened.get("expressions", [])]
        for group in groups:
            require(
                not group.is_identifier,
                "aggregate",
                "groups by an identifier that stands for nobody",
                agreed="groups by plain columns, or by a unit's key",
            )
        return Relation(
            columns=(*groups, *computed, *extra),
            scans=relation.scans,
            grain=relation.grain,
            is_statistics=True,
        )

    def _listed(self, opened: Node, relation: Relation) -> Relation:
        """Read statistics as text side by side, a sketch's buckets, or the largest of some.

        Nothing else is computed of statistics, and what comes out counts nobody.
        """
        reader = Reader(
            relation=relation, place=Place.STATISTIC, origins=self.origins, salt=self.salt
        )
        groups = tuple(reader.read(group) for group in opened.get("groups", []))
        require(
            len(opened.get("grouping_sets", [])) < 2,  # noqa: PLR2004 - a plain GROUP BY
            "aggregate",
            "grouping sets of groups",
            agreed="statistics of units",
        )
        calls = opened.get("expressions", [])
        for call in calls:
            require(
                path_of(call)[-1] in OF_STATISTICS,
                "aggregate",
                "groups of groups",
                agreed="statistics of units",
            )
            self._call(call, reader, allowed=OF_STATISTICS)
        return Relation(
            columns=(*groups, *self.origins.many(len(calls))),
            scans=relation.scans,
            is_statistics=True,
        )

    def _partial(self, call: Unread, reader: Reader) -> Lineage:
        # Of public rows nobody is behind, whatever is computed of them.
        public = not reader.relation.is_protected
        self._call(call, reader, allowed=STATISTIC_AGGREGATES if public else UNIT_AGGREGATES)
        return self.origins.new()

    def _statistic(
        self,
        call: Unread,
        reader: Reader,
        groups: Sequence[Lineage],
    ) -> Lineage:
        name = self._call(call, reader, allowed=STATISTIC_AGGREGATES)
        relation = reader.relation
        distinct = call.get("aggregate_type") == "DISTINCT"
        # Over single rows only what several units share is counted, each of it once.
        require(
            bool(relation.grain) or name == COUNT_ROWS or (name in COUNTS and distinct),
            "aggregate",
            f"{name} of rows, not of units",
            agreed="statistics of one row for each group and unit",
        )
        if name != COUNT_ROWS or "filter" in call:
            return self.origins.new()
        return replace(
            self.origins.new(Meaning.UNITS), units=_counted(relation.grain, groups=groups)
        )

    def _call(
        self,
        call: Unread,
        reader: Reader,
        *,
        allowed: frozenset[str],
    ) -> str:
        require(
            isinstance(call, dict) and call.get("expression_class") == "BOUND_AGGREGATE",
            "aggregate",
            "something that is no aggregate",
            agreed="aggregates of the closed list",
        )
        opened = open_node(call, _CALL)
        path = path_of(opened)
        require(
            path[:-1] == SYSTEM and path[-1] in allowed,
            "function",
            f"the aggregate {'.'.join(path)}",
            agreed="aggregates of the closed list",
        )
        name = path[-1]
        if "filter" in opened:
            condition = reader.read(opened["filter"])
            require(not condition.is_identifier, "identifier", "a filter by one", agreed=_COUNTED)
        for child in opened["children"]:
            found = reader.read(child)
            require(
                name in COUNTS or not found.is_identifier,
                "identifier",
                f"{name} of an identifier",
                agreed=_COUNTED,
            )
        return name


def _place(relation: Relation) -> Place:
    return Place.STATISTIC if relation.grain else Place.ROW


def _is_unit(column: Lineage) -> bool:
    return column.meaning is Meaning.KEY and bool(column.units)


def _require_in_every_set(keys: Sequence[int], sets: Sequence[frozenset[int]]) -> None:
    for chosen in sets:
        require(
            chosen >= set(keys),
            "aggregate",
            "a grouping set without the unit",
            agreed="the unit's key in every grouping set of partials",
        )


def _grain(
    groups: Sequence[Lineage],
    extra: Sequence[Lineage],
    *,
    sets: Sequence[frozenset[int]],
    functions: Sequence[Sequence[int]],
    keys: Sequence[int],
) -> tuple[Lineage, ...]:
    """Say which columns together occur once: of several sets only if GROUPING tells them apart."""
    if len(sets) < 2:  # noqa: PLR2004 - one set is a plain GROUP BY
        return tuple(groups)
    told = {place for function in functions for place in function}
    if told | set(keys) >= set(range(len(groups))):
        return (*groups, *extra)
    return ()


def _counted(grain: Sequence[Lineage], *, groups: Sequence[Lineage]) -> frozenset[int]:
    """Name the scans whose units ``count(*)`` counts: the rest of the grain is grouped by."""
    grouped = {group.origin for group in groups}
    return united(
        column.units
        for column in grain
        if _is_unit(column)
        and not column.nullable
        and {other.origin for other in grain if other.origin != column.origin} <= grouped
    )
