# SPDX-License-Identifier: Apache-2.0
"""DISTINCT, ORDER BY and LIMIT: free over released rows, and little else.

Before suppression they would tell which groups were hidden. After it they are harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cleanroom.admission.clauses.unit_level import distinct_rows
from cleanroom.admission.clauses.windows import ORDER, direction, nulls_first
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Block, Lowered, ref
from cleanroom.admission.expressions.lower import lower
from cleanroom.admission.expressions.values import read_integer
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.node import Shape, class_of, open_node, type_of
from cleanroom.admission.typed.expr import Expr
from cleanroom.admission.typed.relation import Order, Sort
from cleanroom.kernel.record import dataclass

MAX_ORDERS = 32
MAX_LIMIT = 10**9

_ORDER_BY = Shape(used=frozenset(), lists=frozenset({"orders"}), neutral={"type": "ORDER_MODIFIER"})
_LIMIT = Shape(
    used=frozenset({"limit", "offset"}),
    neutral={"type": "LIMIT_MODIFIER", "limit_type": "ROW_COUNT"},
    rules={"limit_type": ("order-limit", "LIMIT by per cent", "limit to a number of rows")},
)
_DISTINCT = Shape(
    used=frozenset(),
    neutral={"type": "DISTINCT_MODIFIER", "distinct_on_targets": []},
    rules={
        "distinct_on_targets": ("distinct", "DISTINCT ON", "write GROUP BY, or a window"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What ORDER BY may call a SELECT list's outputs: by position or by alias."""

    exprs: tuple[Expr, ...]
    aliases: Mapping[str, Expr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifiers:
    """What is done with the rows of a SELECT at last.

    Attributes:
        clause: The clause of the SELECT list.
        named: Its outputs.
        distinct: Whether equal rows count once.
        orders: In which order.
        limit: How many rows; -1 for all.
        offset: How many are left out first.
        place: Where the SELECT stands.
        limit_place: Where its LIMIT stands.
        order_place: Where the first of its order keys stands.
    """

    clause: Clause
    named: Named
    distinct: bool
    orders: tuple[Order, ...]
    limit: int
    offset: int
    place: Place
    limit_place: Place
    order_place: Place

    def applied(self, block: Block) -> Block:
        """Apply them to a lowered SELECT.

        Raises:
            QueryRefusedError: They would tell something about rows that are not released.
        """
        lowered = block.lowered
        if lowered.level is not Level.RELEASED and (self.limit >= 0 or self.offset):
            refuse(
                "order-limit",
                "LIMIT or OFFSET of rows that are not released",
                fix="limit the released result instead",
                place=self.limit_place,
            )
        if self.distinct:
            block = distinct_rows(block, self.clause.builder, place=self.place)
            lowered = block.lowered
        # An order of protected rows means nothing once they are aggregated.
        if lowered.level is not Level.RELEASED or not (
            self.orders or self.limit >= 0 or self.offset
        ):
            return block
        return replace(block, lowered=self._sorted(lowered, block))

    def _sorted(self, lowered: Lowered, block: Block) -> Lowered:
        builder = self.clause.builder
        # All outputs at last, so that data cannot choose the order of rows that tie.
        ties = tuple(
            Order(expr=ref(builder, column), descending=False, nulls_first=False)
            for _, column in block.outputs
        )
        relation = Sort(
            input=lowered.relation,
            orders=(*self._orders(block), *ties),
            limit=self.limit,
            offset=self.offset,
        )
        return replace(lowered, relation=relation, single=lowered.single or self.limit == 1)

    def _orders(self, block: Block) -> tuple[Order, ...]:
        """Return the order; of distinct rows only outputs are left to order by."""
        if not self.distinct:
            return self.orders
        builder = self.clause.builder
        outputs = dict(zip(self.named.exprs, block.outputs, strict=True))
        made = []
        for order in self.orders:
            if order.expr not in outputs:
                refuse(
                    "order-by",
                    "ORDER BY something that DISTINCT leaves out",
                    fix="select what you order by",
                    place=self.order_place,
                )
            made.append(replace(order, expr=ref(builder, outputs[order.expr][1])))
        return tuple(made)


def lower_modifiers(
    nodes: Sequence[Any], clause: Clause, named: Named, *, near: Place
) -> Modifiers:
    """Read the modifiers of a SELECT or a set operation.

    Raises:
        QueryRefusedError: One that the gate does not know.
    """
    distinct, limit, offset = False, -1, 0
    limit_place = order_place = near
    orders: list[Order] = []
    for node in nodes:
        kind = type_of(node)
        if kind == "DISTINCT_MODIFIER":
            open_node(node, _DISTINCT, place=near)
            distinct = True
        elif kind == "ORDER_MODIFIER":
            items = open_node(node, _ORDER_BY, place=near)["orders"]
            for item in items:
                orders += _order(item, clause, named, near=near)
            order_place = clause.builder.place(items[0].get("expression"), near)
        else:
            opened = open_node(node, _LIMIT, place=near)
            limit_place = clause.builder.place(opened["limit"] or opened["offset"], near)
            limit, offset = (
                _count(opened[name], absent, what=name.upper(), clause=clause, near=near)
                for name, absent in (("limit", -1), ("offset", 0))
            )
    if len(orders) > MAX_ORDERS:
        refuse("order-by", f"more than {MAX_ORDERS} order keys", fix="use fewer", place=order_place)
    return Modifiers(
        clause=clause,
        named=named,
        distinct=distinct,
        orders=tuple(orders),
        limit=limit,
        offset=offset,
        place=near,
        limit_place=limit_place,
        order_place=order_place,
    )


def _count(node: Any, absent: int, *, what: str, clause: Clause, near: Place) -> int:  # noqa: ANN401
    if node is None:
        return absent
    place = clause.builder.place(node, near)
    number = read_integer(node, what=what, place=place)
    if not 0 <= number <= MAX_LIMIT:
        refuse("order-limit", f"{what} out of range", fix="write a smaller number", place=place)
    return number


def _order(node: Any, clause: Clause, named: Named, *, near: Place) -> list[Order]:  # noqa: ANN401
    opened = open_node(node, ORDER, place=near)
    descending, first = direction(opened, place=near), nulls_first(opened, place=near)
    expression = opened["expression"]
    if class_of(expression) == "STAR":
        exprs = list(named.exprs)
    else:
        exprs = [_expr(expression, clause, named, near=near)]
    return [Order(expr=expr, descending=descending, nulls_first=first) for expr in exprs]


def _expr(node: Any, clause: Clause, named: Named, *, near: Place) -> Expr:  # noqa: ANN401
    place = clause.builder.place(node, near)
    if class_of(node) == "CONSTANT":
        position = read_integer(node, what="ORDER BY", place=place)
        if not 0 < position <= len(named.exprs):
            refuse("positional", "ORDER BY a position", fix="name the column", place=place)
        return named.exprs[position - 1]
    if class_of(node) == "COLUMN_REF" and len(node["column_names"]) == 1:
        alias = str(node["column_names"][0]).lower()
        if alias in named.aliases:
            return named.aliases[alias]
    return lower(node, clause, near=near, identifier=True)
