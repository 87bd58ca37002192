# SPDX-License-Identifier: Apache-2.0
"""A record behaves as the standard dataclass does, whichever decorator made it."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, field, replace

import pytest

from cleanroom.kernel import record

SHAPE = {"frozen": True, "slots": True, "kw_only": True}


def described(decorator):
    @decorator(**SHAPE)
    class Base:
        """Has a field that its child inherits."""

        name: str

    @decorator(**SHAPE)
    class Cell(Base):
        """Has a field of every kind."""

        count: int = 3
        secret: bytes = field(default=b"s", repr=False)
        note: str = field(default="", compare=False)
        parts: list[int] = field(default_factory=list, hash=False)

        def __post_init__(self) -> None:
            if self.count < 0:
                raise ValueError("count")

    @decorator(**SHAPE)
    class Own:  # noqa: PLW1641 - both decorators make a hash
        """Says some things of itself, which stay."""

        a: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self))

        def __repr__(self) -> str:
            return "own"

    @decorator(**SHAPE)
    class Empty:
        """Has nothing."""

    return Cell, Own, Empty


@pytest.fixture(params=[dataclasses.dataclass, record.dataclass], ids=["standard", "ours"])
def classes(request):
    return described(request.param)


def test_fields_are_compared_hashed_and_shown_as_they_say(classes):
    cell, _, empty = classes
    one, other = cell(name="x", note="a"), cell(name="x", note="b")
    assert one == other
    assert hash(one) == hash(other) == hash(("x", 3, b"s"))
    assert one != cell(name="y")
    assert one != ("x", 3, b"s")
    assert repr(one).endswith("Cell(name='x', count=3, note='a', parts=[])")
    assert empty() == empty()
    assert hash(empty()) == hash(())


def test_what_a_class_says_of_itself_stays(classes):
    _, own, _ = classes
    assert own(a=1) == own(a=2)
    assert repr(own(a=1)) == "own"
    assert hash(own(a=1)) != hash(own(a=2))


def test_nothing_is_assigned_deleted_or_added(classes):
    cell, own, _ = classes
    for made in (cell(name="x"), own(a=1)):
        first = dataclasses.fields(made)[0].name
        for name in (first, "more"):
            with pytest.raises((FrozenInstanceError, TypeError)):
                setattr(made, name, 1)
            with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
                delattr(made, name)
        assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("given", [{}, {"name": "x", "more": 1}, {"nam": "x"}, {"count": 1}])
def test_a_missing_or_unknown_name_is_refused(classes, given):
    with pytest.raises(TypeError):
        classes[0](**given)


def test_fields_are_given_by_name_only(classes):
    with pytest.raises(TypeError):
        classes[0]("x")


def test_what_is_checked_after_making_is_checked_when_replacing(classes):
    made = classes[0](name="x")
    assert replace(made, count=4).count == 4
    with pytest.raises(ValueError, match="count"):
        replace(made, count=-1)


def test_records_are_copied_and_taken_apart(classes):
    made = classes[0](name="x", parts=[1])
    assert copy.deepcopy(made) == copy.copy(made) == made
    assert copy.deepcopy(made).parts is not made.parts
    assert dataclasses.asdict(made)["parts"] == [1]
    assert made.parts is not classes[0](name="x").parts


@pytest.mark.parametrize("word", SHAPE)
def test_there_is_no_weaker_form(word):
    with pytest.raises(TypeError, match="frozen"):
        record.dataclass(**SHAPE | {word: False})
