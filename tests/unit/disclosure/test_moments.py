# SPDX-License-Identifier: Apache-2.0
"""Released numbers are what the engine computes, but exact and on the grid."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.grid import round_root
from cleanroom.disclosure.layout import vectors_of
from cleanroom.disclosure.moments import released_number
from cleanroom.disclosure.shape import (
    PAIRED,
    VARIANCES,
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
)
from cleanroom.disclosure.statbarns import Statbarn, statbarn_of
from tests.support.gate_disclosure import RULES, decided, shape

FINE = replace(RULES, significant_digits=12, round_counts=1)
COLUMNS = "k0 VARCHAR, a0 DECIMAL(18,2), a1 DECIMAL(18,2), u0 BIGINT"
ROWS = [
    (
        "a",
        None if unit == 40 else Decimal((unit * 7919) % 1000) / 4 - 60,
        None if unit % 4 == 3 else Decimal((unit * 104_729) % 500) / 4 + unit,
        unit,
    )
    for unit in range(60)
]  # fmt: skip


def aggregate(kind: AggregateKind) -> AggregateShape:
    type_ = "integer" if kind is AggregateKind.REGR_COUNT else "double"
    return AggregateShape(
        name="x", kind=kind, type=type_, argument=0, unit=-1, other=1 if kind in PAIRED else -1
    )


@pytest.mark.parametrize("kind", sorted(PAIRED | VARIANCES))
def test_every_moment_is_what_the_engine_computes(kind):
    # One unit alone has no value of one argument, so look at rows of nobody in particular.
    rows = [row for row in ROWS if row[1] is not None]
    arguments = (ArgumentKind.MEASURE,) * 2
    released = decided(
        COLUMNS, rows, wanted=shape(aggregate(kind), arguments=arguments), rules=FINE
    )
    call = f"{kind.value}(a0, a1)" if kind in PAIRED else f"{kind.value}(a0)"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({COLUMNS})")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        (expected,) = connection.execute(f"SELECT {call} FROM t").fetchone()  # noqa: S608
    assert released.rows, kind
    assert float(released.rows[0][1]) == pytest.approx(float(expected), rel=1e-9)


def test_a_moment_that_one_unit_alone_lacks_is_withheld():
    wanted = shape(aggregate(AggregateKind.CORR), arguments=(ArgumentKind.MEASURE,) * 2)
    assert decided(COLUMNS, ROWS, wanted=wanted, rules=FINE).rows == ()


def test_a_second_moment_that_few_dominate_is_withheld():
    # The largest ten hold a small part of the sum and nearly all of the squares.
    rows = [("a", Decimal(200 if unit < 2 else 20), None, unit) for unit in range(90)]
    rows += [("a", Decimal(21), None, unit) for unit in range(90, 120)]
    variance = shape(aggregate(AggregateKind.VAR_POP), arguments=(ArgumentKind.MEASURE,))
    average = shape(replace(aggregate(AggregateKind.AVG)), arguments=(ArgumentKind.MEASURE,))
    columns = "k0 VARCHAR, a0 DECIMAL(18,2), a1 DECIMAL(18,2), u0 BIGINT"
    strict = replace(FINE, dominance=frozenset({replace(*FINE.dominance, share=Fraction(1, 2))}))
    assert decided(columns, rows, wanted=average, rules=strict).rows
    assert decided(columns, rows, wanted=variance, rules=strict).rows == ()


def released(kind: AggregateKind, *totals: int | Fraction):
    arguments = (ArgumentShape(kind=ArgumentKind.MEASURE),) * 2
    numbers = [Fraction(total) for total in totals]
    return released_number(aggregate(kind), numbers, arguments=arguments, rules=FINE)


@pytest.mark.parametrize(
    ("kind", "totals", "expected"),
    [
        (AggregateKind.AVG, (0, 0), None),
        (AggregateKind.VAR_SAMP, (1, 5, 25), None),
        (AggregateKind.VAR_POP, (0, 0, 0), None),
        (AggregateKind.VAR_POP, (2, 10, 40), "0"),  # totals that do not fit each other
        (AggregateKind.STDDEV_POP, (2, 4, 10), "1"),
        (AggregateKind.COVAR_POP, (0, 0, 0, 0, 0, 0), None),
        (AggregateKind.COVAR_SAMP, (1, 2, 2, 4, 4, 4), None),
        (AggregateKind.CORR, (2, 4, 4, 8, 10, 8), None),  # y is constant
        (AggregateKind.CORR, (2, 4, 6, 10, 20, 10), "-1"),
        (AggregateKind.CORR, (2, 4, 6, 9, 20, 19), "1"),  # never beyond one
        (AggregateKind.REGR_R2, (2, 4, 6, 8, 20, 12), "1"),
        (AggregateKind.REGR_R2, (2, 4, 6, 10, 18, 12), None),
        (AggregateKind.REGR_SLOPE, (2, 4, 6, 10, 18, 12), None),
        (AggregateKind.REGR_INTERCEPT, (2, 4, 6, 10, 18, 12), None),
        (AggregateKind.REGR_COUNT, (2, 4, 6, 10, 18, 12), 2),
    ],
)
def test_numbers_that_are_undefined_or_do_not_fit(kind, totals, expected):
    assert released(kind, *totals) == expected


@settings(max_examples=200, deadline=None)
@given(st.fractions(min_value=0, max_value=10**12), st.integers(1, 15))
def test_a_root_is_rounded_to_the_nearest_number_of_the_grid(square, digits):
    root = Fraction(round_root(square, digits=digits))
    exact = math.sqrt(square)
    assert float(root) == pytest.approx(exact, rel=0.5001 * 10 ** (1 - digits) + 1e-15)
    assert round_root(square, digits=digits, negative=True).lstrip("-") == round_root(
        square, digits=digits
    )


def test_every_aggregate_has_vectors_and_a_class():
    for kind in AggregateKind:
        assert vectors_of(aggregate(kind))
        assert statbarn_of(kind, margins=False)
    assert statbarn_of(AggregateKind.SUM, margins=True) is Statbarn.LINKED_TABLES
    assert statbarn_of(AggregateKind.CORR, margins=True) is Statbarn.CORRELATION_COEFFICIENTS


COUNTING = ArgumentShape(kind=ArgumentKind.MEASURE, weight=Fraction(1))
HEAVY = ArgumentShape(kind=ArgumentKind.MEASURE, weight=Fraction(1000))
NOTHING = ArgumentShape(kind=ArgumentKind.MEASURE, weight=Fraction(0))
MEASURED = ArgumentShape(kind=ArgumentKind.MEASURE)


@pytest.mark.parametrize(
    ("kind", "arguments", "totals", "expected"),
    [
        (AggregateKind.SUM, (COUNTING,), (128,), "130"),
        (AggregateKind.SUM, (HEAVY,), (128_000,), "130000"),
        (AggregateKind.SUM, (NOTHING,), (0,), "0"),
        (AggregateKind.SUM, (MEASURED,), (128,), "128"),
        (AggregateKind.AVG, (COUNTING,), (603, 128), str(Fraction(130, 605))),
        (AggregateKind.AVG, (MEASURED,), (600, 1203), "2.005"),
        (AggregateKind.VAR_POP, (COUNTING,), (601, 299, 299), "0.25"),
        (AggregateKind.REGR_AVGX, (MEASURED, COUNTING), (601, 77, 299, 99, 299, 1), "0.5"),
        (AggregateKind.REGR_AVGY, (COUNTING, MEASURED), (601, 299, 77, 299, 99, 1), "0.5"),
        (AggregateKind.REGR_AVGY, (MEASURED, COUNTING), (600, 75, 299, 99, 299, 1), "0.125"),
        (AggregateKind.COVAR_POP, (COUNTING, COUNTING), (601, 299, 299, 299, 299, 299), "0.25"),
        (AggregateKind.COVAR_POP, (MEASURED, COUNTING), (100, 0, 30, 9, 30, 7), "0.07"),
    ],
)  # fmt: skip
def test_what_only_counts_is_rounded_like_a_count(kind, arguments, totals, expected):
    found = released_number(
        aggregate(kind),
        [Fraction(total) for total in totals],
        arguments=arguments,
        rules=replace(FINE, round_counts=5),
    )
    wanted = Fraction(expected)
    assert float(found) == pytest.approx(float(wanted), rel=1e-11)
    exact = released_number(
        aggregate(kind), [Fraction(total) for total in totals], arguments=arguments, rules=FINE
    )
    assert (exact == found) == (arguments == (MEASURED,) or totals[0] in (0, 100, 600))
