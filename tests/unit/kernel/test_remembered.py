# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.kernel.remembered import remembered


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
