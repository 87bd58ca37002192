# SPDX-License-Identifier: Apache-2.0
"""What people of ten trades ask, in the SQL of their tools: admitted, or refused with a way on."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from cleanroom.admission.refusal import QueryRefusedError
from tests.support.gate_admission import CATALOG
from tests.support.gate_runs import Memo
from tests.support.source_tree import ROOT

PATH = ROOT / "tests" / "vectors" / "gate" / "honest_queries.jsonl"
ITEMS = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
REFUSED = [item for item in ITEMS if item["expected"] == "reject"]
# What people write is answered ever more; raise it, and never lower it.
LEAST_ADMITTED = 85


def test_they_are_of_many_trades():
    assert len({item["id"] for item in ITEMS}) == len(ITEMS) >= 120
    assert min(Counter(item["by"] for item in ITEMS).values()) >= 8
    assert len(ITEMS) - len(REFUSED) >= LEAST_ADMITTED


@pytest.mark.parametrize(
    "item", [item for item in ITEMS if item not in REFUSED], ids=lambda item: item["id"]
)
def test_it_is_admitted_by_both_readings(item):
    assert Memo().admit(item["sql"], CATALOG, {}).stages


@pytest.mark.parametrize("item", REFUSED, ids=lambda item: item["id"])
def test_a_refusal_says_where_and_what_to_write_instead(item):
    with pytest.raises(QueryRefusedError) as caught:
        Memo().admit(item["sql"], CATALOG, {})
    error = caught.value
    assert error.code == f"admission.{item['code']}"
    assert item["fix"] in error.hint
    assert str(error.place) in error.message
