# SPDX-License-Identifier: Apache-2.0
"""What programs may rely on is written down; changing it is a decision, not an accident."""

from __future__ import annotations

import inspect

import cleanroom
from cleanroom import errors
from tests.support.source_tree import ROOT

SNAPSHOT = ROOT / "tests" / "architecture" / "public_api.txt"


def described() -> list[str]:
    names = [f"cleanroom.{name}" for name in sorted(getattr(cleanroom, "__all__", ()))]
    classes = [
        f"cleanroom.errors.{name} exit {value.exit_code}"
        for name, value in sorted(vars(errors).items())
        if inspect.isclass(value) and issubclass(value, errors.CleanroomError)
    ]
    return names + classes


def test_the_public_names_are_those_of_the_snapshot():
    assert described() == SNAPSHOT.read_text("utf-8").splitlines()


def test_every_public_name_can_be_had():
    for name in getattr(cleanroom, "__all__", ()):
        assert getattr(cleanroom, name) is not None


def test_exit_codes_mean_one_thing_each():
    meaning = {
        "MalformedError": 4,
        "IntegrityError": 5,
        "RefusedError": 3,
        "UnavailableError": 6,
    }
    for name, code in meaning.items():
        assert getattr(errors, name).exit_code == code
