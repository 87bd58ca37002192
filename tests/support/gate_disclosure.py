# SPDX-License-Identifier: Apache-2.0
"""Rules, shapes, statistics and sketches for tests of the disclosure gate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import duckdb

from cleanroom.contract.rules import DominanceRule, Rules
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.groups import Group, read_groups
from cleanroom.disclosure.layout import plan_layout
from cleanroom.disclosure.past import PastNumber, PastTable
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)
from cleanroom.disclosure.sketch import MODULUS, from_filled
from cleanroom.disclosure.statistics_sql import salt_parameter, statistics_sql

RULES = Rules(
    public=False,
    threshold=10,
    difference=10,
    p_percent=Fraction(10),
    dominance=frozenset({DominanceRule(largest=2, share=Fraction(9, 10))}),
    round_counts=5,
    significant_digits=4,
    zeros="suppress",
    noise=frozenset(),
    functions=frozenset(),
    kinds=frozenset({"sql"}),
    receivers=frozenset(),
)
COUNT = AggregateShape(
    name="n", kind=AggregateKind.COUNT_ROWS, type="integer", argument=-1, unit=-1
)
SUM = AggregateShape(name="s", kind=AggregateKind.SUM, type="double", argument=0, unit=-1)
AVG = AggregateShape(name="m", kind=AggregateKind.AVG, type="double", argument=0, unit=-1)


def shape(
    *aggregates: AggregateShape,
    keys: tuple[str, ...] = ("ward",),
    arguments: tuple[ArgumentKind, ...] = (),
    units: tuple[str, ...] = ("pid",),
    branches: int = 0,
    sets: tuple[tuple[int, ...], ...] = (),
) -> ReleaseShape:
    """A shape whose output is its keys and then its aggregates."""
    return ReleaseShape(
        keys=tuple(KeyShape(name=name, type="string") for name in keys),
        arguments=tuple(ArgumentShape(kind=kind, digits=12, scale=2) for kind in arguments),
        aggregates=aggregates,
        units=tuple(UnitShape(namespace=name) for name in units),
        branches=branches,
        grouping_sets=sets,
        order=(*keys, *(item.name for item in aggregates)),
    )


PREFIX = "secret00_"
SALT = "salt of a test"


def statistics(
    columns: str,
    rows: Iterable[Sequence[Any]],
    *,
    wanted: ReleaseShape,
    rules: Rules = RULES,
    **limits: int,
) -> list[tuple[Any, ...]]:
    """Compute the statistics of rows of a table; ``columns`` declares it: ``k0 VARCHAR, ...``."""
    names = [column.split()[0] for column in columns.split(", ")]
    listed = ", ".join(f"{name} AS {PREFIX}{name}" for name in names)
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
        values = [value for row in rows for value in row]
        if values:
            marks = f"({', '.join('?' * len(names))})"
            listed_rows = ", ".join([marks] * (len(values) // len(names)))
            connection.execute(f"INSERT INTO t VALUES {listed_rows}", values)  # noqa: S608
        sql = statistics_sql(
            f"SELECT {listed} FROM t",  # noqa: S608
            shape=wanted,
            rules=rules,
            prefix=PREFIX,
            **limits,
        )
        salts = {salt_parameter(PREFIX, unit): SALT for unit in range(len(wanted.units))}
        return connection.execute(sql, salts).fetchall()


def decided(
    columns: str,
    rows: Iterable[Sequence[Any]],
    *,
    wanted: ReleaseShape,
    rules: Rules = RULES,
    history: Sequence[PastTable] = (),
) -> Released:
    """Compute and decide."""
    found = statistics(columns, rows, wanted=wanted, rules=rules)
    return decide(found, shape=wanted, rules=rules, history=history)


def grouped(
    columns: str, rows: Iterable[Sequence[Any]], *, wanted: ReleaseShape, rules: Rules = RULES
) -> tuple[Group, ...]:
    """Compute the statistics and read them."""
    found = statistics(columns, rows, wanted=wanted, rules=rules)
    return read_groups(found, layout=plan_layout(wanted, rules), max_groups=1000)


def sketch(units: Mapping[int, int], *, buckets: int = 128) -> bytes:
    """A sketch of contributions by unit, made without an engine."""
    words = [0] * buckets
    for unit, contribution in units.items():
        hashed = int.from_bytes(hashlib.sha256(b"%d" % unit).digest()[:8], "big")
        place = hashed % buckets
        words[place] = (words[place] + (hashed >> 33) * contribution) % MODULUS
    text = "".join(
        f"{1 << 63 | place << 32 | word:016x}" for place, word in enumerate(words) if word
    )
    return from_filled(text, buckets=buckets)


def number(units: Mapping[int, int], *, space: str = "pid") -> PastNumber:
    """A released number to which these units contributed."""
    return PastNumber(total=sum(units.values()), scale=0, sketches={space: sketch(units)})
