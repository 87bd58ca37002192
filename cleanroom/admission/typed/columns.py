# SPDX-License-Identifier: Apache-2.0
"""Which columns a relation has, which its parts read, and what its parts are."""

from __future__ import annotations

from cleanroom.admission.typed.expr import Expr, params
from cleanroom.admission.typed.relation import (
    Attach,
    Extend,
    Filter,
    GroupBy,
    Join,
    LookUp,
    Match,
    OneRow,
    Relation,
    ReleasedTable,
    Scan,
    Sort,
    Union,
    Window,
)


def produced(  # noqa: C901, PLR0911 - one case a node
    relation: Relation,
) -> frozenset[int]:
    """Return the columns that a relation passes on."""
    match relation:
        case Scan() | ReleasedTable():
            return frozenset(item.column for item in relation.columns)
        case OneRow():
            return frozenset()
        case Extend():
            return produced(relation.input) | {column for column, _ in relation.outputs}
        case Filter() | Sort():
            return produced(relation.input)
        case Join() | Attach():
            return produced(relation.left) | produced(relation.right)
        case LookUp():
            return produced(relation.left) | {*relation.columns, relation.flag}
        case Match():
            return produced(relation.left) | {relation.flag}
        case GroupBy():
            keys = {column for column, _ in relation.keys}
            return frozenset(keys | {item.column for item in relation.aggregates})
        case Window():
            return produced(relation.input) | {item.column for item in relation.calls}
        case _:  # a union
            return frozenset(column for column, _ in relation.columns)


def parts(relation: Relation) -> tuple[Relation, ...]:
    """Return the relations that a relation is directly made of."""
    match relation:
        case Scan() | ReleasedTable() | OneRow():
            return ()
        case Join() | Attach() | LookUp() | Match():
            return (relation.left, relation.right)
        case Union():
            return relation.inputs
        case _:
            return (relation.input,)


def scans(relation: Relation) -> tuple[Scan, ...]:
    """Return every reading of a dataset in a relation, in order."""
    return tuple(item for item in everything(relation) if isinstance(item, Scan))


def stages_read(relation: Relation) -> tuple[int, ...]:
    """Return the earlier stages whose tables a relation reads, sorted."""
    found = {item.stage for item in everything(relation) if isinstance(item, ReleasedTable)}
    return tuple(sorted(found))


def everything(relation: Relation) -> list[Relation]:
    """Return a relation and all that it is made of, from left to right."""
    waiting: list[Relation] = [relation]
    found: list[Relation] = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(reversed(parts(node)))
    return found


def expressions(relation: Relation) -> tuple[Expr, ...]:
    """Return the expressions that stand directly in a relation."""
    match relation:
        case Extend():
            return tuple(expr for _, expr in relation.outputs)
        case Filter() | Join():
            return (relation.condition,)
        case LookUp():
            return tuple(expr for expr, _ in relation.equalities)
        case GroupBy():
            aggregates = [
                part for item in relation.aggregates for part in (*item.args, item.filter)
            ]
            return (*(expr for _, expr in relation.keys), *aggregates)
        case Window():
            return tuple(
                part
                for item in relation.calls
                for part in (*item.args, *item.partition, *(order.expr for order in item.order))
            )
        case Union():
            return tuple(expr for source in relation.sources for expr in source)
        case Sort():
            return tuple(order.expr for order in relation.orders)
        case _:
            return ()


def parameters_read(relation: Relation, *more: Expr) -> tuple[str, ...]:
    """Return the parameters that a relation and further expressions use, sorted."""
    found = [expr for item in everything(relation) for expr in expressions(item)]
    return tuple(sorted(params(*found, *more)))
