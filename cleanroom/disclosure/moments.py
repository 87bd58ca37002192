# SPDX-License-Identifier: Apache-2.0
"""Compute released numbers from exact totals, with integers and fractions only.

The names and definitions are those of SQL:2016 and the engine. A square root is taken on
the released grid, of an exact fraction, so that nothing is rounded before the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.grid import round_count, round_number, round_root
from cleanroom.disclosure.shape import (
    PAIRED,
    VARIANCES,
    AggregateKind,
    AggregateShape,
    ArgumentShape,
)
from cleanroom.kernel.record import dataclass

Totals: TypeAlias = Sequence[Fraction]

_ROOTS = frozenset({AggregateKind.STDDEV_POP, AggregateKind.STDDEV_SAMP})
_SAMPLES = frozenset({AggregateKind.VAR_SAMP, AggregateKind.STDDEV_SAMP})
_OF_Y = frozenset({AggregateKind.REGR_AVGY, AggregateKind.REGR_SYY})
_OF_X = frozenset({AggregateKind.REGR_AVGX, AggregateKind.REGR_SXX})
_COUNTS = frozenset(
    {
        AggregateKind.COUNT_ROWS,
        AggregateKind.COUNT,
        AggregateKind.COUNT_DISTINCT,
        AggregateKind.APPROX_COUNT_DISTINCT,
        AggregateKind.REGR_COUNT,
    }
)


def released_number(
    item: AggregateShape, totals: Totals, *, arguments: Sequence[ArgumentShape], rules: Rules
) -> int | str | None:
    """Compute one number and put it on the policy's grid.

    What only counts is counted in the base of counts: ``sum(1)`` is a count of rows, and of
    ``avg(smoker::INT)`` in enough digits anybody reads two counts.

    Args:
        item: What to compute.
        totals: Exact totals of its vectors (``layout.vectors_of``); they may come from
            different releases.
        arguments: All arguments of the release.
        rules: Rounding.

    Returns:
        An integer for counts, decimal text otherwise, None where the number is undefined.
    """
    if item.kind in _COUNTS:
        return round_count(round(totals[0]), base=rules.round_counts)
    weights = tuple(arguments[index].weight for index in _used(item))
    if rules.round_counts > 1 and None not in weights:
        totals = _counted(totals, _own_weights(item, arguments), base=rules.round_counts)
    value = _value(item.kind, totals)
    if value is None:
        return None
    digits = rules.significant_digits
    if item.kind in _ROOTS:
        return round_root(value, digits=digits)
    if item.kind is AggregateKind.CORR:
        return round_root(abs(value), digits=digits, negative=value < 0)
    return round_number(value, digits=digits)


def _used(item: AggregateShape) -> Sequence[int]:
    """Name the arguments whose values are in a number; of a pair both, or one of them."""
    if item.kind in _OF_Y:
        return (item.argument,)
    if item.kind in _OF_X:
        return (item.other,)
    return (item.argument, item.other) if item.kind in PAIRED else (item.argument,)


def _own_weights(item: AggregateShape, arguments: Sequence[ArgumentShape]) -> list[Fraction | None]:
    """Say what a row counts for in each total, in the order of the totals."""
    one, y = Fraction(1), arguments[item.argument].weight
    if item.kind is AggregateKind.SUM:
        return [y]
    if item.kind not in PAIRED:
        return [one, y, _times(y, y)]
    x = arguments[item.other].weight
    return [one, y, x, _times(y, y), _times(x, x), _times(y, x)]


def _times(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one * other


def _counted(totals: Totals, weights: Sequence[Fraction | None], *, base: int) -> Totals:
    """Round what was counted to multiples of the base, as often as one row counts."""
    return [
        round(total / (base * weight)) * base * weight if weight else total
        for total, weight in zip(totals, weights, strict=False)
    ]


def _value(kind: AggregateKind, totals: Totals) -> Fraction | None:
    if kind is AggregateKind.SUM:
        return totals[0]
    if kind in PAIRED:
        return _paired(kind, totals)
    count = totals[0]
    if kind in VARIANCES:
        return _variance(kind, totals)
    return totals[1] / count if count > 0 else None


def _variance(kind: AggregateKind, totals: Totals) -> Fraction | None:
    count, total, squares = totals
    divisor = count - 1 if kind in _SAMPLES else count
    if divisor <= 0:
        return None
    return _spread(count, total, total, squares) / divisor


def _spread(count: Fraction, one: Fraction, other: Fraction, products: Fraction) -> Fraction:
    """Return the sum of squares about the mean.

    Totals of different releases may not fit each other; a square is never below zero.
    """
    return max(Fraction(0), products - one * other / count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paired:
    """Sums about the means of two measures, over the rows in which both have a value."""

    count: Fraction
    y: Fraction
    x: Fraction
    yy: Fraction
    xx: Fraction
    xy: Fraction

    @property
    def slope(self) -> Fraction | None:
        return self.xy / self.xx if self.xx else None

    @property
    def intercept(self) -> Fraction | None:
        slope = self.slope
        return None if slope is None else (self.y - slope * self.x) / self.count

    @property
    def signed_r2(self) -> Fraction | None:
        """The squared correlation, with the sign of the correlation."""
        if not self.xx or not self.yy:
            return None
        squared = min(Fraction(1), self.xy * self.xy / (self.xx * self.yy))
        return -squared if self.xy < 0 else squared

    @property
    def r2(self) -> Fraction | None:
        if self.xx and not self.yy:
            return Fraction(1)
        return None if self.signed_r2 is None else abs(self.signed_r2)

    @property
    def sample_covariance(self) -> Fraction | None:
        return self.xy / (self.count - 1) if self.count > 1 else None


_PAIRED: Mapping[AggregateKind, Callable[[_Paired], Fraction | None]] = {
    AggregateKind.COVAR_POP: lambda sums: sums.xy / sums.count,
    AggregateKind.COVAR_SAMP: lambda sums: sums.sample_covariance,
    AggregateKind.CORR: lambda sums: sums.signed_r2,
    AggregateKind.REGR_AVGX: lambda sums: sums.x / sums.count,
    AggregateKind.REGR_AVGY: lambda sums: sums.y / sums.count,
    AggregateKind.REGR_SXX: lambda sums: sums.xx,
    AggregateKind.REGR_SYY: lambda sums: sums.yy,
    AggregateKind.REGR_SXY: lambda sums: sums.xy,
    AggregateKind.REGR_SLOPE: lambda sums: sums.slope,
    AggregateKind.REGR_INTERCEPT: lambda sums: sums.intercept,
    AggregateKind.REGR_R2: lambda sums: sums.r2,
}


def _paired(kind: AggregateKind, totals: Totals) -> Fraction | None:
    count, y, x, yy, xx, xy = totals
    if count <= 0:
        return None
    sums = _Paired(
        count=count,
        y=y,
        x=x,
        yy=_spread(count, y, y, yy),
        xx=_spread(count, x, x, xx),
        xy=xy - y * x / count,
    )
    return _PAIRED[kind](sums)
