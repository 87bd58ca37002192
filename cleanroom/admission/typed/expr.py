# SPDX-License-Identifier: Apache-2.0
"""Typed expressions over the columns of a relation: closed, so nothing else can be generated.

Columns are numbers that are unique in a query. No name of the analyst is in an
expression, and no function but those of :mod:`cleanroom.admission.typed.functions`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

from cleanroom.kernel.record import dataclass

INTERVAL = "interval"
BOOLEAN = "boolean"

Value: TypeAlias = bool | int | str | Decimal | dt.date | dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A constant span of time: so many months, days and microseconds."""

    months: int = 0
    days: int = 0
    micros: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A column of the relation below."""

    column: int
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A typed constant; ``None`` is NULL of that type."""

    value: Value | Interval
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A prepared parameter; its value is bound and never becomes text."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function or operator by its canonical name."""

    function: str
    args: tuple[Expr, ...]
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A conversion that gives NULL where it fails."""

    child: Expr
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``CASE WHEN condition THEN value ... ELSE otherwise END``."""

    arms: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr
    type: str


Expr: TypeAlias = Ref | Literal | Param | Call | Cast | Case

TRUE = Literal(value=True, type=BOOLEAN)
FALSE = Literal(value=False, type=BOOLEAN)


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the direct parts of an expression."""
    if isinstance(expr, Call):
        return expr.args
    if isinstance(expr, Cast):
        return (expr.child,)
    if isinstance(expr, Case):
        return (*(part for arm in expr.arms for part in arm), expr.otherwise)
    return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Give the expression and everything in it; a loop, so that depth does not matter."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def refs(*exprs: Expr) -> frozenset[int]:
    """Return the columns that expressions read."""
    return frozenset(node.column for e in exprs for node in walk(e) if isinstance(node, Ref))


def params(*exprs: Expr) -> frozenset[str]:
    """Return the parameters that expressions use."""
    return frozenset(node.name for e in exprs for node in walk(e) if isinstance(node, Param))


def rewrite(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Replace every part for which ``change`` gives another one, top down."""
    changed = change(expr)
    if changed is not None:
        return changed
    if isinstance(expr, Call):
        return replace(expr, args=tuple(rewrite(arg, change) for arg in expr.args))
    if isinstance(expr, Cast):
        return replace(expr, child=rewrite(expr.child, change))
    if isinstance(expr, Case):
        arms = tuple((rewrite(when, change), rewrite(then, change)) for when, then in expr.arms)
        return replace(expr, arms=arms, otherwise=rewrite(expr.otherwise, change))
    return expr


def call(function: str, *args: Expr, type: str = BOOLEAN) -> Call:  # noqa: A002 - the type of it
    """Write a call of a canonical function."""
    return Call(function=function, args=args, type=type)


def both(one: Expr, other: Expr) -> Expr:
    """Write the conjunction of two conditions."""
    if one == TRUE:
        return other
    return one if other == TRUE else call("and", one, other)


def holds(condition: Expr) -> Expr:
    """Write a condition that is never NULL: unknown counts as not holding."""
    if condition in (TRUE, FALSE) or (
        isinstance(condition, Call) and condition.function == "holds"
    ):
        return condition
    return call("holds", condition)


def fails(condition: Expr) -> Expr:
    """Write that a condition is false or unknown."""
    return call("not", holds(condition))
