# SPDX-License-Identifier: Apache-2.0
"""T-08, T-10, T-11, T-12: both gates against the shared corpora, with floors that only go up."""

from __future__ import annotations

import json

import pytest

from bench.gate.__main__ import score
from bench.gate.ask import Answer, ask_all
from bench.gate.corpus import read_corpus
from bench.gate.influence import cells_of, findings, key_places
from bench.gate.judge import Verdict, failures, judge, summary
from bench.gate.room import open_room
from tests.support.gate_corpus import CORPUS, data_directory
from tests.support.source_tree import ROOT

# Raise a floor as soon as the gates answer more; never lower one.
LEAST_HONEST = 71
SMALL, SMALLEST = 0.25, 0.1
PEERS = ROOT / "tests" / "vectors" / "gate" / "peer_queries.jsonl"
TRADES = ROOT / "tests" / "vectors" / "gate" / "honest_queries.jsonl"
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "attacks.jsonl").exists(), reason="no shared corpus beside this checkout"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with open_room(data_directory(tmp_path_factory.mktemp("corpus"))) as made:
        yield made


@pytest.fixture(scope="module")
def small_room(tmp_path_factory):
    with open_room(data_directory(tmp_path_factory.mktemp("small"), scale=SMALL)) as made:
        yield made


def judged(name, room, *, oracle=False):
    series = read_corpus(CORPUS / name)
    return [one for steps in series for one in score(steps, room, oracle=oracle)]


@needs_corpus
def test_attacks_are_refused_or_withheld(room):
    found = judged("attacks.jsonl", room)
    wrong = [one.item.id for one in failures(found) if one.verdict is Verdict.MISMATCH]
    assert wrong == []
    assert summary(found)["admission_median_ms"] > 0


@needs_corpus
def test_honest_queries_are_answered(room):
    answered = [one for one in judged("legit.jsonl", room) if one.verdict is Verdict.PASS]
    assert len(answered) >= LEAST_HONEST


@needs_corpus
@pytest.mark.slow
@pytest.mark.parametrize("name", ["attacks.jsonl", "legit.jsonl"])
def test_no_answer_hangs_on_a_few_units(name, small_room):
    found = judged(name, small_room, oracle=True)
    assert [one.line() for one in found if one.verdict is Verdict.UNSAFE] == []


@needs_corpus
@pytest.mark.slow
def test_the_shapes_of_other_clean_rooms_are_answered_or_refused_as_they_should(room):
    found = [one for steps in read_corpus(PEERS) for one in score(steps, room, oracle=False)]
    assert [one.line() for one in found if one.verdict is not Verdict.PASS] == []


@needs_corpus
@pytest.mark.slow
def test_what_many_trades_ask_is_answered_or_refused_as_it_should(room):
    found = [one for steps in read_corpus(TRADES) for one in score(steps, room, oracle=False)]
    assert [one.line() for one in found if one.verdict is not Verdict.PASS] == []


@needs_corpus
@pytest.mark.slow
@pytest.mark.parametrize("trade", ["epi-08", "bi-13", "bi-15", "doc-02"])
def test_no_answer_to_a_trade_hangs_on_a_few_units(trade, small_room):
    [series] = [steps for steps in read_corpus(TRADES) if steps[0].id == trade]
    assert findings(series, small_room, k=10) == []


@needs_corpus
@pytest.mark.slow
@pytest.mark.parametrize("shape", ["overlap-04", "spend-02", "share-04", "care-03"])
def test_no_answer_to_a_peers_shape_hangs_on_a_few_units(shape, small_room):
    [series] = [steps for steps in read_corpus(PEERS) if steps[0].id == shape]
    assert findings(series, small_room, k=10) == []


@needs_corpus
def test_the_oracle_has_teeth(tmp_path):
    # The gate is told to let three people pass, the oracle to ask for ten.
    [series] = read_corpus(written(tmp_path, sql="SELECT zip, count(*) FROM hospital.patients "
                                   "GROUP BY zip"))  # fmt: skip
    with open_room(data_directory(tmp_path, scale=SMALLEST, k=3)) as lax:
        found = findings(series, lax, k=10)
        assert found
        assert all(0 < finding.units < 10 for finding in found)
        assert judge(series[0], ask_all(series, lax)[0], found=found).verdict is Verdict.UNSAFE


