# SPDX-License-Identifier: Apache-2.0
"""Say what an expression is in the words of policies: columns of datasets, not columns of queries.

Output names are the analyst's and internal ones are secret, so the same expression of the
same columns has the same words in every query. People read them in ``query explain``, and the
disclosure gate recognises by them a group key that was published before.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.admission.columns import everything
from cleanroom.admission.expr import Call, Case, Cast, Expr, Interval, Literal, Param, Ref
from cleanroom.admission.relation import (
    Extend,
    GroupBy,
    LookUp,
    Match,
    Relation,
    ReleasedTable,
    Scan,
    Union,
    Window,
)
from cleanroom.admission.tree import Stage

_DEPTH = 64
_INFIX = frozenset(
    {"+", "-", "*", "/", "//", "%", "=", "<>", "<", "<=", ">", ">=", "and", "or", "||", "like"}
    | {"ilike", "is distinct from", "is not distinct from"}
)
_AFTER = frozenset({"is null", "is not null"})


class Words:
    """Describes expressions over the columns of one relation."""

    def __init__(self, relation: Relation) -> None:
        """Learn what the relation's columns are."""
        self._known: dict[int, str | Expr] = {}
        for item in everything(relation):
            self._known |= _definitions(item)

    def of(self, expr: Expr, *, depth: int = 0) -> str:
        """Describe an expression."""
        if depth > _DEPTH:
            return "..."
        match expr:
            case Ref():
                found = self._known.get(expr.column, "computed")
                return found if isinstance(found, str) else self.of(found, depth=depth + 1)
            case Literal():
                return _constant(expr)
            case Param():
                return f"${expr.name}"
            case Cast():
                return f"{self.of(expr.child, depth=depth + 1)}::{expr.type}"
            case Call():
                return self._call(expr, depth + 1)
            case Case():
                return self._case(expr, depth + 1)

    def _call(self, expr: Call, depth: int) -> str:
        args = [self.of(arg, depth=depth) for arg in expr.args]
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

    def _case(self, expr: Case, depth: int) -> str:
        arms = " ".join(
            f"when {self.of(when, depth=depth)} then {self.of(then, depth=depth)}"
            for when, then in expr.arms
        )
        return f"case {arms} else {self.of(expr.otherwise, depth=depth)} end"


def key_texts(stage: Stage) -> tuple[str, ...]:
    """Return the words for every group key of a stage."""
    words = Words(stage.base)
    return tuple(words.of(key.expr) for key in stage.keys)


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
            computed = {
                part.column: Call(function=f"{part.function} of a unit's", args=part.args, type="")
                for part in item.aggregates
            }
            return {**dict(item.keys), **computed}
        case Window():
            return {
                part.column: Call(function=f"{part.function} over", args=part.args, type="")
                for part in item.calls
            }
        case Union():
            return {
                column: Call(
                    function="either", args=tuple(source[n] for source in item.sources), type=""
                )
                for n, (column, _) in enumerate(item.columns)
            }
        case _:
            return {}
