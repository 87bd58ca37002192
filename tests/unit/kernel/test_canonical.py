# SPDX-License-Identifier: Apache-2.0
import json
from enum import StrEnum
from types import MappingProxyType

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


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "json.type"),
        (MAX_SAFE_INTEGER + 1, "json.integer"),
        ({"b": {2: "x"}}, "json.key"),
        ({"b": {"\u00f6": 1.5}}, "json.type"),
    ],
)
@pytest.mark.parametrize("around", [lambda it: [1, it], lambda it: {"a": it}, lambda it: ("a", it)])
def test_such_a_value_is_refused_wherever_it_stands(value, code, around):
    with pytest.raises(MalformedError) as refused:
        canonical_json({"a": {"z": 1, "b": around(around(value))}})
    assert refused.value.code == code


class Name(StrEnum):
    PLAIN = "plain"


def test_what_only_looks_like_a_plain_type_is_written_like_one():
    value = MappingProxyType({"b": Name.PLAIN, "a": (MappingProxyType({Name.PLAIN: True}), None)})
    assert canonical_json({"x": value}) == b'{"x":{"a":[{"plain":true},null],"b":"plain"}}'


@pytest.mark.parametrize("container", [lambda inner: [inner], lambda inner: {"a": inner}])
@pytest.mark.parametrize("inmost", [0, 1.0, [], {}])
def test_nesting_beyond_the_limit_is_refused(container, inmost):
    value = inmost
    for _ in range(MAX_NESTING + 1):
        value = container(value)
    with pytest.raises(MalformedError, match="nested deeper"):
        canonical_json(value)


@pytest.mark.parametrize("container", [lambda inner: [inner], lambda inner: {"a": inner}])
@pytest.mark.parametrize("inmost", [0, [], {}])
def test_nesting_up_to_the_limit_is_written(container, inmost):
    value = inmost
    for _ in range(MAX_NESTING):
        value = container(value)
    assert json.loads(canonical_json(value)) == value
