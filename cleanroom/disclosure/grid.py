# SPDX-License-Identifier: Apache-2.0
"""Put released numbers on the policy's grid, exactly.

A float would round differently on two machines, and its last digits would carry
the order in which rows were added.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import isqrt


def round_count(count: int, *, base: int) -> int:
    """Round a count to the nearest multiple of the base; a tie goes to the even multiple."""
    return round(Fraction(count, base)) * base


def round_number(value: Fraction, *, digits: int) -> str:
    """Write a number with at most so many significant digits, without an exponent."""
    if not value:
        return "0"
    exponent = digits - 1 - _magnitude(abs(value))
    units = round(value * Fraction(10) ** exponent)
    return _decimal(units, exponent)


def _magnitude(value: Fraction) -> int:
    """Return the power of ten of the first significant digit."""
    guess = len(str(value.numerator)) - len(str(value.denominator))
    return guess if value >= Fraction(10) ** guess else guess - 1


def _decimal(units: int, exponent: int) -> str:
    if exponent <= 0:
        return str(units * 10**-exponent)
    sign = "-" if units < 0 else ""
    text = str(abs(units)).rjust(exponent + 1, "0")
    fraction = text[-exponent:].rstrip("0")
    return f"{sign}{text[:-exponent]}.{fraction}" if fraction else f"{sign}{text[:-exponent]}"


def round_root(square: Fraction, *, digits: int, negative: bool = False) -> str:
    """Write the square root of an exact number with at most so many significant digits."""
    if not square:
        return "0"
    exponent = digits - 1 - _magnitude(square) // 2
    # One bit more than the grid, so that the last digit is rounded and not cut off.
    doubled = isqrt(math.floor(4 * square * Fraction(100) ** exponent))
    units = (doubled + 1) // 2
    return _decimal(-units if negative else units, exponent)
