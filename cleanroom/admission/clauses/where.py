# SPDX-License-Identifier: Apache-2.0
"""The WHERE clause: filters, each of which removes rows before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cleanroom.admission.clauses.look_ups import filter_look_up, only_look_up
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import NOT_LOOKED_UP, Level
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.expressions.lower import lower, lower_condition
from cleanroom.admission.expressions.subqueries import is_negated, is_partner_test, partner_test
from cleanroom.admission.refusal import Place
from cleanroom.admission.syntax.conjuncts import conjuncts
from cleanroom.admission.syntax.node import PLACED, Shape, open_node, type_of
from cleanroom.admission.typed.relation import MatchKind

_NOT = Shape(
    used=PLACED,
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "OPERATOR", "type": "OPERATOR_NOT"},
)


def conditions_of(node: Any, builder: Builder, *, near: Place) -> list[Any]:  # noqa: ANN401
    """List the conditions of a WHERE clause; an absent one has none.

    Raises:
        QueryRefusedError: More conditions than the limit.
    """
    return [] if node is None else conjuncts(node, locator=builder.locator, near=near)


def lower_where(
    conditions: Sequence[Any], clause: Clause, lowered: Lowered, *, near: Place
) -> Lowered:
    """Keep the rows for which all conditions of a WHERE clause hold.

    Raises:
        QueryRefusedError: A condition that is not admitted.
    """
    for item in conditions:
        lowered = _filtered(item, clause, lowered, near=clause.builder.place(item, near))
    return lowered


def _filtered(node: Any, clause: Clause, lowered: Lowered, *, near: Place) -> Lowered:  # noqa: ANN401
    tested, negated = node, False
    if type_of(node) == "OPERATOR_NOT":
        inner = open_node(node, _NOT, place=near)["children"]
        if len(inner) == 1 and is_partner_test(inner[0]):
            tested, negated = inner[0], True
    if is_partner_test(tested) and lowered.level is not Level.RELEASED:
        kind = MatchKind.ANTI if negated != is_negated(tested) else MatchKind.SEMI
        partner_test(tested, clause, kind=kind, place=near, lower=lower)
        return clause.apply(lowered)
    condition = lower_condition(node, clause, near=near)
    if lowered.level is Level.PROTECTED:
        look_up = only_look_up(clause.builder, condition, place=near)
        if look_up != NOT_LOOKED_UP:
            return filter_look_up(lowered, look_up, condition, place=near)
    return clause.apply(lowered).where(condition)
