# SPDX-License-Identifier: Apache-2.0
"""Mutated frames of an analysis: judged whole, and whatever the bytes, by a word."""

import json
import os
import secrets
import subprocess
import sys
from collections import Counter

import pytest

from cleanroom.errors import QueryFailedError
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import written
from tests.support.frames import GOOD, crossing
from tests.support.source_tree import ROOT

MODULE = "tests.support.confined.mutated_frames"
WORDS = {
    "accepted",
    "crossing.schema",
    "crossing.rows",
    "crossing.values",
    "crossing.malformed",
    "analysis.unit",
    "analysis.two-rows",
    "analysis.group-value",
}


def judged(seed, count):
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(seed), str(count)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout)


def test_a_sample_of_mutated_frames_each_ends_in_a_word():
    seed = secrets.randbits(32)
    print("seed", seed)  # noqa: T201 - to run it again
    words = judged(seed, 600)
    assert sum(words.values()) == 600
    assert set(words) <= WORDS
    assert {"analysis.unit", "accepted"} < set(words)


@pytest.mark.slow
def test_ten_thousand_mutated_frames_each_end_in_a_word():
    words = judged(1, 10_000)
    assert sum(words.values()) == 10_000
    assert set(words) <= WORDS


@pytest.mark.slow
def test_mutated_frames_cross_or_are_refused_and_the_runner_lives():
    """As a run does it: a throw-away process for each, and one word of it."""
    mutator = Mutator(11)
    whole, found = written(GOOD), Counter()
    for _ in range(16):
        found[crossed(mutator.mutated(whole))] += 1
    assert found.total() == 16
    assert set(found) <= WORDS
    assert len(found) > 2


def crossed(data):
    try:
        with crossing(data) as clean:
            assert os.fstat(clean).st_size
            return "accepted"
    except QueryFailedError as refused:
        return refused.code
