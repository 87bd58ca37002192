# SPDX-License-Identifier: Apache-2.0
"""When two columns may be equated: keys of one namespace that identify their units, or plain ones.

Anything else lends one person's row the units of others, or filters people by identity.
"""

from __future__ import annotations

from typing import NoReturn

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.controls import require_column
from cleanroom.admission.context.facts import NOT_LOOKED_UP, ColumnFacts, Identifier
from cleanroom.admission.refusal import Place, refuse
from cleanroom.contract.policy_terms import Role

FIX = "join keys of one namespace, or a dimension with a public column"


def are_keys(builder: Builder, left: int, right: int) -> bool:
    """Tell whether two columns are both keys."""
    return all(
        any(item.role is Role.KEY for item in builder.columns[column].identifiers)
        for column in (left, right)
    )


def require_keys(clause: Clause, left: int, right: int, *, place: Place) -> None:
    """Refuse to equate two columns that do not mean the same person.

    Raises:
        QueryRefusedError: Not keys, of different namespaces or types, or of somebody else.
    """
    builder = clause.builder
    sides = (builder.columns[left], builder.columns[right])
    for facts in sides:
        _require_key(facts, place=place)
        require_column(clause, (item.source for item in facts.identifiers), place=place)
    if sides[0].type != sides[1].type:
        _refuse_types(*sides, place=place)
    # A united column holds keys of several datasets, and any of them may meet any other.
    for one in sides[0].identifiers:
        for other in sides[1].identifiers:
            if not _same_people(builder, one, other):
                _refuse_namespaces(one, other, place=place)
    for identifier in (*sides[0].identifiers, *sides[1].identifiers):
        _require_identifies(identifier, place=place)


def require_plain(clause: Clause, left: ColumnFacts, right: ColumnFacts, *, place: Place) -> None:
    """Refuse to equate a protected column with a public one that must not meet it.

    Raises:
        QueryRefusedError: An identifier, another type, or a column that may not be compared.
    """
    if left.identifiers or right.identifiers:
        # A key that meets a public column is a filter by identity: a public list of
        # one number would single out the person who has it.
        source = (*left.identifiers, *right.identifiers)[0].source
        refuse(
            "join-condition",
            f"{source.reference} ({source.column.role.value}) and a public column",
            fix=FIX,
            place=place,
            column=source.reference,
        )
    if left.look_up != NOT_LOOKED_UP:
        refuse(
            "look-up",
            "a public column that is joined to another public one",
            fix="join the public datasets in a subquery of their own",
            place=place,
        )
    require_column(clause, left.sources, place=place)
    if left.type != right.type:
        _refuse_types(left, right, place=place)


def _require_key(facts: ColumnFacts, *, place: Place) -> None:
    if not any(item.role is Role.KEY for item in facts.identifiers):
        source = min((item.reference for item in facts.sources), default="a computed value")
        refuse(
            "join-condition",
            f"{source}, which is no key, is equated with a key or a column of other people",
            fix=FIX,
            place=place,
        )


def _same_people(builder: Builder, one: Identifier, other: Identifier) -> bool:
    references = frozenset({one.source.reference, other.source.reference})
    if one.namespace == other.namespace:
        return True
    if references in builder.catalog.links:
        builder.granted.add(_link(one, other))
        return True
    return False


def _link(one: Identifier, other: Identifier) -> str:
    return f"a contract link between {one.source.reference} and {other.source.reference}"


def _require_identifies(identifier: Identifier, *, place: Place) -> None:
    if not identifier.identifies:
        # The doctor of an encounter is a key too, and joining on it pairs every patient
        # with every other patient of that doctor.
        refuse(
            "join-unit",
            f"{identifier.source.reference} does not identify the unit of its dataset here",
            fix="join on the unit's own key, on the side that an outer join keeps, or on a "
            "dataset with one row a unit",
            place=place,
            column=identifier.source.reference,
        )


def _refuse_namespaces(one: Identifier, other: Identifier, *, place: Place) -> NoReturn:
    refuse(
        "namespace",
        f"{one.source.reference} and {other.source.reference} identify in different namespaces",
        fix="join keys of one namespace",
        place=place,
        grant=_link(one, other),
    )


def _refuse_types(one: ColumnFacts, other: ColumnFacts, *, place: Place) -> NoReturn:
    refuse(
        "type",
        f"a {one.type} is joined to a {other.type}",
        fix="join columns of one type",
        place=place,
    )
