# SPDX-License-Identifier: Apache-2.0
"""The smallest grant that a refusal names admits the query, when owners write it as it stands."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.refusal import QueryRefusedError
from tests.support.gate_admission import CATALOG
from tests.support.source_tree import ROOT

VECTORS = ROOT / "tests" / "vectors" / "gate"
LISTS = {
    r"\[compare\] literal \+= (\w+) in the policy of (\S+)": "compare_literal",
    r"\[compare\] column \+= (\w+) in the policy of (\S+)": "compare_column",
    r"\[joins\] (\S+) in the policy of (\S+)": "joins",
    r'functions \+= "(\w+)" in the polic(?:y|ies) of (.+)': "functions",
}
MOST_GRANTS = 60
ITEMS = [
    json.loads(line)
    for name in ("honest_queries.jsonl", "peer_queries.jsonl")
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines()
]


def bare() -> Catalog:
    """The corpus' datasets whose owners allow nothing that a grant could allow."""
    nothing = dict.fromkeys(LISTS.values(), frozenset())
    datasets = {
        name: (made if made.is_public else replace(made, **nothing), columns)
        for name, (made, columns) in CATALOG.datasets.items()
    }
    return replace(CATALOG, datasets=datasets)


def with_grant(catalog: Catalog, grant: str) -> Catalog:
    """The catalog once owners wrote a grant into their policies."""
    [(field, found)] = [
        (field, match)
        for text, field in LISTS.items()
        if (match := re.fullmatch(text, grant.removesuffix(", or role dimension")))
    ]
    datasets = dict(catalog.datasets)
    for lineage in found[2].split(" and "):
        made, columns = datasets[lineage]
        allowed = getattr(made, field)
        assert found[1] not in allowed, "a grant that was given is asked for again"
        datasets[lineage] = (replace(made, **{field: allowed | {found[1]}}), columns)
    return replace(catalog, datasets=datasets)


def granted(sql: str) -> tuple[list[str], str]:
    """The grants that a query asks for, one after the other, and the code that no grant mends."""
    catalog, grants = bare(), []
    for _ in range(MOST_GRANTS):
        try:
            admit(sql.encode(), catalog=catalog, parameters={})
        except QueryRefusedError as error:
            if not error.grant.startswith(("[", "functions")):
                return grants, error.code
            grants.append(error.grant)
            catalog = with_grant(catalog, error.grant)
        else:
            return grants, ""
    return grants, "never"


@pytest.mark.parametrize(
    "item",
    [item for item in ITEMS if not item.get("params")],
    ids=lambda item: item["id"],
)
def test_grants_that_are_named_admit_what_they_should(item):
    grants, code = granted(item["sql"])
    # A product of two owners is among the grants; whatever else is refused, no policy admits.
    admitted = item["expected"] != "reject" or item["code"] == "product"
    assert code == ("" if admitted else f"admission.{item['code']}"), grants


def test_every_kind_of_grant_is_asked_for():
    asked = {
        text
        for item in ITEMS
        for grant in granted(item["sql"])[0]
        for text in LISTS
        if re.match(text, grant)
    }
    assert asked == set(LISTS)
