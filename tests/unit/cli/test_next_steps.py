# SPDX-License-Identifier: Apache-2.0
"""Whatever stops a command, its reader is told what to do next."""

from __future__ import annotations

import inspect
import json

import pytest

from cleanroom import errors
from cleanroom.cli.failure import report_refusal
from cleanroom.cli.next_steps import next_step
from cleanroom.errors import CleanroomError, MalformedError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


class OfSomePackageError(MalformedError):
    """Stands for a class that only one package knows."""


@pytest.mark.parametrize("kind", [*KINDS, OfSomePackageError])
def test_every_error_says_what_to_do(
    kind: type[CleanroomError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_refusal(kind("room: one against two", code="a.b"), as_json=True) == kind.exit_code
    assert json.loads(capsys.readouterr().out)["error"]["hint"]


def test_the_hint_of_whoever_raised_it_wins_then_its_codes() -> None:
    told = next_step(MalformedError("a: b", code="toml.syntax", hint="mend line 3"))
    assert told == "mend line 3"
    by_code, by_class = (
        next_step(MalformedError("a: b", code=code)) for code in ("toml.syntax", "other")
    )
    assert by_code != by_class
