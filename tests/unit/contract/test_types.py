# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.contract import types
from cleanroom.contract.types import (
    ColumnType,
    parse_ratio,
    require_form,
    split_column,
    split_lineage,
)
from cleanroom.errors import MalformedError


@pytest.mark.parametrize(
    "text", ["boolean", "integer", "double", "string", "date", "timestamp", "decimal(38,38)"]
)
def test_a_known_type_is_its_own_text(text):
    assert ColumnType(text) == text


@pytest.mark.parametrize(
    "text", ["", "Integer", "varchar", "decimal", "decimal(0,0)", "decimal(39,2)", "integer\n", 7]
)
def test_an_unknown_type_is_refused(text):
    with pytest.raises(MalformedError, match="^column type: found another form"):
        ColumnType(text)


def test_a_scale_larger_than_the_precision_is_refused():
    with pytest.raises(MalformedError, match="scale larger than the precision"):
        ColumnType("decimal(2,3)")


def test_only_numbers_are_numbers():
    numbers = {"integer", "double", "decimal(12,2)"}
    others = {"boolean", "string", "date", "timestamp"}
    assert {kind for kind in numbers | others if ColumnType(kind).is_number} == numbers


def test_precision_and_scale_are_known_of_decimals_only():
    assert ColumnType("decimal(12,2)").decimal == (12, 2)
    assert ColumnType("integer").decimal is None


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6))
def test_an_exact_number_survives_being_written(value):
    assert parse_ratio(str(value), what="share") == value


@pytest.mark.parametrize(
    ("text", "value"), [("9/10", Fraction(9, 10)), ("0.1", Fraction(1, 10)), ("-5", Fraction(-5))]
)
def test_the_three_spellings_of_exact_numbers_are_read(text, value):
    assert parse_ratio(text, what="share") == value


@pytest.mark.parametrize("text", ["", "1e3", "1/0", "01", "+1", "1/-2", ".5", "٣", "1\n", "0x1"])
def test_any_other_spelling_of_a_number_is_refused(text):
    with pytest.raises(MalformedError, match="^share: found another form"):
        parse_ratio(text, what="share")


@pytest.mark.parametrize(
    "name", ["", "Hospital", "-a", "a/b", "..", "a.b", "a\n", "a" * 33, "hôpital", None]
)
def test_no_name_can_be_a_path_or_an_option(name):
    with pytest.raises(MalformedError, match="agreed a name"):
        require_form(name, types.NAME, what="party", agreed="a name")


def test_references_split_at_their_last_dot():
    assert split_lineage("hospital.patients") == ("hospital", "patients")
    assert split_column("hospital.patients.person_key") == ("hospital.patients", "person_key")
