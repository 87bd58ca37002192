# SPDX-License-Identifier: Apache-2.0
"""Joins of a plan: two protected tables meet on a key of both, or not at all.

A join lends every row of one side the units of the other. Only where the keys are equal are
they the same people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cleanroom.bound_plan.claim import StatementClaim
from cleanroom.bound_plan.expressions import Reader
from cleanroom.bound_plan.functions import Place
from cleanroom.bound_plan.node import Fields, Node, Unread, open_node
from cleanroom.bound_plan.refusal import require
from cleanroom.bound_plan.relation import Lineage, Meaning, Origins, Relation
from cleanroom.contract.types import split_column

_JOIN = Fields(
    used=frozenset({"children", "join_type", "conditions", "mark_types"}),
    fixed={"mark_index": 18_446_744_073_709_551_615},
)
_CONDITION = Fields(used=frozenset({"left", "right", "comparison"}))
_COMPARISONS = frozenset(
    {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN"}
    | {"COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO"}
    | {"COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}
)
_HALF = frozenset({"SEMI", "ANTI"})
_KINDS = _HALF | {"INNER", "LEFT", "RIGHT", "FULL"}
_BY_KEY = "protected datasets that meet on keys of one namespace"


class Joiner:
    """Reads the joins of one statement."""

    def __init__(self, claim: StatementClaim, origins: Origins) -> None:
        """Take what the contract declares to identify alike."""
        self._claim = claim
        self._origins = origins

    def cross(self, left: Relation, right: Relation) -> Relation:
        """Read a join without a condition: with a public table only.

        Raises:
            AdmissionRefusedError: Both sides are about people.
        """
        require_joinable(left, right)
        both = left.is_protected and right.is_protected
        require(not both, "join", "a join of people without a condition", agreed=_BY_KEY)
        return _combined(left, right)

    def join(self, node: Node, left: Relation, right: Relation) -> Relation:
        """Read a join with conditions.

        Raises:
            AdmissionRefusedError: People are joined by something else than their keys.
        """
        opened = open_node(node, _JOIN)
        kind = opened["join_type"]
        require(kind in _KINDS, "join", f"a {kind} join", agreed="joins of known kinds")
        require_joinable(left, right)
        links = self._links(opened["conditions"], left, right)
        if left.is_protected and right.is_protected:
            require(bool(links), "join", "a join of people by something else", agreed=_BY_KEY)
        return _joined(kind, left, right, links)

    def _links(
        self, conditions: Sequence[Unread], left: Relation, right: Relation
    ) -> list[tuple[Lineage, Lineage]]:
        """Find the equalities of keys; every other condition looks into no identifier."""
        links = []
        for condition in conditions:
            opened = open_node({"type": "CONDITION", **condition}, _CONDITION)
            if "right" not in opened:
                self._reader(_combined(left, right)).read(opened["left"])
                continue
            require(
                opened["comparison"] in _COMPARISONS,
                "join",
                "a condition of another kind",
                agreed="comparisons",
            )
            one = self._reader(left).read(opened["left"])
            other = self._reader(right).read(opened["right"])
            if one.is_identifier or other.is_identifier:
                self._require_link(one, other, opened["comparison"])
                links.append((one, other))
        return links

    def _reader(self, relation: Relation) -> Reader:
        return Reader(
            relation=relation, place=Place.ROW, origins=self._origins, salt=self._claim.salt
        )

    def _require_link(self, one: Lineage, other: Lineage, comparison: str) -> None:
        alike = (
            comparison == "COMPARE_EQUAL"
            and one.meaning is other.meaning is Meaning.KEY
            and bool(one.units)
            and bool(other.units)
            and any(
                self._identify_alike(first, second)
                for first in one.references
                for second in other.references
            )
        )
        require(alike, "join", "an identifier compared with something else", agreed=_BY_KEY)

    def _identify_alike(self, one: str, other: str) -> bool:
        if frozenset({one, other}) in self._claim.links:
            return True
        return self._namespace(one) == self._namespace(other)

    def _namespace(self, reference: str) -> str:
        lineage, name = split_column(reference)
        return self._claim.datasets[lineage].column(name).namespace


def require_joinable(left: Relation, right: Relation) -> None:
    """Require rows of people on both sides, each read once, and none without a unit.

    Raises:
        AdmissionRefusedError: A table of groups, the same rows twice, or rows of nobody.
    """
    for side in (left, right):
        require(
            not side.is_statistics, "join", "a join of groups", agreed="joins of rows and units"
        )
        require_named(side)
    # Two columns of one origin would be taken for equal, and need not be in one row.
    require(
        not left.scans & right.scans, "join", "a table joined to itself", agreed="separate scans"
    )


def require_named(relation: Relation) -> None:
    """Require that rows without a unit were dropped.

    Raises:
        AdmissionRefusedError: They were not.
    """
    require(
        not relation.nameless,
        "null-unit",
        "rows that belong to nobody",
        agreed="a filter for the unit's key on every protected scan",
    )


def _joined(
    kind: str, left: Relation, right: Relation, links: Sequence[tuple[Lineage, Lineage]]
) -> Relation:
    shared = _shared_units(links)
    present = {origin: replace(column, nullable=False) for origin, column in shared.items()}
    if kind in _HALF:
        known = present if kind == "SEMI" else shared
        return replace(_knowing(left, known), scans=left.scans | right.scans)
    if kind == "INNER":
        return _combined(_knowing(left, present), _knowing(right, present))
    # A row that an outer join makes up has no value on its other side; where it has one, it is
    # the same person's, and so the preserved side's key identifies both.
    sides = (
        _knowing(left, shared) if kind == "LEFT" else left.changed(_optional),
        _knowing(right, shared) if kind == "RIGHT" else right.changed(_optional),
    )
    joined = _combined(*sides)
    if kind != "FULL":
        return joined
    pairs = frozenset(frozenset({one.origin, other.origin}) for one, other in links)
    return replace(joined, outer_pairs=joined.outer_pairs | pairs)


def _shared_units(links: Sequence[tuple[Lineage, Lineage]]) -> Mapping[int, Lineage]:
    """Say of each linked key that it identifies the units of the other as well."""
    shared: dict[int, Lineage] = {}
    for one, other in links:
        for column in (one, other):
            known = shared.get(column.origin, column)
            shared[column.origin] = replace(
                known,
                units=known.units | one.units | other.units,
                references=known.references | one.references | other.references,
            )
    return shared


def _knowing(relation: Relation, shared: Mapping[int, Lineage]) -> Relation:
    """Say what is known of linked keys, and of those that are a function of one."""

    def change(column: Lineage) -> Lineage:
        known = shared.get(column.origin, column)
        determinant = shared.get(column.determined_by)
        more = determinant.units if determinant else frozenset()
        return replace(known, units=known.units | more)

    return relation.changed(change)


def _optional(column: Lineage) -> Lineage:
    return replace(column, nullable=True)


def _combined(left: Relation, right: Relation) -> Relation:
    return Relation(
        columns=(*left.columns, *right.columns),
        scans=left.scans | right.scans,
        outer_pairs=left.outer_pairs | right.outer_pairs,
    )
