# SPDX-License-Identifier: Apache-2.0
"""What a run may spend: the stricter of query and contract, clause by clause."""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.contract import parse_contract
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.diff import ABSENT, diff_contracts
from cleanroom.contract.document_render import render_query
from cleanroom.contract.query import parse_query
from cleanroom.contract.resources import (
    AS_QUERIED,
    Resources,
    describe_resources,
    resource_clauses,
)
from cleanroom.contract.show import show_contract
from cleanroom.errors import MalformedError
from tests.support.room_documents import build_room

LESS = Resources(memory_mib=64, seconds=20, rows=7, processor_seconds=30, result_mib=2)
ROOM = build_room()
TERMS = ROOM.contract_terms
QUERY = ROOM.approved().query


def test_the_stricter_of_both_holds_clause_by_clause():
    asked = Resources(memory_mib=32, seconds=60, rows=5, processor_seconds=40, result_mib=1)
    both = Resources(memory_mib=32, seconds=20, rows=5, processor_seconds=30, result_mib=1)
    assert asked.within(LESS) == LESS.within(asked) == both
    assert asked.within(AS_QUERIED) == asked


def test_a_run_may_spend_what_both_documents_allow():
    room = build_room(contract={"resources": dataclasses.replace(LESS, memory_mib=10_000)})
    run = room.approved()
    assert run.resources.memory_mib == run.query.resources.memory_mib
    assert run.resources.seconds == min(20, run.query.resources.seconds)
    assert run.resources.rows == 7
    assert ROOM.approved().resources == QUERY.resources


def test_a_contract_says_all_of_it_or_nothing():
    agreed = dataclasses.replace(TERMS, resources=LESS)
    data = render_contract(agreed)
    assert parse_contract(data).resources == LESS
    assert b"[resources]" not in render_contract(TERMS)
    assert parse_contract(render_contract(TERMS)).resources == AS_QUERIED
    for name, most in resource_clauses(LESS).items():
        with pytest.raises(MalformedError) as refused:
            parse_contract(data.replace(f"{name} = {most}\n".encode(), b""))
        assert refused.value.code == "contract.missing"


@pytest.mark.parametrize(
    ("old", "new"), [("seconds = 30", "seconds = 9"), ("result_mib = 2", "result_mib = 129")]
)
def test_a_limit_out_of_range_is_refused(old, new):
    data = render_contract(dataclasses.replace(TERMS, resources=LESS))
    place = "processor_" + old if old.startswith("seconds") else old
    with pytest.raises(MalformedError) as refused:
        parse_contract(data.replace(place.encode(), place.replace(old, new).encode()))
    assert refused.value.code == "contract.value"


def test_a_query_leaves_out_what_it_does_not_limit():
    plain = render_query(QUERY)
    assert b"processor_seconds" not in plain
    assert parse_query(plain).resources == QUERY.resources
    asked = dataclasses.replace(QUERY.resources, processor_seconds=30, result_mib=2)
    limited = render_query(dataclasses.replace(QUERY, resources=asked))
    assert parse_query(limited).resources == asked


def test_whoever_signs_reads_it():
    agreed = build_room(contract={"resources": LESS}).agreement()
    text = show_contract(agreed.contract, parties=agreed.parties, policies=agreed.policies)
    assert (
        "  No run may use more than 64 MiB and 30 seconds of processor time in each process, "
        "20 seconds in all, and return 7 rows and 2 MiB.\n"
    ) in text
    assert "the processor time of its seconds" in describe_resources(QUERY.resources)
    contract = ROOM.agreement().contract
    assert "  A run may use what its query says.\n" in show_contract(
        contract, parties={}, policies={}
    )


def test_a_difference_in_it_is_shown():
    changes = diff_contracts(TERMS, dataclasses.replace(TERMS, resources=LESS))
    assert {change.clause: change.after for change in changes} == {
        f"resources.{name}": str(most) for name, most in resource_clauses(LESS).items()
    }
    assert {change.before for change in changes} == {ABSENT}
