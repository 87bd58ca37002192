# SPDX-License-Identifier: Apache-2.0
"""Between which bounds the values of an expression lie, and on which decimal grid.

Computed from types and declared bounds alone. A number on no known grid (a quotient,
say) has none, and gets one where it is summed.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from cleanroom.contract.policy_terms import Column, Role
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass

MOST = Fraction(10**30)
MAX_SCALE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bounds and grid of a number.

    Attributes:
        lower: Least value.
        upper: Greatest value.
        scale: Digits after the point; ``None`` for a number on no known grid.
        declared: Whether policies declare the bounds, so that they are kept and not chosen.
        exact: Whether the type itself declares the grid.
        weight: What one row counts for at most, of a number that is made of constants, conditions
            and counts alone; ``MOST`` where nobody can tell; ``None`` if a column's value is in
            it, which is a measured number.
    """

    lower: Fraction
    upper: Fraction
    scale: int | None
    declared: bool
    exact: bool = False
    weight: Fraction | None = None


UNKNOWN = Range(lower=-MOST, upper=MOST, scale=None, declared=False)
INTEGERS = Range(lower=Fraction(-(2**63)), upper=Fraction(2**63 - 1), scale=0, declared=False)
_ONE = Fraction(1)
INDICATOR = Range(lower=Fraction(0), upper=_ONE, scale=0, declared=True, weight=_ONE)
COUNTS = Range(lower=Fraction(0), upper=Fraction(2**63 - 1), scale=0, declared=False, weight=_ONE)


def range_of_column(column: Column, kind: ColumnType) -> Range:
    """Read the range of a column of a dataset from its bounds and its type."""
    scale = kind.decimal[1] if kind.decimal else {"integer": 0}.get(kind)
    if column.role is Role.MEASURE and column.lower is not None and column.upper is not None:
        return Range(
            lower=column.lower,
            upper=column.upper,
            scale=scale,
            declared=True,
            exact=scale is not None,
        )
    if kind == "integer":
        return INTEGERS
    if kind.decimal:
        most = Fraction(10 ** (kind.decimal[0] - kind.decimal[1]))
        return Range(lower=-most, upper=most, scale=scale, declared=False)
    return UNKNOWN


def range_of_number(value: int | Decimal) -> Range:
    """Range of a constant."""
    exponent = Decimal(value).normalize().as_tuple().exponent
    scale = max(0, -exponent) if isinstance(exponent, int) else None
    number = Fraction(value)
    return Range(lower=number, upper=number, scale=scale, declared=True, weight=abs(number))


def hull(*ranges: Range) -> Range:
    """Range of a value that is one of several."""
    return Range(
        lower=min(item.lower for item in ranges),
        upper=max(item.upper for item in ranges),
        scale=_finest(ranges),
        declared=all(item.declared for item in ranges),
        weight=_heaviest(ranges),
    )


def added(one: Range, other: Range) -> Range:
    """Range of a sum."""
    return _made(one, other, one.lower + other.lower, one.upper + other.upper)


def subtracted(one: Range, other: Range) -> Range:
    """Range of a difference."""
    return _made(one, other, one.lower - other.upper, one.upper - other.lower)


def multiplied(one: Range, other: Range) -> Range:
    """Range of a product; its grid has the digits of both."""
    corners = [a * b for a in (one.lower, one.upper) for b in (other.lower, other.upper)]
    scale = None if one.scale is None or other.scale is None else one.scale + other.scale
    return Range(
        lower=max(-MOST, min(corners)),
        upper=min(MOST, max(corners)),
        scale=None if scale is None else min(MAX_SCALE, scale),
        declared=one.declared and other.declared,
        weight=_weight_of_product(one.weight, other.weight),
    )


def divided(one: Range, other: Range) -> Range:
    """Range of a quotient: known only if what it is divided by is one number."""
    if other.lower != other.upper or not other.lower:
        return UNKNOWN
    return replace(multiplied(one, _inverse(other)), scale=None)


def summed(one: Range) -> Range:
    """Range of a sum of unknown length: the grid stays, the bounds do not."""
    return Range(
        lower=Fraction(0) if one.lower >= 0 else -MOST,
        upper=MOST,
        scale=one.scale,
        declared=False,
        weight=one.weight,
    )


def _made(one: Range, other: Range, lower: Fraction, upper: Fraction) -> Range:
    return Range(
        lower=max(-MOST, lower),
        upper=min(MOST, upper),
        scale=_finest((one, other)),
        declared=one.declared and other.declared,
        weight=_heaviest((one, other)),
    )


def _inverse(number: Range) -> Range:
    inverse = 1 / number.lower
    return replace(number, lower=inverse, upper=inverse, weight=abs(inverse))


def _heaviest(ranges: tuple[Range, ...]) -> Fraction | None:
    weights = [item.weight for item in ranges if item.weight is not None]
    return max(weights) if len(weights) == len(ranges) else None


def _weight_of_product(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    """Multiply weights; nothing is left of a column's value that is multiplied by 0."""
    if 0 in (one, other):
        return Fraction(0)
    return None if one is None or other is None else min(MOST, one * other)


def _finest(ranges: tuple[Range, ...]) -> int | None:
    scales = [item.scale for item in ranges if item.scale is not None]
    return max(scales) if len(scales) == len(ranges) else None
