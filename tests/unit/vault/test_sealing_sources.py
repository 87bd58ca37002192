# SPDX-License-Identifier: Apache-2.0
"""Sealing from every kind of source: what is in the part is what was in the table."""

import datetime as dt
import decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.errors import CleanroomError, MalformedError, RefusedError, UnavailableError
from cleanroom.vault.open import open_dataset
from tests.support import sealed_tables
from tests.support.sealed_tables import encounters, readers

SECRET = "Zzyzx-do-not-disclose"


def opened(sealed, directory):
    plain = directory / "plain.parquet"
    with readers(sealed, directory) as parts:
        open_dataset(parts, destination=plain)
    return pq.read_table(plain)


def seal_text(tmp_path, text, *, name="source.csv", **options):
    source = tmp_path / name
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    return sealed_tables.seal(source, destination=tmp_path / "parts", **options)


def types_of(tmp_path, values, **options):
    lines = "\n".join(["c,keep", *(f"{value},1" for value in values)])
    return dict(seal_text(tmp_path, lines + "\n", columns=("c", "keep"), **options).columns)["c"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow", "pandas"])
def test_every_source_gives_the_same_rows_in_the_same_order(tmp_path, kind):
    table = encounters(10_000)
    path = tmp_path / f"source.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=3000)
    if kind == "csv":
        table.to_pandas().to_csv(path, index=False)
    source = {"arrow": table, "pandas": table.to_pandas()}.get(kind, path)
    sealed = sealed_tables.seal(source, destination=tmp_path / "parts")
    assert len(sealed.parts) == 3
    assert sealed.columns == (("patient_id", "string"), ("ward", "string"), ("cost", "integer"))
    assert opened(sealed, tmp_path / "parts").to_pylist() == table.to_pylist()


def test_an_empty_table_has_one_part(tmp_path):
    sealed = sealed_tables.seal(encounters(0), destination=tmp_path / "parts")
    assert len(sealed.parts) == 1
    assert opened(sealed, tmp_path / "parts").num_rows == 0


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-20", ""], "integer"),
        (["0", "9223372036854775807"], "integer"),
        (["9223372036854775808"], "string"),
        (["007", "12"], "string"),
        (["+5"], "string"),
        (["1.5", "2", "1e3"], "double"),
        (["1234567890123456.5"], "string"),
        (["nan"], "string"),
        (["true", "FALSE"], "boolean"),
        (["t", "f"], "string"),
        (["2024-02-29", "2023-01-01"], "date"),
        (["2023-02-29"], "string"),
        (["2024-01-01", "2024-01-01 10:00:00"], "timestamp"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00.5+02:00"], "timestamp"),
        (["", ""], "string"),
        (["x y", "1"], "string"),
    ],
)
def test_a_text_gets_the_narrowest_type_that_loses_nothing(tmp_path, values, kind):
    assert types_of(tmp_path, values) == kind


def test_a_late_value_decides_the_type_of_the_whole_column(tmp_path):
    assert types_of(tmp_path, [*map(str, range(30_000)), "n/a"]) == "string"


def test_a_column_that_starts_empty_still_gets_its_type(tmp_path):
    assert types_of(tmp_path, [*[""] * 30_000, "5"]) == "integer"


def test_several_columns_that_fail_late_are_each_decided(tmp_path):
    rows = [f"{n},2024-01-01,{n}" for n in range(25_000)]
    text = "\n".join(["a,b,c", *rows, "1.5,2024-01-01 10:00,x"]) + "\n"
    sealed = seal_text(tmp_path, text, columns=("a", "b", "c"))
    assert sealed.columns == (("a", "double"), ("b", "timestamp"), ("c", "string"))


def test_offsets_are_applied_and_times_are_utc(tmp_path):
    text = "c,d\n2024-01-01T10:00:00+02:00,1\n2024-01-01 10:00:00,2\n"
    sealed = seal_text(tmp_path, text, columns=("c", "d"))
    hours = [row["c"].hour for row in opened(sealed, tmp_path / "parts").to_pylist()]
    assert hours == [8, 10]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path, delimiter):
    text = f"a{delimiter}b\r\nx y{delimiter}1\r\n"
    sealed = seal_text(tmp_path, text, name="source.tsv", columns=("a", "b"))
    assert sealed.columns == (("a", "string"), ("b", "integer"))


