# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst multiplies, until the sum of one person's rows leaves 64 bits, or past a base.

Were it absent then, ``count(s)`` would count those who stay long without a comparison of
``los``, and without either side being counted. It ends at 64 bits instead, for all alike.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Analyst, Memo

CATALOG = corpus_catalog(k=4)
FINE = {"round_counts": 1, "significant_digits": 13}
MEMO = Memo()
STAYS = "hospital.encounters"
GROUPED = f"(SELECT patient_id, sum(los * {{factor}}) AS s FROM {STAYS} GROUP BY patient_id)"
WINDOW = (
    f"(SELECT patient_id, sum(los * {{factor}}) OVER (PARTITION BY patient_id) AS s FROM {STAYS})"
)
# A stay of thirty days fits; more days of one person do not.
FACTOR = 300_000_000_000_000_000


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


def rows(connection, sql):
    return Analyst(connection, CATALOG, change=FINE, memo=MEMO).ask(sql).rows


@pytest.mark.parametrize("inner", [GROUPED, WINDOW], ids=["grouped", "window"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_who_has_much_is_not_told_by_a_sum_that_is_absent(connection, inner, sign):
    large, small = (inner.format(factor=f"{sign}{factor}") for factor in (FACTOR, 1))
    counted = rows(connection, f"SELECT count(s) AS n FROM {large}")
    assert counted == rows(connection, f"SELECT count(s) AS n FROM {small}") != ()
    assert rows(connection, f"SELECT count(*) AS n FROM {large} WHERE s IS NULL") == ()


def test_a_sum_within_64_bits_is_what_it_was(connection):
    inner = GROUPED.format(factor=1)
    assert rows(connection, f"SELECT sum(s) AS s FROM {inner}") == rows(
        connection, f"SELECT sum(los) AS s FROM {STAYS} WHERE patient_id IS NOT NULL"
    )


@pytest.mark.parametrize(
    ("value", "factor"),
    [("sum({}(dx = 'I10')::INT)", 1), ("sum({}CASE WHEN dx = 'I10' THEN 1 ELSE 0 END)", 1000),
     ("avg({}(dx = 'I10')::INT)", 1), ("sum({}x)", 7)],
)  # fmt: skip
def test_no_factor_tells_the_last_digit_of_a_count_that_is_rounded(connection, value, factor):
    # Without a base these are exact, and enough to tell whether one more person is among them.
    from_rows = (
        f"(SELECT patient_id, dx, count(*) OVER (PARTITION BY patient_id, dx) AS x FROM {STAYS})"
    )
    sql = f"SELECT {value.format(f'{factor} * ')} AS s, count(*) AS n FROM {from_rows}"
    [(told, rows)] = (
        Analyst(connection, CATALOG, change=FINE | {"round_counts": 5}, memo=MEMO).ask(sql).rows
    )
    number = round(Fraction(told) / factor * (rows if value.startswith("avg") else 1), 6)
    assert number % 5 == 0 < number
    [(exact, _)] = Analyst(connection, CATALOG, change=FINE, memo=MEMO).ask(sql).rows
    assert exact != told
