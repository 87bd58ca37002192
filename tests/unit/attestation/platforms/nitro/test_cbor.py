# SPDX-License-Identifier: Apache-2.0
import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.platforms.nitro.cbor import MAX_DEPTH, MAX_ITEMS, decode, encode
from cleanroom.errors import MalformedError

SMALL = st.integers(-(2**64), 2**64 - 1)
VALUES = st.recursive(
    st.none() | SMALL | st.binary(max_size=300) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(SMALL | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_reads_the_same_here_and_elsewhere(value):
    data = encode(value)
    assert data == cbor2.dumps(value)
    assert decode(data, what="value") == cbor2.loads(data) == value


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", "an end inside"),
        ("0000", "bytes behind the end"),
        ("1800", "padded or truncated length"),
        ("1817", "padded or truncated length"),
        ("1900ff", "padded or truncated length"),
        ("1a0000ffff", "padded or truncated length"),
        ("1b00000000ffffffff", "padded or truncated length"),
        ("18", "padded or truncated length"),
        ("1c", "indefinite form"),
        ("5f4100ff", "indefinite form"),
        ("9f00ff", "indefinite form"),
        ("bf0000ff", "indefinite form"),
        ("42ff", "an end inside a value"),
        ("8100 00".replace(" ", ""), "bytes behind the end"),
        ("81", "an end inside a value"),
        ("a100", "an end inside a value"),
        ("61ff", "not UTF-8"),
        ("c000", "tag 0, agreed no tag"),
        ("d28440a04040", "tag 18, agreed no tag"),
        ("f4", "a float, or"),
        ("f7", "a float, or"),
        ("f93c00", "a float, or"),
        ("fb3ff0000000000000", "a float, or"),
        ("a200000000", "one key twice"),
        ("a2616100616101", "one key twice"),
        ("a14100 00".replace(" ", ""), "neither number nor text"),
        ("a18000", "neither number nor text"),
        ("a1f600", "neither number nor text"),
    ],
)
def test_what_two_readers_could_see_differently_is_refused(data, found):
    with pytest.raises(MalformedError, match=f"^value: found .*{found}") as refused:
        decode(bytes.fromhex(data), what="value")
    assert refused.value.code == "cbor.malformed"


def test_the_outermost_map_may_end_at_a_break_where_that_is_asked_for():
    assert decode(bytes.fromhex("bfff"), what="value", open_map=True) == {}
    assert decode(bytes.fromhex("bf00a101020203ff"), what="value", open_map=True) == {
        0: {1: 2},
        2: 3,
    }
    assert decode(bytes.fromhex("a10001"), what="value", open_map=True) == {0: 1}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("bf", "an end inside a value"),
        ("bf0001", "an end inside a value"),
        ("bf00ff", "indefinite form"),
        ("bf00bf0001ffff", "indefinite form"),
        ("bf009f00ffff", "indefinite form"),
        ("bf005f4100ffff", "indefinite form"),
        ("9f00ff", "indefinite form"),
        ("5f4100ff", "indefinite form"),
        ("81bfff", "indefinite form"),
        ("ff", "indefinite form"),
        ("bfffff", "bytes behind the end"),
        ("bf00010002ff", "one key twice"),
        ("bf410001ff", "neither number nor text"),
    ],
)
def test_a_break_ends_nothing_else_than_the_outermost_map(data, found):
    with pytest.raises(MalformedError, match=f"^value: found .*{found}"):
        decode(bytes.fromhex(data), what="value", open_map=True)


def test_a_map_without_a_length_has_the_same_limit():
    members = b"".join(encode(number) + b"\x00" for number in range(MAX_ITEMS))
    assert len(decode(b"\xbf" + members + b"\xff", what="value", open_map=True)) == MAX_ITEMS
    with pytest.raises(MalformedError, match=f"at most {MAX_ITEMS} items"):
        decode(b"\xbf" + members + b"\x18\x40\x00\xff", what="value", open_map=True)


def test_sizes_are_limited_before_anything_is_read():
    with pytest.raises(MalformedError, match=f"at most {MAX_ITEMS} items"):
        decode(bytes.fromhex("9bffffffffffffffff"), what="value")
    assert decode(b"\x98\x40" + bytes(64), what="value") == [0] * MAX_ITEMS
    with pytest.raises(MalformedError, match="an end inside"):
        decode(bytes.fromhex("5bffffffffffffffff00"), what="value")


def test_nesting_is_limited():
    deep = b"\x81" * MAX_DEPTH + b"\x00"
    assert decode(deep, what="value")
    with pytest.raises(MalformedError, match="nesting that is too deep"):
        decode(b"\x81" + deep, what="value")
