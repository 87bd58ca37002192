# SPDX-License-Identifier: Apache-2.0
"""What a number is made of: each column by itself, where nothing is added to it.

``avg(cost + 20000)`` obeys every rule of dominance, whatever ``cost`` is, and tells the mean
cost all the same. ``sum(los + 100 * (sex = 'F')::INT)`` differs between people where ``los`` is
the same for everybody but one. So the parts are checked as well as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from cleanroom.admission.context.facts import Columns
from cleanroom.admission.context.influence import any_column, is_number, range_of
from cleanroom.admission.typed.expr import (
    Call,
    Case,
    Cast,
    Expr,
    Literal,
    Param,
    Ref,
    call,
    children,
)

# One summand: the columns' part, or nothing for what is known without any.
Term: TypeAlias = Expr | None


def parts_of(expr: Expr, columns: Columns) -> tuple[Expr, ...]:
    """Return the parts of a number that is made of more than one thing; else nothing."""
    terms = list(_terms(expr, columns))
    if len(terms) < 2:  # noqa: PLR2004 - one column, multiplied by a constant
        return ()
    return tuple(dict.fromkeys(term for term in terms if term is not None))


def own_parts(expr: Ref, columns: Columns) -> tuple[Expr, ...]:
    """Return the parts of a column: itself, if it is not made of several."""
    return tuple(dict.fromkeys(term for term in _terms(expr, columns) if term is not None))


def _terms(expr: Expr, columns: Columns) -> Iterator[Term]:
    if not any_column(expr, columns):
        if not _is_nothing(expr):
            yield None
    elif isinstance(expr, Ref):
        yield from _of_column(expr, columns)
    elif expr.type == "boolean":
        yield None  # what it indicates is a branch
    elif isinstance(expr, Case):
        yield from _of_case(expr, columns)
    elif isinstance(expr, Call) and expr.function in _OF_CALLS:
        yield from _OF_CALLS[expr.function](expr, columns)
    else:
        for part in children(expr):
            yield from _terms(part, columns)


def _of_sum(expr: Call, columns: Columns) -> Iterator[Term]:
    """Give the parts of a sum, and what several terms only count where another one measures.

    ``2 * days + visits - visits_but_one`` of each person tells in its last digit about the one who
    has such a visit, and either count is another number for everybody.
    """
    summands = list(_summands(expr))
    for summand, _ in summands:
        yield from _terms(summand, columns)
    varying = [pair for pair in summands if any_column(pair[0], columns)]
    counting = [pair for pair in varying if range_of(pair[0], columns).weight is not None]
    several = len(counting) > 1 or any(
        isinstance(summand, Ref) and columns[summand.column].parts for summand, _ in counting
    )
    if several and len(counting) < len(varying):
        yield _added(counting)


def _summands(expr: Expr) -> Iterator[tuple[Expr, bool]]:
    """Take sums, differences and negations apart, without recursion; say what is taken away."""
    waiting = [(expr, False)]
    while waiting:
        node, sign = waiting.pop()
        if isinstance(node, Call) and node.function in _SUMS:
            signs = (sign, sign ^ (node.function == "-"))
            signs = (not sign, sign) if node.function == "negate" else signs
            waiting += reversed(list(zip(node.args, signs, strict=False)))
        else:
            yield node, sign


def _added(summands: Sequence[tuple[Expr, bool]]) -> Expr:
    kind = "integer" if all(item.type == "integer" for item, _ in summands) else "double"
    total: Expr = Literal(value=0, type="integer")
    for summand, negative in summands:
        total = call("-" if negative else "+", total, summand, type=kind)
    return total


def _is_nothing(expr: Expr) -> bool:
    """Tell whether adding a constant changes nothing."""
    if isinstance(expr, Cast):
        return _is_nothing(expr.child)
    return isinstance(expr, Literal) and not expr.value


def _of_column(expr: Ref, columns: Columns) -> Iterator[Term]:
    parts = columns[expr.column].parts
    if not is_number(expr.type) or parts:
        yield None
    if is_number(expr.type):
        found = [Ref(column=part, type=columns[part].type) for part in sorted(parts)]
        yield from found or [expr]


def _of_case(expr: Case, columns: Columns) -> Iterator[Term]:
    """Give the parts of each value where it is taken."""
    before: tuple[tuple[Expr, Expr], ...] = ()
    for condition, value in expr.arms:
        for term in _terms(value, columns):
            yield None if term is None else _where((*before, (condition, term)), _null(term))
        before = (*before, (condition, _null(value)))
    for term in _terms(expr.otherwise, columns):
        yield None if term is None else _where(before, term)


def _where(arms: Sequence[tuple[Expr, Expr]], otherwise: Expr) -> Case:
    """Write a CASE whose other values are absent."""
    none = _null(otherwise)
    typed = ((when, none if _is_null(value) else value) for when, value in arms)
    return Case(arms=tuple(typed), otherwise=otherwise, type=otherwise.type)


def _null(expr: Expr) -> Literal:
    return Literal(value=None, type=expr.type)


def _is_null(expr: Expr) -> bool:
    return isinstance(expr, Literal) and expr.value is None


def _of_choice(expr: Call, columns: Columns) -> Iterator[Term]:
    yield from _terms(_first_present(expr), columns)


def _of_exception(expr: Call, columns: Columns) -> Iterator[Term]:
    value, other = expr.args
    equal = call("=", value, other)
    unless = Case(arms=((equal, _null(value)),), otherwise=value, type=value.type)
    yield from _terms(unless, columns)


def _of_quotient(expr: Call, columns: Columns) -> Iterator[Term]:
    yield from _terms(expr.args[0], columns)


def _first_present(expr: Call) -> Expr:
    first, *rest = expr.args
    more = call("coalesce", *rest, type=expr.type)
    other = more if len(rest) > 1 else (*rest, _null(first))[0]
    return Case(arms=((call("is not null", first), first),), otherwise=other, type=expr.type)


def _of_product(expr: Call, columns: Columns) -> Iterator[Term]:
    for one, other in (expr.args, expr.args[::-1]):
        if isinstance(other, Cast) and other.child.type == "boolean":
            # A number times an indicator is the number where it holds.
            yield from _terms(
                Case(arms=((other.child, one),), otherwise=_null(one), type=one.type), columns
            )
            return
        if isinstance(other, Literal | Param) or not any_column(other, columns):
            yield from _terms(one, columns)
            return
    for part in expr.args:
        yield from _terms(part, columns)


_SUMS = frozenset({"+", "-", "negate"})
_OF_CALLS: Mapping[str, Callable[[Call, Columns], Iterator[Term]]] = {
    **dict.fromkeys(_SUMS, _of_sum),
    "coalesce": _of_choice,
    "nullif": _of_exception,
    "*": _of_product,
    "/": _of_quotient,
}
