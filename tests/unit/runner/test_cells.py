# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError, QueryFailedError
from cleanroom.runner.cells import read_value, write_value

CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**127), 2**127)
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates()
    | st.datetimes()
)


@given(st.recursive(CELLS, lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_every_kind_of_value_crosses_the_pipe_exactly(value):
    crossed = read_value(json.loads(json.dumps(write_value(value))))
    assert crossed == value
    assert type(crossed) is type(value)


def test_nan_crosses_as_nan():
    assert math.isnan(read_value(write_value(math.nan)))


@pytest.mark.parametrize("value", [b"blob", {"a": 1}, dt.time(1), dt.timedelta(1), object()])
def test_a_kind_the_gate_does_not_know_is_refused(value):
    with pytest.raises(QueryFailedError) as refused:
        write_value(value)
    assert refused.value.code == "engine.kind"


@pytest.mark.parametrize(
    "text", ["", "x1", "b2", "ione", "fzz", "n1.2.3", "d2026-13-01", "tnever", 5, {"i": 1}]
)
def test_text_that_is_no_value_is_refused_without_quoting_it(text):
    with pytest.raises(MalformedError, match="^query child: ") as refused:
        read_value(text)
    assert refused.value.__context__ is None


@given(st.text(max_size=20))
def test_any_text_gives_a_value_or_a_refusal(text):
    try:
        read_value(text)
    except MalformedError as refused:
        assert refused.code == "child.format"
