# SPDX-License-Identifier: Apache-2.0
"""A result's bytes: exact, padded, and strict when read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cleanroom.disclosure.result import decode_result, encode_result
from cleanroom.errors import DisclosureRefusedError, MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_RESULT_BYTES
from tests.support.gate_disclosure import COUNT, decided, shape

COLUMNS = [
    {"name": "flag", "type": "boolean", "statbarn": "Key"},
    {"name": "n", "type": "integer", "statbarn": "Frequencies"},
    {"name": "w", "type": "string", "statbarn": "Key"},
]
DOCUMENT = {
    "format": "cleanroom.result.v0",
    "columns": COLUMNS,
    "rows": [[True, "-9223372036854775808", "x"], [None, None, None]],
    "earlier": [["n"], []],
    "withheld": {"threshold": "0-9"},
    "caution": "",
}


def released(count: int):
    rows = [(f"ward {i}", 1000 * i + unit) for i in range(count) for unit in range(20)]
    return decided("k0 VARCHAR, u0 BIGINT", rows, wanted=shape(COUNT))


def test_a_result_round_trips():
    result = released(3)
    table = decode_result(encode_result(result))
    assert table.rows == result.rows
    assert table.columns == result.columns
    assert table.withheld == result.withheld
    assert table.earlier == result.earlier


def test_a_caution_travels_with_the_numbers():
    careful = replace(decode_result(canonical_json(DOCUMENT)), caution="MIND THIS")
    assert decode_result(encode_result(careful)) == careful


def test_every_kind_of_value_is_read_back():
    table = decode_result(canonical_json(DOCUMENT))
    assert table.rows == ((True, -(2**63), "x"), (None, None, None))
    assert table.earlier == (("n",), ())


def test_a_result_beyond_the_largest_size_is_refused():
    result = released(1)
    huge = replace(result, rows=(("x" * MAX_RESULT_BYTES, 1),))
    with pytest.raises(DisclosureRefusedError, match=r"^result:"):
        encode_result(huge)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "cleanroom.result.v1"},
        {"format": 1},
        {"padding": ""},
        {"withheld": {"threshold": 5}},
        {"caution": None},
        {"columns": [1, 2, 3]},
        {"columns": [{"name": "a"}] * 3},
        {"rows": ["abc"]},
        {"rows": [["x"]]},
        {"rows": [[True, "1"], [None, None, None]]},
        {"rows": [[True, "1", "x", "y"], [None, None, None]]},
        {"rows": [[1, "1", "x"]]},
        {"rows": [["x", "1", "x"]]},
        {"rows": [[True, 1, "x"]]},
        {"rows": [[True, "one", "x"]]},
        {"rows": [[True, "1" * 20, "x"]]},
        {"rows": [[True, "1", 5]]},
        {"earlier": [["n"]]},
        {"earlier": [["other"], []]},
        {"earlier": [[1], []]},
        {"earlier": ["n", []]},
        {"extra": 1},
    ],
)
def test_anything_else_is_refused(change):
    with pytest.raises(MalformedError, match=r"^result:"):
        decode_result(canonical_json({**DOCUMENT, **change}))


def test_a_row_is_a_list_even_where_a_text_has_as_many_letters():
    document = {**DOCUMENT, "columns": COLUMNS[2:] * 2, "rows": ["xy"], "earlier": [[]]}
    with pytest.raises(MalformedError, match=r"^result:"):
        decode_result(canonical_json(document))
    assert decode_result(canonical_json({**document, "rows": [["x", "y"]]})).rows == (("x", "y"),)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", json.dumps(DOCUMENT).encode()[:-1]])
def test_other_bytes_are_refused(data):
    with pytest.raises(MalformedError):
        decode_result(data)
