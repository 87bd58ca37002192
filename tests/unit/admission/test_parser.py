# SPDX-License-Identifier: Apache-2.0
"""The engine's tree is pinned, and whatever is new in it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import _duckdb as duckdb
import pytest

from cleanroom.admission.refusal import START, Locator, Place, QueryRefusedError
from cleanroom.admission.syntax.node import Shape, open_node, place_of
from cleanroom.admission.syntax.parser import (
    ENGINE_VERSION,
    load_parser,
    parse,
    require_known_engine,
    serialize,
)
from cleanroom.errors import UnavailableError

GOLDEN = Path(__file__).parent / "golden" / "duckdb-2.0.0.json"


def test_the_engine_is_the_one_whose_tree_is_known():
    assert duckdb.__version__ == ENGINE_VERSION
    with pytest.raises(UnavailableError, match=r"^engine: found duckdb 2\.0\.1"):
        require_known_engine("2.0.1")


def test_no_query_is_read_by_another_engine(monkeypatch):
    monkeypatch.setattr(duckdb, "__version__", "2.0.1")
    with pytest.raises(UnavailableError, match=r"^engine: found duckdb 2\.0\.1"):
        serialize("SELECT 1")


def test_the_engines_tree_has_the_golden_shape():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for sql, tree in golden.items():
        assert json.loads(serialize(sql)) == tree, sql


SHAPE = Shape(used=frozenset({"a"}), neutral={"b": [], "c": None}, rules={"b": ("rule", "B", "x")})


@pytest.mark.parametrize(
    ("node", "rule"),
    [
        ({"a": 1, "b": [1], "c": None}, "rule"),
        ({"a": 1, "b": [], "c": 5}, "unknown-syntax"),
        ({"a": 1, "b": [], "c": None, "d": None}, "unknown-syntax"),
        ({"a": 1, "b": []}, "unknown-syntax"),
        ({"b": [], "c": None}, "unknown-syntax"),
        ([], "unknown-syntax"),
    ],
)
def test_a_node_with_anything_unaccounted_for_is_refused(node, rule):
    with pytest.raises(QueryRefusedError) as caught:
        open_node(node, SHAPE, place=START)
    assert caught.value.code == f"admission.{rule}"


def test_a_node_is_opened_once_everything_is_accounted_for():
    assert open_node({"a": 1, "b": [], "c": None}, SHAPE, place=START)["a"] == 1


def test_places_count_characters_and_survive_odd_offsets():
    locator = Locator("SELECT 'é',\n  x".encode())
    assert locator.place(15) == Place(line=2, column=3)
    near = Place(line=9, column=9)
    assert locator.place("x") == locator.place(-1) == locator.place(99) == START
    assert place_of({"query_location": 2**64 - 1}, locator=locator, near=near) == near
    assert place_of({}, locator=locator, near=near) == near
    assert place_of([], locator=locator, near=near) == near
    assert place_of({"query_location": 15}, locator=locator, near=near).line == 2


def test_a_tree_too_deep_for_the_reader_is_refused():
    # So many levels pass the engine's own limit and exhaust a recursive reader.
    with pytest.raises(QueryRefusedError) as caught:
        parse(b"SELECT " + b"x + " * 700 + b"x FROM a.b")
    assert caught.value.code == "admission.nesting"


def test_a_chain_too_long_for_lowering_is_refused():
    with pytest.raises(QueryRefusedError, match="240 levels") as caught:
        parse(b"SELECT " + b"x + " * 90 + b"x FROM a.b")
    assert caught.value.code == "admission.nesting"


def test_the_engine_is_loaded_once(monkeypatch):
    load_parser()

    def connect(*_, **__):
        raise AssertionError("another connection was opened")

    monkeypatch.setattr(duckdb, "connect", connect)
    assert json.loads(serialize("SELECT 1"))["error"] is False


def test_text_that_the_parser_gives_up_on_is_refused_without_its_words():
    with pytest.raises(QueryRefusedError) as caught:
        serialize("SELECT '\ud800'")
    assert caught.value.code == "admission.syntax"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
