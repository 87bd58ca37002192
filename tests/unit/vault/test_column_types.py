# SPDX-License-Identifier: Apache-2.0
"""Types of sources: what becomes of each, and the way out where parts hold none of its values."""

import datetime as dt
import json
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.errors import MalformedError
from cleanroom.vault.csv_text import find_types as find
from cleanroom.vault.csv_text import read_header
from cleanroom.vault.session import sealing_session
from tests.support.sealed_tables import seal_and_read


def test_nanoseconds_with_a_zone_are_utc(tmp_path):
    # What a data frame with a time zone writes.
    values = pa.array([dt.datetime(2024, 7, 1, 12)], pa.timestamp("us", "UTC"))  # noqa: DTZ001 - it has one
    table = pa.table({"at": values.cast(pa.timestamp("ns", "Europe/Berlin"))})
    pq.write_table(table, tmp_path / "visits.parquet")
    for number, source in enumerate((table, tmp_path / "visits.parquet")):
        sealed, rows = seal_and_read(source, tmp_path / str(number), columns=("at",))
        assert sealed.columns == (("at", "timestamp"),)
        assert rows == [(dt.datetime(2024, 7, 1, 12),)]  # noqa: DTZ001 - sealed times are UTC


def test_a_decimal_that_the_engine_would_round_is_refused_by_name(tmp_path):
    rows = [{"cost": Decimal("1" * 45), "fee": Decimal(1)}]
    kinds = pa.schema([("fee", pa.decimal128(38, 0)), ("cost", pa.decimal256(50, 0))])
    pq.write_table(pa.Table.from_pylist(rows, kinds), tmp_path / "visits.parquet")
    with pytest.raises(MalformedError) as refused:
        seal_and_read(tmp_path / "visits.parquet", tmp_path / "sealed", columns=("fee", "cost"))
    assert refused.value.message == (
        "source: column cost: decimals of 50 digits, agreed at most 38"
    )


@pytest.mark.parametrize(
    ("sql", "kind", "value"),
    [
        ("'a'::ENUM ('a', 'b')", "string", "a"),
        ("'{\"a\": 1}'::JSON", "string", '{"a": 1}'),
        ("sum(range)", "decimal(38,0)", Decimal(3)),
    ],
)
def test_what_a_database_makes_of_text_and_sums_is_sealed(tmp_path, sql, kind, value):
    database = tmp_path / "encounters.duckdb"
    with duckdb.connect(database) as connection:
        made = f"SELECT {sql} AS c FROM range(3) GROUP BY ALL"  # noqa: S608 - of this test
        connection.execute(f"CREATE TABLE encounters AS {made}")
    sealed, rows = seal_and_read(database, tmp_path, columns=("c",))
    assert sealed.columns == (("c", kind),)
    assert rows[0] == (value,)


@pytest.mark.parametrize(
    "value",
    [
        ["a", None, "NULL", 'with "quotes", and commas'],
        {"place": {"lat": 0.1, "names": ["x", None]}, "open": True},
    ],
)
def test_nested_values_are_refused_by_name_and_sealed_as_json_if_stated(tmp_path, value):
    table = pa.table({"keep": [1, 2], "odd": [value, None]})
    names = ("keep", "odd")
    with pytest.raises(MalformedError, match="^column odd: ") as refused:
        seal_and_read(table, tmp_path / "refused", columns=names)
    assert "as JSON with --type odd=string" in refused.value.hint
    sealed, rows = seal_and_read(table, tmp_path, columns=names, types={"odd": "string"})
    assert sealed.columns[1] == ("odd", "string")
    assert json.loads(rows[0][1]) == value
    assert rows[1] == (2, None)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "9223372036854775807", "-9223372036854775808"], "integer"),
        (["1", "9223372036854775808"], "string"),
        (["1", "0.25"], "double"),
        (["1", "0.1234567890123456789"], "double"),
        (["1e289"], "double"),
        (["1e300"], "string"),
        (["1", "007"], "string"),
        (["2024-02-29", "2024-02-30"], "string"),
        (["2024-02-29", "2024-03-01T10:00:00+02:00"], "timestamp"),
    ],
)
def test_the_narrowest_type_holds_every_value_wherever_it_stands(tmp_path, values, kind):
    path = tmp_path / "visits.csv"
    # The later values stand behind the lines that are looked at first.
    lines = [*values[:1] * 600, *values[1:]]
    path.write_text("\n".join(["c", *lines, ""]))
    with sealing_session() as connection:
        assert find(connection, read_header(path), stated=()) == ({"c": kind}, len(lines))


def test_columns_without_values_beside_others_are_strings(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text("a,b,c\n1,,x\n2,,1\n")
    found = {"a": "integer", "b": "string", "c": "string"}
    with sealing_session() as connection:
        assert find(connection, read_header(path), stated=()) == (found, 2)
        assert find(connection, read_header(path), stated=found) == ({}, 2)
