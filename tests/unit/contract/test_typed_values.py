# SPDX-License-Identifier: Apache-2.0
"""Values as a person types them, in the types that a query declares."""

import pytest

from cleanroom.contract.query import typed_values
from cleanroom.contract.types import ParameterType
from cleanroom.errors import MalformedError
from tests.support.room_documents import build_room

APPROVED = build_room().approved()
INTEGER = next(
    name
    for name, parameter in APPROVED.query.parameters.items()
    if parameter.type is ParameterType.INTEGER
)
TEXT = next(
    name
    for name, parameter in APPROVED.query.parameters.items()
    if parameter.type is ParameterType.STRING
)


def test_text_becomes_an_integer_only_where_one_is_declared():
    typed = typed_values(APPROVED.query, {INTEGER: "1980", TEXT: "1980", "unknown": "1"})
    assert typed == {INTEGER: 1980, TEXT: "1980", "unknown": "1"}
    assert typed_values(APPROVED.query, {INTEGER: -5}) == {INTEGER: -5}


@pytest.mark.parametrize("text", ["", "1.5", "x", "1e3", "0x10", "9" * 17, " 1", "\u0661"])
def test_text_that_is_no_integer_is_refused_without_being_quoted(text):
    with pytest.raises(MalformedError, match=f"parameters.{INTEGER}") as refused:
        typed_values(APPROVED.query, {INTEGER: text})
    assert refused.value.code == "run.parameter-type"
