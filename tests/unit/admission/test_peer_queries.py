# SPDX-License-Identifier: Apache-2.0
"""What analysts of other clean rooms ask: admitted, or refused with a way to the answer.

Shapes of queries that AWS Clean Rooms, BigQuery and Snowflake document, in words and over
tables of our own. ``like`` names the kind of policy under which the shape is documented.
"""

from __future__ import annotations

import datetime as dt
import json

import pytest

from cleanroom.admission.refusal import QueryRefusedError
from tests.support.gate_admission import CATALOG
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Memo, types_of
from tests.support.source_tree import ROOT

PATH = ROOT / "tests" / "vectors" / "gate" / "peer_queries.jsonl"
ITEMS = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
HONEST = [item for item in ITEMS if item["expected"] == "accept"]
REFUSED = [item for item in ITEMS if item["expected"] == "reject"]


def values(item):
    """Values of its parameters, days as days."""
    given = item.get("params", {})
    return {name: dt.date.fromisoformat(text) if text.startswith("20") else text
            for name, text in given.items()}  # fmt: skip


def named(items):
    return {"argvalues": items, "ids": [item["id"] for item in items]}


def test_there_are_shapes_of_every_vendor():
    assert len({item["id"] for item in ITEMS}) == len(ITEMS)
    assert len(HONEST) >= 20
    vendors = {item["like"].partition(",")[0] for item in HONEST}
    assert vendors == {"AWS Clean Rooms", "BigQuery", "Snowflake"}


@pytest.mark.parametrize("item", **named(HONEST))
def test_an_honest_shape_is_admitted_by_both_readings(item):
    assert Memo().admit(item["sql"], CATALOG, types_of(values(item))).stages


@pytest.mark.parametrize("item", **named(REFUSED))
def test_a_refused_shape_says_where_and_what_to_write_instead(item):
    with pytest.raises(QueryRefusedError) as caught:
        Memo().admit(item["sql"], CATALOG, {})
    error = caught.value
    assert error.code == f"admission.{item['code']}"
    assert item["fix"] in error.hint
    assert str(error.place) in error.message


def test_a_product_of_two_owners_names_the_grant_that_admits_it():
    [item] = [item for item in REFUSED if item["code"] == "product"]
    with pytest.raises(QueryRefusedError) as caught:
        Memo().admit(item["sql"], CATALOG, {})
    assert "product_across_owners" in caught.value.grant
    granted = corpus_catalog(functions="product_across_owners")
    assert Memo().admit(item["sql"], granted, {}).stages
