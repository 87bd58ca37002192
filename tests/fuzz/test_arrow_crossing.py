# SPDX-License-Identifier: Apache-2.0
"""Mutated tables: whatever the bytes, the reader answers a word and the runner lives."""

import json
import secrets
from dataclasses import replace

import pytest

from cleanroom.runner.analysis import crossing
from cleanroom.runner.sandbox.process import confined_child
from tests.support.crossing_tables import COLUMNS, GOOD, written
from tests.support.sandboxes import CONFINED, SMALL, host

WORDS = {
    crossing.ACCEPTED,
    crossing.SCHEMA,
    crossing.ROWS,
    crossing.VALUES,
    crossing.MALFORMED,
}
CHILDREN, EACH = 10, 20_000
COMPRESSIONS = (None, "lz4", "zstd")


def judged(seed, count, compression=None):
    asked = {"seed": seed, "count": count, "columns": COLUMNS}
    limits = replace(SMALL, memory_bytes=1 << 30, processor_seconds=300)
    with confined_child(
        "mutated_tables", confinement=host().best, limits=limits, code=(CONFINED,)
    ) as child:
        child.require_ready()
        request = json.dumps(asked).encode() + b"\n" + written(GOOD, compression=compression)
        return json.loads(child.exchange(request, seconds=300, most=10_000))


def test_a_sample_of_mutated_tables_each_ends_in_a_word():
    seed = secrets.randbits(32)
    print("seed", seed)  # noqa: T201 - to run it again
    words = judged(seed, 1500)
    assert sum(words.values()) == 1500
    assert set(words) <= WORDS
    assert len(words) > 2


@pytest.mark.slow
@pytest.mark.parametrize("number", range(CHILDREN))
def test_two_hundred_thousand_mutated_tables_each_end_in_a_word(number):
    words = judged(number, EACH, COMPRESSIONS[number % 3])
    assert sum(words.values()) == EACH
    assert set(words) <= WORDS
