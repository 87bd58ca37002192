# SPDX-License-Identifier: Apache-2.0
"""Join conditions: key = key, or a dimension of a protected dataset = a public column.

Anything else in an ON clause is a filter that nobody checks, and an inequality
or a constant condition is a cross join: it would lend one person's row the units of others.
"""

from __future__ import annotations

from typing import Any, NoReturn

from cleanroom.admission.conditions import conjuncts
from cleanroom.admission.expressions import refuse_expression
from cleanroom.admission.node import PLACED, Shape, class_of, open_node, place_of, type_of
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.scope import Scope, resolve_column
from cleanroom.admission.tree import JoinEquality, SourceColumn
from cleanroom.contract.policy_terms import Role, Unit

_EQUALITY = Shape(
    used=PLACED | {"left", "right"},
    neutral={"alias": "", "class": "COMPARISON", "type": "COMPARE_EQUAL"},
)
_PLAIN = frozenset({Role.DIMENSION, Role.QUASI, Role.PUBLIC})
_FIX = "join keys of one namespace, or a dimension with a public column"


def lower_joins(conditions: list[tuple[Any, Place]], *, scope: Scope) -> tuple[JoinEquality, ...]:
    """Lower the ON conditions; condition i joins scan i + 1 to the scans before it.

    Raises:
        QueryRefusedError: A conjunct is not an admitted equality.
    """
    equalities: list[JoinEquality] = []
    for index, (condition, place) in enumerate(conditions):
        visible = Scope(
            sources=scope.sources[: index + 2], catalog=scope.catalog, locator=scope.locator
        )
        equalities += [
            _lower_equality(node, joined=index + 1, scope=visible, near=place)
            for node in conjuncts(condition, locator=scope.locator, near=place)
        ]
    _require_linked_units(equalities, scope=scope)
    _require_plain_look_ups(equalities, scope=scope)
    return tuple(equalities)


def _require_linked_units(equalities: list[JoinEquality], *, scope: Scope) -> None:
    """Each protected dataset after the first must be joined to an earlier one by key.

    Two protected datasets that only meet through a public one are a cross join of people.
    """
    linked = {
        join.later.scan
        for join in equalities
        if (join.earlier.column.role, join.later.column.role) == (Role.KEY, Role.KEY)
    }
    protected = [source.scan for source in scope.sources if source.scan.unit]
    for scan in protected[1:]:
        if scan.index not in linked:
            refuse(
                "join-condition",
                f"{scan.lineage} is not joined by key to another protected dataset",
                fix=_FIX,
            )


def _require_plain_look_ups(equalities: list[JoinEquality], *, scope: Scope) -> None:
    """Each public dataset must be joined to protected ones only, if there are any.

    A protected row has one match in a look-up for each group. In a chain of public datasets
    it could have any number, and repeated rows are weights.
    """
    if not any(source.scan.unit for source in scope.sources):
        return
    for join in equalities:
        if not any(scope.sources[side.scan].scan.unit for side in (join.earlier, join.later)):
            refuse(
                "look-up",
                f"{join.earlier.lineage} and {join.later.lineage} are both public",
                fix="join each public dataset to a column of a protected one",
            )


def _lower_equality(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    joined: int,
    scope: Scope,
    near: Place,
) -> JoinEquality:
    place = place_of(node, locator=scope.locator, near=near)
    if type_of(node) != "COMPARE_EQUAL":
        _refuse_condition(node, place=place)
    opened = open_node(node, _EQUALITY, place=place)
    sides = [
        resolve_column(
            opened[side],
            scope=scope,
            place=place_of(opened[side], locator=scope.locator, near=place),
        )
        for side in ("left", "right")
    ]
    earlier, later = sorted(sides, key=lambda column: column.scan)
    if later.scan != joined or earlier.scan == joined:
        refuse(
            "join-condition",
            "an equality that does not join the new dataset to an earlier one",
            fix=_FIX,
            place=place,
        )
    _require_joinable(earlier, later, scope=scope, place=place)
    return JoinEquality(earlier=earlier, later=later)


def _refuse_condition(node: object, *, place: Place) -> NoReturn:
    kind = class_of(node)
    if kind in {"COMPARISON", "CONJUNCTION", "BETWEEN", "CONSTANT", "OPERATOR"}:
        refuse(
            "join-condition",
            "a join condition that is not an equality of two columns",
            fix=_FIX,
            place=place,
        )
    refuse_expression(node, place=place)


def _require_joinable(
    earlier: SourceColumn, later: SourceColumn, *, scope: Scope, place: Place
) -> None:
    for column in (earlier, later):
        _require_comparable(column, scope=scope, place=place)
    if earlier.type != later.type:
        refuse(
            "type",
            f"{earlier.reference} is a {earlier.type}, {later.reference} a {later.type}",
            fix="join columns of one type",
            place=place,
        )
    roles = (earlier.column.role, later.column.role)
    if roles == (Role.KEY, Role.KEY):
        _require_same_identifiers(earlier, later, scope=scope, place=place)
        for column in (earlier, later):
            _require_identifies_unit(column, scope=scope, place=place)
    elif not _PLAIN.issuperset(roles) or not _meets_public(earlier, later, scope=scope):
        # A key that meets a public column is a filter by identity: a public list of
        # one number would single out the person who has it.
        refuse(
            "join-condition",
            f"{earlier.reference} ({roles[0].value}) and {later.reference} ({roles[1].value})",
            fix=_FIX,
            place=place,
        )


def _meets_public(earlier: SourceColumn, later: SourceColumn, *, scope: Scope) -> bool:
    return any(scope.policy_of(column).is_public for column in (earlier, later))


def _require_identifies_unit(column: SourceColumn, *, scope: Scope, place: Place) -> None:
    unit = scope.policy_of(column).unit
    if isinstance(unit, Unit) and (unit.column == column.column.name or unit.one_row):
        return
    # The doctor of an encounter is a key too, and joining on it pairs every patient
    # with every other patient of that doctor.
    refuse(
        "join-unit",
        f"{column.reference} does not identify the unit of its dataset",
        fix="join on the unit's own key, or on a dataset with one row a unit",
        place=place,
        column=column.reference,
    )


def _require_comparable(column: SourceColumn, *, scope: Scope, place: Place) -> None:
    allowed = scope.policy_of(column).compare_column
    if column.column.role is Role.PUBLIC or column.column.name in allowed:
        return
    refuse(
        "compare-column",
        f"{column.reference} may not be compared with another column",
        fix="join on a column that its owner lists in [compare] column",
        place=place,
        column=column.reference,
        grant=f"[compare] column += {column.column.name} in the policy of {column.lineage}",
    )


def _require_same_identifiers(
    earlier: SourceColumn, later: SourceColumn, *, scope: Scope, place: Place
) -> None:
    linked = frozenset({earlier.reference, later.reference}) in scope.catalog.links
    if linked or earlier.column.namespace == later.column.namespace:
        return
    refuse(
        "namespace",
        f"{earlier.reference} and {later.reference} identify in different namespaces",
        fix="join keys of one namespace",
        place=place,
        grant=f"a contract link between {earlier.reference} and {later.reference}",
    )
