# SPDX-License-Identifier: Apache-2.0
"""T-08, T-11, T-13: attacks by people who know the code, in the format of the shared corpora.

``python -m bench.gate tests/adversarial/gate_attacks.jsonl --data DIR --out FILE --oracle``
judges them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gate.__main__ import score
from bench.gate.corpus import read_corpus
from bench.gate.judge import Verdict
from bench.gate.room import open_room
from cleanroom.admission.admit import admit
from cleanroom.admission.refusal import QueryRefusedError
from tests.support.gate_corpus import corpus_catalog, data_directory
from tests.support.gate_runs import types_of

ATTACKS = Path(__file__).with_name("gate_attacks.jsonl")
SERIES = read_corpus(ATTACKS)
REFUSED = [item for steps in SERIES for item in steps if item.acceptable == {"reject"}]
# Ways around the rules that once were open, and misuse of what was admitted since; the others are
# tried in a slow run.
MENDED = {"adding_up", "decoy", "owners", "deferral", "error_oracle", "widened"}
SMALL = 0.25


def test_the_attacks_are_many_and_each_has_a_name():
    items = [item for steps in SERIES for item in steps]
    assert len(items) >= 120
    assert len({item.id for item in items}) == len(items)
    assert len({item.kind for item in items}) >= 18


@pytest.mark.parametrize("item", REFUSED, ids=lambda item: item.id)
def test_what_must_never_run_is_refused_before_any_data(item):
    with pytest.raises(QueryRefusedError):
        admit(item.sql.encode(), catalog=corpus_catalog(), parameters=types_of(item.parameters))


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with open_room(data_directory(tmp_path_factory.mktemp("red_team"))) as made:
        yield made


@pytest.fixture(scope="module")
def small_room(tmp_path_factory):
    with open_room(data_directory(tmp_path_factory.mktemp("small"), scale=SMALL)) as made:
        yield made


def wrong(series, room, *, oracle=False):
    judged = [one for steps in series for one in score(steps, room, oracle=oracle)]
    bad = {Verdict.UNSAFE, *(() if oracle else (Verdict.MISMATCH,))}
    return [one.line() for one in judged if one.verdict in bad]


def test_ways_that_once_were_open_are_closed(room):
    chosen = [steps for steps in SERIES if steps[0].kind in MENDED]
    assert len(chosen) >= 25
    assert wrong(chosen, room) == []


@pytest.mark.slow
def test_every_attack_is_refused_withheld_or_told_nothing(room):
    assert wrong([steps for steps in SERIES if steps[0].kind not in MENDED], room) == []


@pytest.mark.slow
def test_no_answer_to_an_attack_hangs_on_a_few_people(small_room):
    # The whole corpus takes the oracle half an hour; every run of it is by hand.
    assert wrong(SERIES[:: len(SERIES) // 4], small_room, oracle=True) == []
