# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64


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
