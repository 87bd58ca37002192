# SPDX-License-Identifier: Apache-2.0
"""A returned table becomes a fresh copy of what was declared, or a word."""

import pickle

import pyarrow as pa
import pytest

from cleanroom.runner.analysis import crossing
from cleanroom.runner.analysis.judge import judge
from tests.support.crossing_tables import GOOD, MOST_ROWS, SCHEMA, written


def judged(data):
    return judge(data, schema=SCHEMA, most_rows=MOST_ROWS)


def fresh(data):
    word, table = judged(data)
    assert word == crossing.ACCEPTED
    return table


def word(data):
    found, table = judged(data)
    assert (table is None) == (found != crossing.ACCEPTED)
    return found


def changed(name, values):
    place = GOOD.schema.get_field_index(name)
    return GOOD.set_column(place, pa.field(name, values.type), values)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_declared_table_comes_back_whole(compression):
    assert fresh(written(GOOD, compression=compression)).equals(GOOD)


def test_an_empty_table_is_a_table():
    assert fresh(written(GOOD.slice(0, 0))).num_rows == 0


def test_what_lies_beside_the_values_stays_behind():
    hidden = GOOD.replace_schema_metadata({"secret": "hidden"})
    sliced = pa.concat_tables([hidden, hidden]).slice(1, 2)
    back = fresh(written(sliced))
    assert back.schema.metadata is None
    assert back.equals(pa.concat_tables([GOOD, GOOD]).slice(1, 2))


def test_text_hidden_between_values_stays_behind():
    name = pa.array(["kept", "SECRET-BEHIND-A-NULL", "kept"])
    hidden = pa.StringArray.from_buffers(
        3, name.buffers()[1], name.buffers()[2], pa.py_buffer(b"\x05")
    )
    table = written(changed("name", hidden))
    assert b"SECRET" in table
    assert b"SECRET" not in written(fresh(table))


NESTED = {
    "a list": pa.array([[1], [2], None]),
    "a struct": pa.array([{"a": 1}, None, None]),
    "a map": pa.array([[("a", 1)], None, None], type=pa.map_(pa.string(), pa.int64())),
    "a dictionary": pa.array(["a", "b", None]).dictionary_encode(),
    "an extension": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([b"u" * 16] * 3, pa.binary(16))
    ),
    "other strings": pa.array(["a", "b", None], type=pa.large_string()),
    "bytes": pa.array([b"a", b"b", None]),
    "narrow integers": pa.array([1, 2, 3], type=pa.int32()),
    "nulls": pa.nulls(3),
    "run lengths": pa.RunEndEncodedArray.from_arrays([3], [1]),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("column", ["unit", "name"])
def test_a_column_of_another_type_is_another_schema(kind, column):
    assert word(written(changed(column, NESTED[kind]))) == crossing.SCHEMA


@pytest.mark.parametrize(
    "table",
    [
        GOOD.select(["unit"]),
        GOOD.append_column("more", pa.array([1, 2, 3])),
        GOOD.rename_columns([*GOOD.column_names[:-1], "other"]),
        GOOD.select(GOOD.column_names[::-1]),
    ],
    ids=["fewer", "more", "renamed", "reordered"],
)
def test_other_columns_are_another_schema(table):
    assert word(written(table)) == crossing.SCHEMA


def test_more_rows_than_declared_are_refused():
    assert word(written(pa.concat_tables([GOOD] * 34))) == crossing.ROWS
    assert word(written(pa.concat_tables([GOOD] * 33))) == crossing.ACCEPTED


def test_strings_that_point_outside_or_are_no_text_are_refused():
    for places, text in (((0, 2**30, 2, 3), b"abc"), ((0, 1, 2, 3), b"\xff\xfe\xfd")):
        offsets = pa.py_buffer(b"".join(place.to_bytes(4, "little") for place in places))
        column = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(text))
        assert word(written(changed("name", column))) == crossing.VALUES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a table",
        pickle.dumps({"a": 1}),
        written(GOOD)[:-300],
        written(GOOD)[100:],
        bytes(10_000),
    ],
    ids=["nothing", "text", "a pickle", "cut", "headless", "zeros"],
)
def test_what_is_not_a_table_has_its_word(data):
    assert word(data) in (crossing.MALFORMED, crossing.VALUES)


@pytest.mark.parametrize("said", [b"", b"accepted", b"secret\n", b"x" * 100])
def test_a_reader_that_says_something_else_is_not_believed(said):
    found, _ = crossing.word_of(said)  # of a reader that was taken over
    assert found != crossing.ACCEPTED
    assert crossing.refused_table(found).code == crossing.MALFORMED
