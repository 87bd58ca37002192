# SPDX-License-Identifier: Apache-2.0
"""Mutated frames of an analysis: judged whole, and whatever the bytes, by a word."""

import json
import os
import secrets
import subprocess
import sys
from collections import Counter

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import QueryFailedError
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import written
from tests.support.frames import GOOD, crossing
from tests.support.sandboxes import confinement_or_skip
from tests.support.source_tree import ROOT

MODULE = "tests.support.confined.mutated_frames"
WHOLE = "tests.support.confined.crossed_frames"
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


def judged(seed, count, module=MODULE):
    done = subprocess.run(
        [sys.executable, "-m", module, str(seed), str(count)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=900,
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
def test_four_hundred_mutated_frames_cross_the_whole_way_or_not_at_all():
    """A confined process for each, and the runner's own reading of what it said."""
    confinement_or_skip(SandboxLevel.SELF)
    words = judged(5, 400, WHOLE)
    assert sum(words.values()) == 400
    assert set(words) <= WORDS
    assert {"analysis.unit", "accepted", "crossing.values"} < set(words)


@pytest.mark.slow
def test_mutated_frames_cross_or_are_refused_and_the_runner_lives():
    """As a run does it: a throw-away process for each, and one word of it."""
    mutator = Mutator(11)
    whole, found = written(GOOD), Counter()
    for _ in range(8):
        found[crossed(mutator.mutated(whole))] += 1
    assert found.total() == 8
    assert set(found) <= WORDS
    assert len(found) > 1


def crossed(data):
    try:
        with crossing(data) as clean:
            assert os.fstat(clean).st_size
            return "accepted"
    except QueryFailedError as refused:
        return refused.code
