# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.contract.run_request import parse_run_request
from cleanroom.kernel.remembered import remembered
from tests.support.room_documents import build_room


def test_an_answer_is_remembered_for_exactly_these_arguments():
    asked = []

    @remembered(2)
    def reading(data: bytes, *, what: str) -> int:
        asked.append((data, what))
        return len(data)

    assert [reading(b"ab", what="x"), reading(b"ab", what="x")] == [2, 2]
    assert (reading(b"ac", what="x"), reading(b"ab", what="y")) == (2, 2)
    assert asked == [(b"ab", "x"), (b"ac", "x"), (b"ab", "y")]
    assert reading(b"ab", what="x") == 2
    assert len(asked) == 4


def test_a_default_is_the_same_argument_whether_it_is_given_or_left_out():
    asked = []

    @remembered(4)
    def reading(data: bytes, *, what: str = "x", limit: int = 1) -> int:
        asked.append((data, what, limit))
        return len(data)

    for named in ({}, {"what": "x"}, {"limit": 1, "what": "x"}, {"limit": 1}):
        assert reading(b"ab", **named) == 2
    assert asked == [(b"ab", "x", 1)]
    assert reading(b"ab", what="y") + reading(b"ab", limit=2) + reading(b"ac") == 6
    assert asked[1:] == [(b"ab", "y", 1), (b"ab", "x", 2), (b"ac", "x", 1)]
    assert reading.__name__ == "reading"


def test_a_run_request_is_read_once_whoever_names_it():
    room = build_room()
    data = room.bundle.run.data
    assert parse_run_request(data, what="run.toml") is parse_run_request(data)


def test_what_was_refused_is_judged_again():
    asked = []

    @remembered(2)
    def refusing(data: bytes) -> int:
        asked.append(data)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError, match=r"^$"):
            refusing(b"ab")
    assert len(asked) == 2
