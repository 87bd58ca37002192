# SPDX-License-Identifier: Apache-2.0
"""Say what an expression is in the words of policies: columns of datasets, not columns of queries.

Output names are the analyst's and internal ones are secret, so the same expression of the
same columns has the same words in every query. People read them in ``query explain``, and the
disclosure gate recognises by them a group key that was published before.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.admission.typed.columns import everything
from cleanroom.admission.typed.expr import (
    TRUE,
    Call,
    Case,
    Cast,
    Expr,
    Interval,
    Literal,
    Param,
    Ref,
    call,
)
from cleanroom.admission.typed.relation import (
    Extend,
    GroupAggregate,
    GroupBy,
    LookUp,
    Match,
    Order,
    Relation,
    ReleasedTable,
    Scan,
    Union,
    Window,
    WindowCall,
)
from cleanroom.admission.typed.tree import Stage
from cleanroom.kernel.digest import Digest

_SHOWN = 2000  # characters of a computed column where other expressions read it
_INFIX = frozenset(
    {"+", "-", "*", "/", "//", "%", "=", "<>", "<", "<=", ">", ">=", "and", "or", "||", "like"}
    | {"ilike", "is distinct from", "is not distinct from", "where"}
)
_AFTER = frozenset({"is null", "is not null"})


class Words:
    """Describes expressions over the columns of one relation."""

    def __init__(self, relation: Relation) -> None:
        """Learn what the relation's columns are, inner ones first.

        Each column is described once and its words are bounded: ``x + x`` of ``x + x``, thirty
        subqueries deep, has more words than any memory holds.
        """
        self._known: dict[int, str] = {}
        for item in reversed(everything(relation)):
            for column, found in _definitions(item).items():
                words = found if isinstance(found, str) else self.of(found)
                self._known[column] = _bounded(words)

    def of(self, expr: Expr) -> str:
        """Describe an expression."""
        match expr:
            case Ref():
                return self._known.get(expr.column, "computed")
            case Literal():
                return _constant(expr)
            case Param():
                return f"${expr.name}"
            case Cast():
                return f"{self.of(expr.child)}::{expr.type}"
            case Call():
                return self._call(expr)
            case _:
                return self._case(expr)

    def _call(self, expr: Call) -> str:
        args = [self.of(arg) for arg in expr.args]
        if expr.function in _INFIX:
            return f"({f' {expr.function} '.join(args)})"
        if expr.function in _AFTER:
            return f"{args[0]} {expr.function}"
        if expr.function == "between":
            return f"{args[0]} between {args[1]} and {args[2]}"
        if expr.function == "in":
            return f"{args[0]} in ({', '.join(args[1:])})"
        if expr.function == "holds":
            return args[0]
        return f"{expr.function}({', '.join(args)})"

    def _case(self, expr: Case) -> str:
        arms = " ".join(f"when {self.of(when)} then {self.of(then)}" for when, then in expr.arms)
        return f"case {arms} else {self.of(expr.otherwise)} end"


def key_texts(stage: Stage) -> tuple[str, ...]:
    """Return the words for every group key of a stage."""
    words = Words(stage.base)
    return tuple(words.of(key.expr) for key in stage.keys)


def _bounded(words: str) -> str:
    """Shorten long words; a digest of the rest keeps different expressions apart."""
    if len(words) <= _SHOWN:
        return words
    return f"{words[:_SHOWN]}... ({Digest.of(words.encode())})"


def _constant(expr: Literal) -> str:
    if isinstance(expr.value, Interval):
        span = expr.value
        return f"interval({span.months} months, {span.days} days, {span.micros} us)"
    return "null" if expr.value is None else repr(str(expr.value))


def _definitions(item: Relation) -> Mapping[int, str | Expr]:
    match item:
        case Scan():
            return {part.column: f"{item.lineage}.{part.name}" for part in item.columns}
        case ReleasedTable():
            return {part.column: f"release {item.stage + 1}.{part.name}" for part in item.columns}
        case Extend():
            return dict(item.outputs)
        case Match():
            return {item.flag: "has a partner"}
        case LookUp():
            return {item.flag: "is listed"}
        case _:
            return _computed(item)


def _computed(item: Relation) -> Mapping[int, str | Expr]:
    match item:
        case GroupBy():
            return {**dict(item.keys), **{part.column: _of_group(part) for part in item.aggregates}}
        case Window():
            return {part.column: _over(part) for part in item.calls}
        case Union():
            return {
                column: Call(
                    function="either", args=tuple(source[n] for source in item.sources), type=""
                )
                for n, (column, _) in enumerate(item.columns)
            }
        case _:
            return {}


def _of_group(part: GroupAggregate) -> Expr:
    distinct = " distinct" if part.distinct else ""
    made = call(f"{part.function}{distinct} of a unit's", *part.args)
    return made if part.filter == TRUE else call("where", made, part.filter)


def _over(part: WindowCall) -> Expr:
    orders = (call(_direction(item), item.expr) for item in part.order)
    parts = (*part.args, call("within", *part.partition), call("ordered by", *orders))
    return call(f"{part.function} over {part.frame}".strip(), *parts)


def _direction(order: Order) -> str:
    direction = "descending" if order.descending else "ascending"
    return f"{direction} nulls first" if order.nulls_first else direction
