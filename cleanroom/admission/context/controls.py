# SPDX-License-Identifier: Apache-2.0
"""Comparison controls: which columns their owners let meet a value, or another column.

Followed into every expression: a comparison of ``birth_year // 10`` with a number is one of
``birth_year``. Identifiers never meet a value, whatever a policy says.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import Level, identifiers_of, sources_of
from cleanroom.admission.context.types import require_type, typed_null
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import BOOLEAN, Expr, Ref
from cleanroom.admission.typed.tree import SourceColumn
from cleanroom.contract.policy_terms import Role

_FIX_LITERAL = "filter on a column that its owner lists in [compare] literal"
_FIX_COLUMN = "compare columns that their owners list in [compare] column"


def require_comparable(clause: Clause, *sides: Expr, place: Place) -> None:
    """Refuse a comparison that an owner did not allow.

    Raises:
        QueryRefusedError: A column may not be compared in this way.
    """
    if clause.level is not Level.PROTECTED:
        return
    columns = clause.builder.columns
    found = [sources_of(columns, side) for side in sides]
    if sum(map(bool, found)) > 1:
        require_column(clause, (column for side in found for column in side), place=place)
    else:
        require_literal(clause, (column for side in found for column in side), place=place)


def require_literal(clause: Clause, columns: Iterable[SourceColumn], *, place: Place) -> None:
    """Refuse columns that may not meet a constant.

    Raises:
        QueryRefusedError: One of them is not listed by its owner.
    """
    for column in _sorted(columns):
        policy = clause.builder.policy_of(column)
        role = column.column.role
        grant = f"[compare] literal += {column.column.name} in the policy of {column.lineage}"
        if policy.is_public:
            continue
        if column.column.name in policy.compare_literal:
            clause.builder.granted.add(grant)
            continue
        refuse(
            "compare-literal",
            f"{column.reference} ({role.value}) may not be compared with a value",
            fix=_FIX_LITERAL,
            place=place,
            column=column.reference,
            grant=f"none: a {role.value} is never compared with a value"
            if column.is_identifier
            else grant,
        )


def require_column(clause: Clause, columns: Iterable[SourceColumn], *, place: Place) -> None:
    """Refuse columns that may not meet another column.

    Raises:
        QueryRefusedError: One of them is not listed by its owner.
    """
    for column in _sorted(columns):
        policy = clause.builder.policy_of(column)
        grant = f"[compare] column += {column.column.name} in the policy of {column.lineage}"
        if column.column.role is Role.PUBLIC:
            continue
        if column.column.name in policy.compare_column:
            clause.builder.granted.add(grant)
            continue
        refuse(
            "compare-column",
            f"{column.reference} may not be compared with another column",
            fix=_FIX_COLUMN,
            place=place,
            column=column.reference,
            grant=grant,
        )


def as_condition(expr: Expr, clause: Clause, *, place: Place) -> Expr:
    """Return an expression that is true or false, checked for what it compares.

    Raises:
        QueryRefusedError: It is neither, or a column that may not meet a value.
    """
    require_type(expr, BOOLEAN, what="the condition", place=place)
    if isinstance(expr, Ref):
        # A bare boolean column is a comparison with TRUE.
        require_comparable(clause, expr, place=place)
    return typed_null(expr, BOOLEAN)


def refuse_identifiers(clause: Clause, *exprs: Expr, place: Place, compared: bool = False) -> None:
    """Refuse to compute with identifiers.

    This one rule stops most singling out: a key that meets a value, a function or a CASE
    names one person, or a chosen set of them.

    Raises:
        QueryRefusedError: One of the expressions is an identifier.
    """
    if clause.level is Level.RELEASED:
        return
    for expr in exprs:
        for identifier in identifiers_of(clause.builder.columns, expr):
            source = identifier.source
            refuse(
                "compare-literal" if compared else "identifier",
                f"{source.reference} ({identifier.role.value}) may only be joined, counted, "
                "grouped by or tested for NULL",
                fix="filter, group or compute with another column",
                place=place,
                column=source.reference,
                grant=f"none: a {identifier.role.value} is never computed with",
            )


def _sorted(columns: Iterable[SourceColumn]) -> list[SourceColumn]:
    return sorted(set(columns), key=lambda column: column.reference)
