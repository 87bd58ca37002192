# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_toml import parse_toml

LIMIT = 4096


def parse(data):
    return parse_toml(data, what="document", limit=LIMIT)


def test_plain_toml_is_read():
    moment = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    assert parse(b'a = 1\nb = ["x"]\n[t]\nat = 2026-01-31T00:00:00Z') == {
        "a": 1,
        "b": ["x"],
        "t": {"at": moment},
    }


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a = 1\na = 2", "toml.syntax"),
        (b"a = 1.5", "toml.float"),
        (b"a = inf", "toml.float"),
        (b"a = 9007199254740992", "toml.integer"),
        (b"a = [1, 9007199254740992]", "toml.integer"),
        (b"a = 2026-01-31", "toml.time"),
        (b"a = 12:00:00", "toml.time"),
        (b"a = 2026-01-31T00:00:00", "toml.time"),
        (b"a = 2026-01-31T00:00:00+01:00", "toml.time"),
        (b"a = 2026-01-31T00:00:00.5Z", "toml.time"),
        (b"a = " + b"[" * 40 + b"]" * 40, "toml.nesting"),
        (b"a = " + b"[" * 2000, "toml.nesting"),
        (b"a.b" + b".c" * 40 + b" = 1", "toml.nesting"),
        (b"a" + b".a" * 100 + b" = 1", "toml.nesting"),
        (b"['a'" + b' . "a"' * 100 + b"]", "toml.nesting"),
        (b"a = 1" + b"0" * 300, "toml.integer"),
        (b"a", "toml.syntax"),
        (b'a = "', "toml.syntax"),
        (b"\xff", "format.encoding"),
        (b"a = 1\n# not signed: \r  b = 2", "text.misleading"),
        (b"a = 1  # \x1b[2K", "text.misleading"),
        ("a = 1  # \u009b2K".encode(), "text.misleading"),
        ("a = 1  # \u202e1 = b".encode(), "text.misleading"),
        ("a = 1  # \u2028b = 2".encode(), "text.misleading"),
        ("a = '\u2066'".encode(), "text.misleading"),
        (b"#" * (LIMIT + 1), "format.oversize"),
    ],
)
def test_anything_with_two_readings_is_refused_by_name(data, code):
    with pytest.raises(MalformedError, match="^document: ") as refused:
        parse(data)
    assert refused.value.code == code


def test_comments_in_any_script_and_lines_of_any_end_are_read():
    text = "# \u0645\u06cc\u200c\u0634 \u0936\u0930\u094d\u200d \u75c5\u9662\r\na = 1\t# \u00e9\n"
    assert parse(text.encode()) == {"a": 1}


def test_a_character_that_misleads_is_named_with_its_line():
    with pytest.raises(MalformedError, match="^document: found the character U[+]202E in line 3"):
        parse("a = 1\n\nb = 2 # \u202e".encode())


def test_a_refusal_says_where_the_syntax_breaks():
    with pytest.raises(MalformedError, match="line 2"):
        parse(b"a = 1\nb = = 2\n")


@given(st.text(max_size=100))
def test_text_gives_a_table_or_a_refusal_and_nothing_else(text):
    try:
        assert isinstance(parse(text.encode("utf-8", "surrogatepass")), dict)
    except MalformedError as refused:
        assert refused.code.partition(".")[0] in {"toml", "json", "format", "text"}


def test_a_number_too_long_for_python_is_refused_by_name():
    with pytest.raises(MalformedError) as refused:
        parse_toml(b"a = 1" + b"0" * 5000, what="document", limit=10_000)
    assert refused.value.code == "toml.integer"


def test_a_key_deep_enough_to_take_minutes_is_refused_before_it_is_parsed():
    data = b"a" + b".a" * 2_000_000 + b" = 1"
    with pytest.raises(MalformedError) as refused:
        parse_toml(data, what="document", limit=len(data))
    assert refused.value.code == "toml.nesting"
