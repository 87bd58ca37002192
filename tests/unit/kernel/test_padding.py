# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.padding import SMALLEST_STEP, pad, unpad


@given(st.binary(max_size=20_000))
def test_padding_round_trips_and_shows_a_power_of_two_only(data):
    padded = pad(data)
    assert unpad(padded, what="result") == data
    assert len(padded) >= SMALLEST_STEP
    assert len(padded) & (len(padded) - 1) == 0


@pytest.mark.parametrize(
    "padded",
    [b"", b"\0" * 7, pad(b"x")[:-1], pad(b"x") + b"\0", pad(b"x")[:-1] + b"\1", b"\xff" * 4096],
)
def test_there_is_one_padded_form_only(padded):
    with pytest.raises(MalformedError, match="^result: not padded"):
        unpad(padded, what="result")
