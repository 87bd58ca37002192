# SPDX-License-Identifier: Apache-2.0
import base64

import pytest

from cleanroom.attestation.platforms.text_forms import (
    MAX_STRANGER_BYTES,
    decoded_text,
    require_pairs,
)
from cleanroom.errors import MalformedError

DATA = bytes(range(256)) + b"tail"


@pytest.mark.parametrize(
    "text",
    [
        DATA,
        DATA.hex().encode(),
        DATA.hex().upper().encode() + b"\n",
        b"0x" + DATA.hex().encode(),
        base64.b64encode(DATA),
        base64.encodebytes(DATA),
        base64.urlsafe_b64encode(DATA).rstrip(b"="),
    ],
)
def test_bytes_come_out_of_any_usual_form(text):
    assert decoded_text(text) == DATA


@pytest.mark.parametrize(
    "data", [b"", b" ", b"AAAAA", b"{}", b"\x00" * 8, b"a" * (MAX_STRANGER_BYTES + 1)]
)
def test_anything_else_is_left_alone(data):
    assert decoded_text(data) == data


def test_hexadecimal_text_with_a_digit_too_few_says_so():
    for text in (b"abc", b"ab\nc\n"):
        with pytest.raises(MalformedError, match="^quote: found 3 hexadecimal digits, agreed an"):
            require_pairs(text, what="quote")
    for data in (b"abcd", b"xyz", b"", b"a" * (MAX_STRANGER_BYTES + 1)):
        assert require_pairs(data, what="quote") == data
