# SPDX-License-Identifier: Apache-2.0
"""A draft looks at all columns at once, and sees of each what a look at it alone would."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from cleanroom.cli.column_scan import Seen, most_rows_of_a_value, scan_columns
from cleanroom.cli.sketching import PolicyWishes, suggest_policy
from cleanroom.contract.policy import Role, parse_policy
from cleanroom.vault.columns import SealedColumn, plan_columns
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import TableSource

ROWS = 1000
NOTHING = Fraction(0)


class CountedPasses:
    """A table that counts how often all of its rows are asked for."""

    def __init__(self, table: pa.Table, connection: duckdb.DuckDBPyConnection) -> None:
        self._table = TableSource(table, connection)
        self.columns = self._table.columns
        self.measure, self.slice = self._table.measure, self._table.slice
        self.fingerprint = self._table.fingerprint
        self.passes = 0

    @property
    def everything(self) -> str:
        self.passes += 1
        return self._table.everything


def planned(source: CountedPasses) -> tuple[SealedColumn, ...]:
    stated = {name: "string" for name, kind in source.columns if kind.endswith("[]")}
    return plan_columns(source.columns, types={}, stated=stated, normalisation={})


def test_ninety_columns_take_as_many_passes_as_two() -> None:
    passes = []
    for count in (2, 90):
        table = pa.table({f"c{n}": [row % (n + 2) for row in range(ROWS)] for n in range(count)})
        with sealing_session() as connection:
            source = CountedPasses(table, connection)
            scan_columns(connection, source, planned(source))
            passes.append(source.passes)
    assert passes[0] == passes[1] == 2


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([n % 100 for n in range(ROWS)], (False, True, 0, 99)),
        ([n % 101 for n in range(ROWS)], (False, False, 0, 100)),
        ([0] * 9 + [1] * (ROWS - 9), (False, False, 0, 1)),
        ([0] * 10 + [1] * (ROWS - 10), (False, True, 0, 1)),
        ([None] * 10 + [5] * (ROWS - 10), (True, True, 5, 5)),
        ([None] * ROWS, (True, False, 0, 0)),
        ([float("inf"), float("nan"), -2.5] + [n / 4 for n in range(ROWS - 3)], None),
        ([float("inf")] * ROWS, (False, True, 0, 0)),
        ([["x", None] if n % 2 else None for n in range(ROWS)], (True, True, 0, 0)),
        (["often"] * ROWS, (False, True, 0, 0)),
    ],
)
def test_what_is_seen_of_a_column(
    values: list[object], seen: tuple[bool, bool, int, int] | None
) -> None:
    with sealing_session() as connection:
        source = CountedPasses(pa.table({"c": values}), connection)
        found = scan_columns(connection, source, planned(source))["c"]
    if seen is None:
        assert (found.has_empty, found.few_values, found.lower) == (False, False, Fraction(-5, 2))
        assert found.upper == Fraction(ROWS - 4, 4)
        return
    empty, few, lower, upper = seen
    wanted = Seen(has_empty=empty, few_values=few, lower=Fraction(lower), upper=Fraction(upper))
    assert found == wanted


@pytest.mark.parametrize(
    ("values", "most"), [(["a", "b", "a", None, None, None], 2), ([None], 0), (["a", "b"], 1)]
)
def test_rows_without_a_value_are_nobodys(values: list[str | None], most: int) -> None:
    with sealing_session() as connection:
        source = CountedPasses(pa.table({"c": pa.array(values, pa.string())}), connection)
        (column,) = planned(source)
        assert most_rows_of_a_value(connection, source, column) == most


def test_every_column_of_a_wide_text_file_gets_its_role(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    names = [f"{kind}_{n}" for n in range(60) for kind in ("code", "measure", "name")]
    lines = [
        ",".join(
            [f"p{row % 40}"]
            + [f"{'abc'[(row + n) % 3]},{row * n}.5,{row} of {n}" for n in range(60)]
        )
        for row in range(300)
    ]
    file.write_text("\n".join([",".join(["person_id", *names]), *lines]) + "\n")
    wishes = PolicyWishes(dataset="a.wide", unit="", namespace="", receivers=("a",), joins=())
    policy = parse_policy(suggest_policy(file, wishes))
    roles = {"code": Role.DIMENSION, "measure": Role.MEASURE, "name": Role.BLOCKED}
    # Of the first measure every number is one half.
    wanted = {name: roles[name.partition("_")[0]] for name in names}
    wanted |= {"person_id": Role.KEY, "measure_0": Role.DIMENSION}
    assert {name: column.role for name, column in policy.columns.items()} == wanted
