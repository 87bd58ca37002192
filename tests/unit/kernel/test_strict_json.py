# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_json import parse_foreign_json, parse_json

LIMIT = 4096


def parse(data):
    return parse_json(data, what="document", limit=LIMIT)


def test_plain_json_is_read():
    assert parse(b'{"a": [1, -2, true, null, "\\u00e9"]}') == {"a": [1, -2, True, None, "\u00e9"]}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": 1, "a": 1}', "json.duplicate-key"),
        (b'{"x": {"a": 1, "a": 2}}', "json.duplicate-key"),
        (b"1.5", "json.float"),
        (b"1e3", "json.float"),
        (b"NaN", "json.float"),
        (b"-Infinity", "json.float"),
        (b"9007199254740992", "json.integer"),
        (b"9" * 1000, "json.integer"),
        (b'"\\ud800"', "json.surrogate"),
        (b'{"\\ud800": 1}', "json.surrogate"),
        (b"[" * 100 + b"]" * 100, "json.nesting"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "json.nesting"),
        (b"{} {}", "json.syntax"),
        (b"", "json.syntax"),
        (b"{'a': 1}", "json.syntax"),
        (b"\xff", "format.encoding"),
        (b"\xef\xbb\xbf{}", "json.encoding"),
        (b" " * (LIMIT + 1), "format.oversize"),
    ],
)
def test_anything_with_two_readings_is_refused_by_name(data, code):
    with pytest.raises(MalformedError, match="^document: ") as refused:
        parse(data)
    assert refused.value.code == code


def test_nesting_that_would_exhaust_the_stack_is_refused():
    with pytest.raises(MalformedError) as refused:
        parse_json(b"[" * 200_000, what="document", limit=10**6)
    assert refused.value.code == "json.nesting"


@given(st.binary(max_size=200))
def test_bytes_give_a_value_or_a_refusal_and_nothing_else(data):
    try:
        parse(data)
    except MalformedError as refused:
        assert refused.code.partition(".")[0] in {"json", "format"}


def test_a_strangers_fraction_is_text_and_nothing_else_is_looser():
    assert parse_foreign_json(b'{"seconds": 0.50, "n": 1}', what="file", limit=99) == {
        "seconds": "0.50",
        "n": 1,
    }
    for data in (b'{"a":1,"a":1}', b"NaN", b"9007199254740992", b"[" * 99, b"\xff", b" " * 100):
        with pytest.raises(MalformedError, match="^file:"):
            parse_foreign_json(data, what="file", limit=99)
    with pytest.raises(MalformedError, match="a float"):
        parse_json(b"0.5", what="file", limit=99)
