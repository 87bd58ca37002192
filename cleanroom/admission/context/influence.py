# SPDX-License-Identifier: Apache-2.0
"""How a value came about: its degree, its range, and the branches that it took.

A sum over many people is harmless only if each one's share is linear in what is known of
them: ``sum(2 - least(greatest(1932 - birth_year, 0), 1))`` is an indicator of one person
that looks like arithmetic. And a CASE that treats a few people differently is a count
of these few, wherever in the query it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cleanroom.admission.context.facts import Columns, Degree
from cleanroom.admission.typed.expr import (
    TRUE,
    Call,
    Case,
    Cast,
    Expr,
    Literal,
    Param,
    Ref,
    both,
    call,
    children,
    fails,
    holds,
    refs,
    walk,
)
from cleanroom.admission.typed.ranges import (
    INDICATOR,
    INTEGERS,
    MOST,
    UNKNOWN,
    Range,
    added,
    divided,
    hull,
    multiplied,
    range_of_number,
    subtracted,
)
from cleanroom.contract.types import split_lineage

MAX_BRANCHES = 64  # of one release, or of one number on its way there

_LINEAR = frozenset({"+", "-"})
_CHOICES = frozenset({"coalesce", "nullif"})
_OVERFLOWING = frozenset({"+", "-", "*", "negate"})
_EXTREMES = frozenset({"least", "greatest"})
_NUMBERS = frozenset({"integer", "double"})


def is_number(kind: str) -> bool:
    """Tell whether a type is one of numbers."""
    return kind in _NUMBERS or kind.startswith("decimal(")


def degree_of(expr: Expr, columns: Columns) -> Degree:
    """Return how an expression depends on columns."""
    if isinstance(expr, Literal | Param):
        return Degree.CONSTANT
    if isinstance(expr, Ref):
        return columns[expr.column].degree
    if expr.type == "boolean":
        # An indicator; what it indicates is one of its branches.
        return Degree.LINEAR if any_column(expr, columns) else Degree.CONSTANT
    if isinstance(expr, Case):
        return max(degree_of(value, columns) for value in _values(expr))
    parts = [degree_of(part, columns) for part in children(expr)]
    if max(parts) is Degree.CONSTANT:
        return Degree.CONSTANT
    if isinstance(expr, Cast):
        return parts[0] if _keeps_value(expr) else Degree.OTHER
    return _degree_of_call(expr, parts)


def any_column(expr: Expr, columns: Columns) -> bool:
    """Tell whether an expression depends on any column that is not a released constant."""
    if isinstance(expr, Ref):
        return columns[expr.column].degree is not Degree.CONSTANT
    return any(any_column(part, columns) for part in children(expr))


def _degree_of_call(expr: Call, parts: list[Degree]) -> Degree:
    if expr.function in _LINEAR | _CHOICES | {"negate"}:
        return max(parts)
    if expr.function == "*":
        return Degree(min(Degree.OTHER, parts[0] + parts[1]))
    if expr.function == "/" and parts[1] is Degree.CONSTANT:
        return parts[0]
    return Degree.OTHER


def _keeps_value(expr: Cast) -> bool:
    source = expr.child.type
    if source == "boolean":
        return is_number(expr.type)
    return source == expr.type or (is_number(source) and expr.type == "double")


def _values(expr: Case) -> tuple[Expr, ...]:
    return (*(then for _, then in expr.arms), expr.otherwise)


def range_of(expr: Expr, columns: Columns) -> Range:
    """Return between which bounds, and on which grid, the values of a number lie."""
    found = _range_of(expr, columns)
    if found.weight is None and not any_column(expr, columns):
        # A constant whose size nobody can tell before the query runs, such as a parameter.
        return replace(found, weight=MOST)
    return found


def _range_of(expr: Expr, columns: Columns) -> Range:
    if isinstance(expr, Ref):
        return INDICATOR if expr.type == "boolean" else columns[expr.column].range
    if isinstance(expr, Literal):
        return _range_of_literal(expr)
    if expr.type == "boolean":
        return INDICATOR
    if isinstance(expr, Case):
        known = [value for value in _values(expr) if not _is_null(value)]
        return hull(*(range_of(value, columns) for value in known)) if known else INDICATOR
    if isinstance(expr, Cast):
        return range_of(expr.child, columns) if _keeps_value(expr) else _range_of_type(expr.type)
    if isinstance(expr, Call):
        return _range_of_call(expr, [range_of(part, columns) for part in expr.args])
    return _range_of_type(expr.type)


def _range_of_literal(expr: Literal) -> Range:
    value = expr.value
    if isinstance(value, bool):
        return INDICATOR
    if value is None or not is_number(expr.type):
        return _range_of_type(expr.type)
    return range_of_number(value)  # type: ignore[arg-type]  # numbers have such values


def _range_of_call(expr: Call, parts: list[Range]) -> Range:
    match expr.function:
        case "+":
            return added(*parts)
        case "-":
            return subtracted(*parts)
        case "negate":
            return subtracted(range_of_number(0), parts[0])
        case "*":
            return multiplied(*parts)
        case "/":
            return divided(*parts)
        case "coalesce" | "nullif" if is_number(expr.type):
            return hull(*parts)
        case _:
            return _range_of_type(expr.type)


def _range_of_type(kind: str) -> Range:
    return INTEGERS if kind == "integer" else UNKNOWN


def _is_null(expr: Expr) -> bool:
    return isinstance(expr, Literal) and expr.value is None


def branches_of(expr: Expr, columns: Columns, *, path: Expr = TRUE) -> frozenset[Expr]:
    """Return the conditions under which a value took one of its branches.

    Each is the conjunction of all conditions on the way: ``CASE WHEN a THEN CASE WHEN b``
    treats the people for whom both hold differently, however many there are of each. They are
    counted no further than one more than may be: products of conditions have exponentially many.
    """
    found: set[Expr] = set()
    for branch in _branches(expr, columns, path):
        found |= {branch} - {TRUE}
        if len(found) > MAX_BRANCHES:
            break
    return frozenset(found)


def _branches(expr: Expr, columns: Columns, path: Expr) -> Iterator[Expr]:
    if isinstance(expr, Ref):
        yield from _carried(expr, columns, path)
    elif isinstance(expr, Case):
        yield from _of_arms(expr, columns, path)
    elif isinstance(expr, Cast):
        yield from _of_cast(expr, columns, path)
    elif isinstance(expr, Call):
        yield from _of_call(expr, columns, path)


def _carried(expr: Ref, columns: Columns, path: Expr) -> Iterator[Expr]:
    for branch in sorted(columns[expr.column].branches):
        yield both(path, Ref(column=branch, type="boolean"))


def _of_arms(expr: Case, columns: Columns, path: Expr) -> Iterator[Expr]:
    before = path
    for condition, value in expr.arms:
        here = both(before, holds(condition))
        yield here
        yield from _branches(value, columns, here)
        before = both(before, fails(condition))
    if path != TRUE or len(expr.arms) > 1:
        # Otherwise it is the other side of the one condition, which is checked with it.
        yield before
    yield from _branches(expr.otherwise, columns, before)


def _of_cast(expr: Cast, columns: Columns, path: Expr) -> Iterator[Expr]:
    if expr.child.type == "boolean" and any_column(expr.child, columns):
        yield both(path, holds(expr.child))
    yield from _branches(expr.child, columns, path)


def _of_call(expr: Call, columns: Columns, path: Expr) -> Iterator[Expr]:
    if expr.function == "nullif":
        yield both(path, holds(call("=", *expr.args)))
    if expr.function == "coalesce":
        before = path
        for part in expr.args[:-1]:
            yield both(before, call("is not null", part))
            before = both(before, call("is null", part))
        yield before
    if expr.function in _EXTREMES and any_column(expr, columns):
        yield from _of_extreme(expr, path)
    if can_overflow(expr, columns):
        yield both(path, _overflow(expr))
    yield from _of_parts(expr, columns, path)


def _of_parts(expr: Call, columns: Columns, path: Expr) -> Iterator[Expr]:
    if expr.function == "*":
        yield from _of_product(expr.args, columns, path)
    elif expr.function in _LINEAR:
        yield from _of_sum(expr.args, columns, path)
    else:
        for part in expr.args:
            yield from _branches(part, columns, path)


def _of_sum(terms: tuple[Expr, ...], columns: Columns, path: Expr) -> Iterator[Expr]:
    """Give the branches of what is added up, and where those of several terms meet or do not.

    ``2 * los + smoker::INT - (smoker AND zip <> '99950')::INT`` is odd for the smoker who lives
    there alone, and each condition holds for many. A term's own branches are made of these.
    """
    met: list[Expr] = []
    for term in terms:
        own = sorted(branches_of(term, columns), key=repr)
        met = _meeting(met, own) if met and own else met or own
        if len(met) > MAX_BRANCHES:
            break
    for branch in met:
        yield both(path, branch)


def _meeting(some: list[Expr], others: list[Expr]) -> list[Expr]:
    """Give every way in which two lists of conditions hold together, but that none does."""
    # One that both have is the same people; with the absence of itself it would be nobody.
    common = [one for one in some if one in others]
    left, right = ([one for one in own if one not in common] for own in (some, others))
    ways = [*common, *(both(one, other) for one in left for other in right)]
    ways += [both(one, _none_of(others)) for one in left]
    ways += [both(_none_of(some), other) for other in right]
    return ways


def _none_of(conditions: list[Expr]) -> Expr:
    nothing: Expr = TRUE
    for condition in conditions:
        nothing = both(nothing, fails(condition))
    return nothing


def can_overflow(expr: Call, columns: Columns) -> bool:
    """Tell whether a whole number may leave 64 bits, by what is declared of its columns.

    It is absent then, so ``sum(birth_year * 4773000000000000)`` counts those who were born
    before 1932, whose product is still a number.
    """
    if expr.type != "integer" or expr.function not in _OVERFLOWING or not any_column(expr, columns):
        return False
    found = range_of(expr, columns)
    return not found.declared or max(abs(found.lower), abs(found.upper)) >= INTEGERS.upper


def _overflow(expr: Call) -> Expr:
    condition: Expr = call("is null", expr)
    for part in sorted(refs(expr)):
        types = {node.type for node in walk(expr) if isinstance(node, Ref) and node.column == part}
        condition = both(condition, call("is not null", Ref(column=part, type=min(types))))
    return holds(condition)


def _of_extreme(expr: Call, path: Expr) -> Iterator[Expr]:
    """Read ``least(a, b)`` as the CASE that it is: ``a`` where ``a <= b``, else ``b``.

    ``least(greatest(x, 1931), 1932)`` has two values, and whoever has the first one may be
    the only one who is so old.
    """
    before = expr.args[0]
    for part in expr.args[1:]:
        yield both(path, holds(call("<=", before, part)))
        before = call(expr.function, before, part, type=expr.type)


def _of_product(factors: tuple[Expr, ...], columns: Columns, path: Expr) -> Iterator[Expr]:
    """Give the branches of a product's factors, and their pairs.

    An indicator times an indicator is a third one. Each factor is read once, because reading
    it twice would take twice the time at every level of a nested product.
    """
    one, other = (sorted(branches_of(factor, columns), key=repr) for factor in factors)
    for left in (*one, *other):
        yield both(path, left)
    for left in one:
        for right in other:
            yield both(path, both(left, right))


def product_owners(expr: Expr, columns: Columns) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Give, for every product of two columns in an expression, the owners of either side."""
    waiting: list[Expr] = [expr]
    while waiting:
        node = waiting.pop()
        waiting.extend(children(node))
        if isinstance(node, Call) and node.function == "*":
            sides = [owners_of_value(part, columns) for part in node.args]
            if all(sides):
                yield sides[0], sides[1]


def owners_of_value(expr: Expr, columns: Columns) -> frozenset[str]:
    """Return whose columns a value is computed of, conditions that choose it left aside."""
    if isinstance(expr, Ref):
        found = columns[expr.column]
        if found.degree is Degree.CONSTANT:
            return frozenset()
        counted = (split_lineage(lineage)[0] for lineage in found.counted)
        return frozenset(source.owner for source in found.sources) | frozenset(counted)
    parts = _values(expr) if isinstance(expr, Case) else children(expr)
    return frozenset(owner for part in parts for owner in owners_of_value(part, columns))