def test_quotes_that_first_appear_late_are_still_quotes(tmp_path):
    rows = ["a,b", *["x,1"] * 25_000, '"one, ""two""\nthree",2']
    sealed = seal_text(tmp_path, "\n".join(rows) + "\n", columns=("a", "b"))
    assert opened(sealed, tmp_path / "parts").to_pylist()[-1] == {"a": 'one, "two"\nthree', "b": 2}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    sealed = seal_text(tmp_path, "\ufeffa,b\n1,2\n", columns=("a", "b"))
    assert sealed.columns == (("a", "integer"), ("b", "integer"))


def test_stated_types_are_used(tmp_path):
    text = "c,d\n1.50,x\n2.25,y\n,z\n"
    sealed = seal_text(tmp_path, text, columns=("c", "d"), types={"c": "decimal(10,2)"})
    assert sealed.columns == (("c", "decimal(10,2)"), ("d", "string"))
    rows = opened(sealed, tmp_path / "parts").to_pylist()
    assert [row["c"] for row in rows] == [decimal.Decimal("1.50"), decimal.Decimal("2.25"), None]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_value_that_does_not_fit_a_stated_type_names_the_column_only(tmp_path, kind):
    table = pa.table({"c": ["1", SECRET], "keep": ["a", "b"]})
    source = tmp_path / f"source.{kind}"
    if kind == "csv":
        table.to_pandas().to_csv(source, index=False)
    else:
        pq.write_table(table, source)
    with pytest.raises(MalformedError, match="^column c: not every value") as refused:
        sealed_tables.seal(
            source,
            destination=tmp_path / "parts",
            columns=("c", "keep"),
            types={"c": "integer", "keep": "string"},
        )
    require_silent(refused.value)
    assert not list((tmp_path / "parts").glob("*"))


def require_silent(error):
    while error is not None:
        assert SECRET not in str(error) + repr(getattr(error, "hint", ""))
        assert SECRET not in repr(error.__context__) + repr(error.__cause__)
        error = error.__context__


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f'a,b\n1,2\n"{SECRET}\n', "vault.csv"),
        (f"a,b\n1,2,{SECRET}\n", "vault.csv"),
        (f"a,b\n{SECRET}\n", "vault.csv"),
        (f"a,b\n{SECRET},".encode() + b"\xff\n", "vault.csv"),
        (b"\xff\xfea,b\n", "vault.csv-header"),
        ("", "vault.csv-header"),
        (f"{SECRET},\n", "vault.csv-header"),
        (f"{SECRET},{SECRET}\n", "vault.csv-header"),
        (f"a,{SECRET},{SECRET.swapcase()}\n", "vault.csv-header"),
        (f"{SECRET},1932\nx,1\n", "vault.columns"),
        (f"a,{SECRET}\n1,2\n", "vault.column-name"),
    ],
)
def test_a_broken_text_file_is_refused_without_a_cell(tmp_path, text, code):
    with pytest.raises(CleanroomError, match="^source: ") as refused:
        seal_text(tmp_path, text, columns=("a", "b"))
    assert refused.value.code == code
    assert refused.value.hint
    require_silent(refused.value)
    assert not list((tmp_path / "parts").glob("*.part"))


def test_an_engine_type_of_every_kind_finds_its_column_type(tmp_path):
    table = pa.table(
        {
            "b": pa.array([True]),
            "i": pa.array([1], pa.int8()),
            "u": pa.array([2**64 - 1], pa.uint64()),
            "f": pa.array([0.5], pa.float32()),
            "m": pa.array([decimal.Decimal("1.25")], pa.decimal128(9, 2)),
            "s": pa.array(["x"], pa.large_string()),
            "e": pa.array(["x"]).dictionary_encode(),
            "n": pa.nulls(1),
            "d": pa.array([dt.date(2024, 1, 1)]),
            "t": pa.array([0], pa.timestamp("ns")),
            "z": pa.array([0], pa.timestamp("us", "Europe/Berlin")),
        }
    )
    sealed = sealed_tables.seal(
        table, destination=tmp_path / "parts", columns=tuple(table.column_names)
    )
    assert dict(sealed.columns) == {
        "b": "boolean",
        "i": "integer",
        "u": "decimal(20,0)",
        "f": "double",
        "m": "decimal(9,2)",
        "s": "string",
        "e": "string",
        "n": "string",
        "d": "date",
        "t": "timestamp",
        "z": "timestamp",
    }


