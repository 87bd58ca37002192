# SPDX-License-Identifier: Apache-2.0
"""What a frame must be before anything is counted of it (T-27)."""

import datetime as dt
import json
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest

from cleanroom.contract.analysis import GroupColumn, MeasureColumn
from cleanroom.contract.types import ColumnType
from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis import frames
from cleanroom.runner.analysis.frames_child import Refused, clean_frame
from cleanroom.runner.analysis.shape import frame_columns
from cleanroom.runner.arrow_types import arrow_schema
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.analyses import COHORT
from tests.support.crossing_tables import written
from tests.support.sandboxes import host

ANALYSIS = replace(
    COHORT,
    groups=(
        GroupColumn(name="stage", type=ColumnType("integer"), values=(1, 2)),
        GroupColumn(name="day", type=ColumnType("date"), values=("2026-01-31",)),
    ),
    measures=(
        MeasureColumn(name="n", type=ColumnType("integer"), lower=Fraction(0), upper=Fraction(9)),
        MeasureColumn(name="x", type=ColumnType("double"), lower=Fraction(-1), upper=Fraction(100)),
        MeasureColumn(
            name="eur", type=ColumnType("decimal(8,2)"), lower=Fraction(0), upper=Fraction(50)
        ),
    ),
    aggregates=(),
)
SCHEMA = arrow_schema([(name, str(kind)) for name, kind in frame_columns(ANALYSIS)])
MEMBERS = pa.table({"unit": ["a", "b", "c", "d"]})


def frame(unit, **changes):
    rows = {"stage": 1, "day": None, "n": 3, "x": 0.5, "eur": None, **changes}
    schema = pa.schema([pa.field("unit", pa.string()), *list(SCHEMA)[1:]])
    return pa.Table.from_pylist([{"unit": unit, **rows}], schema=schema)


def judged(*rounds, members=MEMBERS):
    """Judge one part of each round in this process."""
    request = json.loads(frames.encode_rounds([], ANALYSIS))
    with ExitStack() as held:
        for table in rounds:
            data = table if isinstance(table, bytes) else written(table)
            files = [
                held.enter_context(sealed_memory("t", lambda file, d=d: file.write(d)))
                for d in (written(members), data)
            ]
            request["rounds"].append({"members": files[:1], "frames": files[1:]})
        return clean_frame(request)


def word(*rounds, **changes):
    with pytest.raises(Refused) as refused:
        judged(*rounds, **changes)
    return refused.value.word


def test_rounds_that_agree_give_one_frame_in_the_order_of_units():
    one = pa.concat_tables([frame("b"), frame("a", n=4)])
    other = pa.concat_tables([frame("a", n=4), frame("b")])
    assert judged(one, other).column("unit").to_pylist() == ["a", "b"]


def test_measures_are_clamped_and_rounded_and_what_is_no_number_is_nothing():
    wild = pa.concat_tables(
        [
            frame("a", n=99, x=1e300, eur=Decimal(51)),
            frame("b", n=-5, x=-1.0e9, eur=Decimal(-1)),
            frame("c", x=float("nan"), n=None),
            frame("d", x=0.123456789, eur=Decimal("49.99")),
        ]
    )
    clean = judged(wild).to_pydict()
    assert clean["n"] == [9, 0, None, 3]
    assert clean["x"] == [100.0, -1.0, None, 0.1235]
    assert [None if value is None else str(value) for value in clean["eur"]] == [
        "50.00", "0.00", None, "49.99",
    ]  # fmt: skip


def test_the_last_digits_of_a_double_do_not_make_rounds_differ():
    judged(frame("a", x=0.1 + 0.2), frame("a", x=0.3))
    judged(frame("a", x=0.0), frame("a", x=-0.0))


@pytest.mark.parametrize(
    "change", [{"n": 4}, {"stage": 2}, {"x": 0.6}, {"eur": Decimal(1)}, {"n": None}]
)
def test_a_row_that_differs_between_rounds_is_not_a_map(change):
    assert word(frame("a"), frame("a", **change)) == frames.NOT_A_MAP


def test_a_row_that_only_one_round_has_is_not_a_map():
    both = pa.concat_tables([frame("a"), frame("b")])
    assert word(both, frame("a")) == frames.NOT_A_MAP
    assert word(frame("a"), frame("b")) == frames.NOT_A_MAP


@pytest.mark.parametrize("unit", ["z", "", None, "A"])
def test_a_unit_that_was_not_given_is_refused(unit):
    assert word(frame(unit)) == frames.UNKNOWN_UNIT


def test_two_rows_of_one_unit_are_refused():
    assert word(pa.concat_tables([frame("a"), frame("a")])) == frames.TWO_ROWS


def test_more_rows_than_units_are_refused_before_they_are_read():
    many = pa.concat_tables([frame("a")] * 5)
    assert word(many) == "crossing.rows"


@pytest.mark.parametrize("change", [{"stage": 3}, {"day": dt.date(2026, 2, 1)}])
def test_a_group_that_is_not_listed_is_refused(change):
    assert word(frame("a", **change)) == frames.GROUP_VALUE


def test_a_listed_day_is_a_group():
    clean = judged(frame("a", day=dt.date(2026, 1, 31))).to_pydict()
    assert str(clean["day"][0]) == "2026-01-31"


def test_another_schema_or_no_table_is_refused():
    assert word(frame("a").drop_columns(["x"])) == "crossing.schema"
    assert word(b"a pickle") == "crossing.malformed"
    assert word(b"") == "crossing.malformed"


def test_a_frame_of_nobody_is_a_frame():
    assert judged(frame("a").slice(0, 0), frame("a").slice(0, 0)).num_rows == 0


def test_the_word_of_the_process_becomes_an_error_and_nothing_of_the_frame_does():
    with (
        sealed_memory("u", lambda file: file.write(written(MEMBERS))) as members,
        sealed_memory("f", lambda file: file.write(written(frame("JOHN")))) as file,
        pytest.raises(QueryFailedError) as refused,
        frames.clean_frame(
            [frames.Round(members=(members,), frames=(file,))],
            analysis=ANALYSIS,
            confinement=host().best,
            frame_bytes=4096,
        ),
    ):
        pytest.fail("something crossed")
    assert refused.value.code == frames.UNKNOWN_UNIT
    assert "JOHN" not in refused.value.message
