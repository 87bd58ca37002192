# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_NESTING, MAX_SAFE_INTEGER

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_has_the_bytes_another_implementation_gives(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_bytes_parse_back_to_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


def test_keys_are_ordered_by_utf16_code_units():
    # The example of RFC 8785 section 3.2.3: a surrogate pair sorts before U+FB33.
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    ordered = list(json.loads(canonical_json(value)))
    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "json.type"),
        (float("nan"), "json.type"),
        (b"bytes", "json.type"),
        ({1: "x"}, "json.key"),
        (MAX_SAFE_INTEGER + 1, "json.integer"),
        (-MAX_SAFE_INTEGER - 1, "json.integer"),
        ("\ud800", "json.surrogate"),
    ],
)
def test_a_value_without_one_canonical_form_is_refused(value, code):
    with pytest.raises(MalformedError) as refused:
        canonical_json(value)
    assert refused.value.code == code


def test_nesting_beyond_the_limit_is_refused():
    value: list[object] = []
    for _ in range(MAX_NESTING + 1):
        value = [value]
    with pytest.raises(MalformedError, match="nested deeper"):
        canonical_json(value)
