# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_base64 import decode_base64, decode_long_base64, encode_base64


@given(st.binary(max_size=200))
def test_what_was_written_reads_back(data):
    assert decode_base64(encode_base64(data), what="field") == data


@pytest.mark.parametrize(
    "text",
    ["QQ", "QQ=", "QR==", "Q Q=", "QQ==\n", "-_==", "=", "QQ===", "é", "QQ==QQ=="],
    ids=[
        "unpadded",
        "half-padded",
        "unused-bits",
        "space",
        "newline",
        "url",
        "pad",
        "over",
        "letter",
        "two",
    ],
)
def test_another_spelling_is_refused(text):
    with pytest.raises(MalformedError, match="^field:") as refusal:
        decode_base64(text, what="field")
    assert refusal.value.code == "format.base64"


PIECE = 4096


def outcome(decode, text):
    """Give what is read, or why nothing is."""
    try:
        return decode(text, what="field")
    except MalformedError as error:
        return error.code


# One piece is 3072 bytes.
@pytest.mark.parametrize("size", [0, 1, 3071, 3072, 3073, 6143, 6144, 6145, 50_000])
def test_what_is_long_is_read_as_what_is_short(size):
    data = bytes(number * 7 % 251 for number in range(size))
    text = encode_base64(data)
    # The second time most of it is remembered.
    assert [decode_long_base64(text, what="field") for _ in range(2)] == [data, data]


@given(
    place=st.integers(0, 3 * PIECE),
    put=st.sampled_from(["=", "==", "R==", "QQ==", "\n", " ", "-", "é", "", "A"]),
    size=st.sampled_from([0, 3072, 6144, 6200, 9216]),
)
def test_what_is_long_is_refused_as_what_is_short(place, put, size):
    text = encode_base64(bytes(size))
    changed = text[:place] + put + text[place + len(put) :]
    assert outcome(decode_long_base64, changed) == outcome(decode_base64, changed)


@pytest.mark.parametrize("inner", ["QQ==", "QUE="])
def test_padding_at_the_end_of_a_piece_is_within(inner):
    text = "A" * (PIECE - 4) + inner + "AAAA"
    assert outcome(decode_base64, text) == "format.base64"
    assert outcome(decode_long_base64, text) == "format.base64"
