# SPDX-License-Identifier: Apache-2.0
"""What may come out of the process that ran an analyst's code (T-27)."""

import json

import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis.code_job import (
    libraries_of,
    read_answer,
    read_numbers,
)
from cleanroom.runner.analysis.code_words import FRAME, NUMBERS

CODE = b"import pandas as pd\nx\ny"
GOOD = {"odds": [(1.5).hex(), 20]}


def refused(answer, wanted=FRAME):
    with pytest.raises(QueryFailedError) as caught:
        read_answer(answer, code=CODE, wanted=wanted)
    assert caught.value.__context__ is None
    return caught.value.code, caught.value.message


def test_the_bytes_behind_the_word_are_handed_on_unread():
    assert bytes(read_answer(b"frame\n\x00\xff", code=CODE, wanted=FRAME)) == b"\x00\xff"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"raised ValueError 2\n", "analysis: ValueError at line 2"),
        (b"raised ValueError 3\n", "analysis: ValueError at line 3"),
        (b"raised ValueError 4\n", "analysis: ValueError"),
        (b"raised ValueError 0\n", "analysis: ValueError"),
        (b"raised JohnSmith 2\n", "analysis: Exception at line 2"),
    ],
)
def test_an_exception_is_a_class_of_python_and_a_line_that_exists(answer, message):
    assert refused(answer) == ("analysis.raised", message)


@pytest.mark.parametrize(
    "answer",
    [b"", b"frame", b"numbers\n{}", b"other\n", b"raised John Smith\n", b"raised ValueError x\n",
     b"frame \n", b"\xff\n", b"raised ValueError 2 John\n", b"x" * 500],
)  # fmt: skip
def test_every_other_answer_is_the_same_refusal(answer):
    code, message = refused(answer)
    assert code == "analysis.handed-over"
    assert "John" not in message


def test_numbers_are_read_exactly():
    (number,) = read_numbers(memoryview(json.dumps(GOOD).encode()), names=["odds"]).values()
    assert (number.name, number.value, number.units) == ("odds", 1.5, 20)
    assert read_answer(b"numbers\n{}", code=CODE, wanted=NUMBERS)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        3,
        {**GOOD, "more": [(1.5).hex(), 20]},
        {"odds": 1.5},
        {"odds": [1.5, 20]},
        {"odds": ["x", 20]},
        {"odds": [(1.5).hex(), -1]},
        {"odds": [(1.5).hex(), True]},
        {"odds": [(1.5).hex(), "20"]},
        {"odds": [(1.5).hex()]},
        {"odds": ["0x1p99999", 20]},
    ],
)
def test_other_numbers_are_refused(value):
    with pytest.raises(QueryFailedError) as caught:
        read_numbers(memoryview(json.dumps(value).encode()), names=["odds"])
    assert caught.value.code == "analysis.handed-over"
    assert caught.value.__context__ is None


def test_numbers_that_are_no_text_are_refused():
    with pytest.raises(QueryFailedError):
        read_numbers(memoryview(b"\xff\x00"), names=["odds"])


def test_libraries_are_named_by_imports_from_a_closed_list():
    code = b"import os, pandas\nfrom sklearn.svm import SVC\n  import polars as pl\nimport evil"
    found = libraries_of(code)
    assert found[:3] == ("polars", "sklearn.linear_model", "sklearn.ensemble")
    # Once they are loaded, the thread pools below them are found.
    assert found[3:] == ("cleanroom.runner.analysis.thread_pools",)
