# SPDX-License-Identifier: Apache-2.0
"""Make the known mistakes of verifiers: the test that stands for each must turn red.

``python -m tests.support.mistakes_made`` makes all of them; here a sample is drawn.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.known_mistakes import CHANGES, WITHOUT_ONE_CHECK
from tests.support.mistakes_made import row_test, unwritten
from tests.support.source_tree import ROOT

QUICK, SLOW = 2, 16
SEED = 20_261_122


def unnoticed(sample):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.mistakes_made",
            "--sample",
            str(sample),
            "--seed",
            str(SEED),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["mistakes"] == sample
    return told["unnoticed"]


def test_every_row_of_the_page_can_be_made_or_says_why_not():
    assert unwritten() == []
    assert len(CHANGES) > 75
    for beginning in (*CHANGES, *WITHOUT_ONE_CHECK):
        assert row_test(beginning)


def test_a_mistake_is_noticed_by_its_test():
    assert unnoticed(QUICK) == []


@pytest.mark.slow
def test_mistakes_are_noticed_by_their_tests():
    assert unnoticed(SLOW) == []
