# SPDX-License-Identifier: Apache-2.0
"""What the state remembers reads back exactly, and nothing else is taken for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.past import (
    PastNumber,
    PastRow,
    PastTable,
    decode_tables,
    encode_tables,
    part_digest,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from tests.support.gate_disclosure import number

NUMBER = number({1: 5, 2: 7})
ROW = PastRow(parts=(part_digest("zip", "a"),), numbers=(NUMBER,))
TABLES = (PastTable(rows=(ROW, PastRow(parts=(), numbers=()))), PastTable(rows=()))
GOOD = json.loads(encode_tables(TABLES))


def with_number(**changes):
    """The good document with one number changed."""
    (first, *rest), *others = GOOD["tables"]
    (old,) = first["numbers"]
    return {"tables": [[{**first, "numbers": [{**old, **changes}]}, *rest], *others]}


def test_tables_round_trip():
    assert decode_tables(encode_tables(TABLES)) == TABLES
    assert decode_tables(encode_tables(())) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "cleanroom.numbers.v1"},
        {"hash": "duckdb-3.0.0"},
        {"tables": {}},
        {"tables": [{}]},
        {"tables": [[{"parts": [], "numbers": [], "more": 1}]]},
        {"tables": [[{"parts": ["AAAA"], "numbers": []}]]},
        with_number(total="5"),
        with_number(total="+" + "0" * 47 + "x"),
        with_number(scale=-1),
        with_number(scale=29),
        with_number(sketches={"pid": "AAAA"}),
        with_number(sketches={"pid": "?"}),
        with_number(sketches={"pid": "AAAA" * 64}),
        with_number(sketches={"pid": "AAAA" * 256}),
        {"extra": 1},
    ],
)
def test_anything_else_is_refused(change):
    with pytest.raises(MalformedError, match=r"^disclosure state:"):
        decode_tables(canonical_json({**GOOD, **change}))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_by_name(data):
    with pytest.raises(MalformedError):
        decode_tables(data)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-(10**40), 10**40),
    st.dictionaries(st.integers(0, 10**6), st.integers(0, 10**6), max_size=40),
)
def test_the_size_tells_nothing_about_the_numbers(total, units):
    other = PastNumber(total=total, scale=0, sketches=number(units).sketches)
    one, two = (encode_tables([PastTable(rows=(PastRow(parts=(), numbers=(item,)),))])
                for item in (NUMBER, other))  # fmt: skip
    assert len(one) == len(two)


def test_a_key_of_one_thing_is_no_key_of_another():
    digests = {part_digest("zip", "a"), part_digest("ward", "a"), part_digest("zip", "b")}
    assert len(digests) == 3
