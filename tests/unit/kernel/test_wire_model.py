# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.errors import MalformedError
from cleanroom.kernel.wire_model import WireModel, build_models, validate_shape


class Inner(WireModel):
    count: int


class Outer(WireModel):
    name: str
    parts: list[Inner]


GOOD = {"name": "a", "parts": [{"count": 1}]}


def test_a_fitting_value_is_returned_as_the_model():
    assert validate_shape(Outer, GOOD, what="thing").parts[0].count == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 5}, "thing: name does not fit (string_type)"),
        ({"extra": 1}, "thing: extra is not a known key"),
        ({"parts": [{}]}, "thing: parts.0.count is missing"),
        ({"parts": [{"count": "1"}]}, "thing: parts.0.count does not fit (int_type)"),
        ({"parts": [{"count": True}]}, "thing: parts.0.count does not fit (int_type)"),
        ({"\x1b[2Jevil": 1}, "thing: ??2Jevil is not a known key"),
    ],
)
def test_one_wrong_field_is_refused_by_place_and_kind(change, message):
    with pytest.raises(MalformedError) as refusal:
        validate_shape(Outer, GOOD | change, what="thing")
    assert str(refusal.value) == message
    assert refusal.value.code == "format.shape"


def test_a_value_of_another_kind_altogether_is_refused():
    with pytest.raises(MalformedError, match="^thing: document does not fit"):
        validate_shape(Outer, [1], what="thing")


def test_the_refusal_does_not_carry_the_value():
    with pytest.raises(MalformedError) as refusal:
        validate_shape(Outer, GOOD | {"name": ["secret cell"]}, what="thing")
    assert "secret" not in str(refusal.value)
    assert refusal.value.__context__ is None
    assert refusal.value.__cause__ is None


class Waiting(WireModel):
    name: str


class OneOfThem(Waiting):
    parts: list[Inner]


class BelowIt(OneOfThem):
    more: int


def test_a_process_that_waits_builds_every_model_below():
    assert not OneOfThem.__pydantic_complete__
    build_models(Waiting)
    assert OneOfThem.__pydantic_complete__
    assert BelowIt.__pydantic_complete__
    assert not Waiting.__pydantic_complete__


def test_building_models_stops_when_there_is_something_else_to_do():
    class Idle(WireModel):
        pass

    class First(Idle):
        one: int

    class Second(Idle):
        two: int

    answers = iter((False, True))
    build_models(Idle, until=lambda: next(answers))
    assert (First.__pydantic_complete__, Second.__pydantic_complete__) == (True, False)
