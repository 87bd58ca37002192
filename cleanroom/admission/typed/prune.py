# SPDX-License-Identifier: Apache-2.0
"""Drop what nobody reads, so that a query reads and declares exactly what it uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cleanroom.admission.typed.columns import produced
from cleanroom.admission.typed.expr import Expr, refs
from cleanroom.admission.typed.relation import (
    Attach,
    Extend,
    Filter,
    GroupBy,
    Join,
    LookUp,
    Match,
    OneRow,
    Order,
    Relation,
    ReleasedTable,
    Scan,
    Union,
    Window,
)

Needed = frozenset[int]


def pruned(  # noqa: C901, PLR0911, PLR0912 - one case a node
    relation: Relation, needed: Needed
) -> Relation:
    """Return a relation without the columns that are not needed above or in it."""
    match relation:
        case Scan() | ReleasedTable():
            kept = tuple(item for item in relation.columns if item.column in needed)
            return replace(relation, columns=kept)
        case OneRow():
            return relation
        case Extend():
            return _extend(relation, needed)
        case Filter():
            below = needed | refs(relation.condition)
            return replace(relation, input=pruned(relation.input, below))
        case Join():
            below = needed | refs(relation.condition)
            return _sides(relation, below)
        case Attach():
            return _sides(relation, needed)
        case LookUp():
            return _look_up(relation, needed)
        case Match():
            return _match(relation, needed)
        case GroupBy():
            return _group(relation, needed)
        case Window():
            return _window(relation, needed)
        case Union():
            return _union(relation, needed)
        case _:
            below = needed | _read(relation.orders)
            return replace(relation, input=pruned(relation.input, below))


def _sides(relation: Join | Attach, needed: Needed) -> Relation:
    return replace(
        relation,
        left=pruned(relation.left, needed & produced(relation.left)),
        right=pruned(relation.right, needed & produced(relation.right)),
    )


def _extend(relation: Extend, needed: Needed) -> Relation:
    # Later outputs may read earlier ones.
    below = set(needed)
    kept: list[tuple[int, Expr]] = []
    for column, expr in reversed(relation.outputs):
        if column in below:
            kept.append((column, expr))
            below |= refs(expr)
    inner = pruned(relation.input, frozenset(below) & produced(relation.input))
    if not kept:
        return inner
    return Extend(input=inner, outputs=tuple(reversed(kept)))


def _look_up(relation: LookUp, needed: Needed) -> Relation:
    columns = {column for _, column in relation.equalities}
    left = needed | refs(*(expr for expr, _ in relation.equalities))
    # What is only filtered by inside must not keep rows apart that are equal otherwise.
    read = (needed | columns) & set(relation.columns)
    return replace(
        relation,
        left=pruned(relation.left, left & produced(relation.left)),
        right=pruned(relation.right, read),
        columns=tuple(number for number in relation.columns if number in read),
    )


def _match(relation: Match, needed: Needed) -> Relation:
    left = needed | {column for column, _ in relation.keys}
    return replace(
        relation,
        left=pruned(relation.left, left & produced(relation.left)),
        right=pruned(relation.right, frozenset(column for _, column in relation.keys)),
    )


def _group(relation: GroupBy, needed: Needed) -> Relation:
    # A key that nobody reads still makes groups.
    kept = tuple(item for item in relation.aggregates if item.column in needed)
    below = refs(*(expr for _, expr in relation.keys))
    for item in kept:
        below |= refs(*item.args, item.filter)
    return replace(relation, aggregates=kept, input=pruned(relation.input, below))


def _window(relation: Window, needed: Needed) -> Relation:
    kept = tuple(item for item in relation.calls if item.column in needed)
    below = needed & produced(relation.input)
    for item in kept:
        below |= refs(*item.args, *item.partition) | _read(item.order)
    inner = pruned(relation.input, below)
    return replace(relation, calls=kept, input=inner) if kept else inner


def _union(relation: Union, needed: Needed) -> Relation:
    kept = [number for number, (column, _) in enumerate(relation.columns) if column in needed]
    sources = tuple(tuple(source[number] for number in kept) for source in relation.sources)
    return replace(
        relation,
        columns=tuple(relation.columns[number] for number in kept),
        sources=sources,
        inputs=tuple(
            pruned(item, refs(*source))
            for item, source in zip(relation.inputs, sources, strict=True)
        ),
    )


def _read(orders: Iterable[Order]) -> Needed:
    return refs(*(order.expr for order in orders))