def test_a_categorical_data_frame_column_is_a_string(tmp_path):
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b", "a"])})
    sealed = sealed_tables.seal(frame, destination=tmp_path / "parts", columns=("c",))
    assert sealed.columns == (("c", "string"),)


def test_a_column_of_lists_is_refused_by_name(tmp_path):
    table = pa.table({"c": [[1]]})
    with pytest.raises(MalformedError, match="^column c: parts hold no values") as refused:
        sealed_tables.seal(table, destination=tmp_path / "parts", columns=("c",))
    assert refused.value.code == "vault.column-type"


def test_a_data_frame_that_mixes_types_is_refused_without_a_cell(tmp_path):
    frame = pd.DataFrame({"c": [1, SECRET]}, dtype=object)
    with pytest.raises(MalformedError, match="mixes types") as refused:
        sealed_tables.seal(frame, destination=tmp_path / "parts", columns=("c",))
    require_silent(refused.value)


def test_identifiers_are_normalised_at_sealing(tmp_path):
    table = pa.table({"email": [" Ada@Example.org ", "n/a"], "phone": [30123456, None]})
    sealed = sealed_tables.seal(
        table,
        destination=tmp_path / "parts",
        columns=("email", "phone"),
        normalisation={"email": "email-sha256", "phone": "phone-e164-sha256:de"},
    )
    assert sealed.columns == (("email", "string"), ("phone", "string"))
    first, second = opened(sealed, tmp_path / "parts").to_pylist()
    assert len(first["email"]) == len(first["phone"]) == 64
    assert second == {"email": None, "phone": None}


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (("patient_id", "ward"), RefusedError, "column cost has no role in the policy"),
        (
            ("patient_id", "ward", "cost", "age"),
            RefusedError,
            "column age of the policy is missing",
        ),
        (("age",), RefusedError, "none of its columns is in the policy"),
    ],
)
def test_columns_and_policy_must_agree_by_name(tmp_path, columns, error, words):
    with pytest.raises(error, match=words) as refused:
        sealed_tables.seal(encounters(10), destination=tmp_path / "parts", columns=columns)
    assert refused.value.code == "vault.columns"
    assert not list((tmp_path / "parts").glob("*"))


def test_a_name_in_capitals_is_refused_with_a_hint(tmp_path):
    table = pa.table({"Ward": ["x"], "cost": [1]})
    with pytest.raises(MalformedError, match="name of column 1") as refused:
        sealed_tables.seal(table, destination=tmp_path / "parts", columns=("ward", "cost"))
    assert "lower case" in refused.value.hint


def test_a_name_twice_is_refused(tmp_path):
    table = pa.table([pa.array([1]), pa.array([2])], names=["cost", "cost"])
    with pytest.raises(CleanroomError) as refused:
        sealed_tables.seal(table, destination=tmp_path / "parts", columns=("cost",))
    assert refused.value.code in {"vault.column-name", "vault.source", "vault.columns"}


@pytest.mark.parametrize("option", ["types", "normalisation"])
def test_an_option_for_a_column_that_is_not_there_is_refused(tmp_path, option):
    with pytest.raises(MalformedError, match="^column nobody: "):
        sealed_tables.seal(
            encounters(10), destination=tmp_path / "parts", **{option: {"nobody": "trim-lower"}}
        )


@pytest.mark.parametrize("name", ["absent.parquet", "absent.csv"])
def test_a_source_that_is_not_there_is_unavailable(tmp_path, name):
    with pytest.raises(UnavailableError, match="^source: cannot be read"):
        sealed_tables.seal(tmp_path / name, destination=tmp_path / "parts")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("photo.jpeg", b"\xff\xd8", "vault.source"),
        ("broken.parquet", b"PAR1 and then nothing of the kind PAR1", "vault.source"),
        ("many*.csv", b"a\n1\n", "vault.source-name"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, data, code):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MalformedError, match="^source: ") as refused:
        sealed_tables.seal(tmp_path / name, destination=tmp_path / "parts")
    assert refused.value.code == code