def written(path, **fields):
    corpus = path / "corpus.jsonl"
    corpus.write_text(json.dumps({"id": "one", **fields}) + "\n\n", encoding="utf-8")
    return corpus


def answer(*rows, columns=(("ward", "string"), ("n", "integer")), code="", admitted=True):
    return Answer(code=code, admitted=admitted, columns=columns, rows=rows, withheld={})


def item(tmp_path, **fields):
    [[only]] = read_corpus(written(tmp_path, **fields))
    return only


@pytest.mark.parametrize(
    ("fields", "given", "verdict"),
    [
        ({}, answer(("a", 1)), Verdict.PASS),
        ({}, answer(), Verdict.MISMATCH),
        ({}, answer(code="admission.x", admitted=False), Verdict.MISMATCH),
        ({"expected": "reject"}, answer(code="admission.x", admitted=False), Verdict.PASS),
        ({"expected": "reject"}, answer(), Verdict.MISMATCH),
        ({"expected": "reject"}, answer(code="disclosure.x"), Verdict.MISMATCH),
        ({"expected": "suppress"}, answer(code="disclosure.x"), Verdict.PASS),
        ({"expected": "suppress"}, answer(), Verdict.PASS),
        ({"expected": "suppress"}, answer(("a", 1)), Verdict.UNJUDGED),
        (
            {"expected": "suppress"},
            answer(code="admission.x", admitted=False),
            Verdict.MISMATCH,
        ),
        (
            {"expected": "suppress", "acceptable": ["reject"]},
            answer(code="admission.x", admitted=False),
            Verdict.PASS,
        ),
    ],
)
def test_judging_is_strict(tmp_path, fields, given, verdict):
    assert judge(item(tmp_path, sql="", **fields), given, found=None).verdict is verdict


def test_reading_is_liberal(tmp_path):
    lines = [
        {"id": "b", "query": "SELECT 2", "sequence": "s", "step": "2", "params": {"$x": 1}},
        {"id": "a", "sql": "SELECT 1", "sequence": "s", "step": 1, "parameters": ["v"]},
        {"sql": "SELECT 3", "acceptable": "reject", "observed_rows": None},
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    [[first, second], [third]] = read_corpus(corpus)
    assert (first.id, second.id, third.id) == ("a", "b", "line-3")
    assert (first.parameters, second.parameters) == ({"1": "v"}, {"x": 1})
    assert third.is_honest
    assert third.acceptable == {"accept", "reject"}


def all_cells(answers):
    return cells_of(answers, [key_places(one) for one in answers])


def test_cells_are_rows_numbers_and_differences():
    first, second = answer(("a", 30), ("b", 20)), answer((29,), columns=(("n", "integer"),))
    cells = all_cells([first, second])
    rows = [cell for cell in cells if cell[1] == "row"]
    differences = {abs(value) for cell, value in cells.items() if cell[1] == "difference"}
    assert len(rows) == 3
    assert differences == {1, 9}


NUMBERS = (("d", "integer"), ("n", "integer"))


def test_rows_without_a_key_column_are_told_apart_by_numbers():
    cells = all_cells([answer((1, 5), (2, 5), columns=NUMBERS)])
    assert len([cell for cell in cells if cell[1] == "row"]) == 2


def test_a_row_is_the_same_row_where_a_neighbour_lacks_another_one():
    columns = (("ward", "string"), *NUMBERS)
    whole = answer(("a", 1, 5), ("a", 2, 7), columns=columns)
    neighbour = answer(("a", 1, 5), columns=columns)
    kept = cells_of([neighbour], [key_places(whole)])
    assert kept.keys() < all_cells([whole]).keys()
    assert not all_cells([neighbour]).keys() & all_cells([whole]).keys()
