# SPDX-License-Identifier: Apache-2.0
"""T-14: one owner's broker works with the operator: it holds its own share, key and clock.

It can refuse, and it can lie about its own owner's data. It can open no state of
the other owner, move no head but its own, and speak for nobody else.
"""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.state_chain import next_head
from cleanroom.contract.statements import make_commit, make_key_release, verify_commit
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from tests.support.brokers import (
    SEALED_ENTRY,
    BrokerBench,
    ScriptedRunner,
    broker_bench,
    broker_owner,
    open_release,
    read_release,
)
from tests.support.room_documents import build_room

ROOM = build_room()
RUNNER = ScriptedRunner(room=ROOM)
OWNERS = ("hospital", "insurer")
OTHER = Digest.of(b"something else")


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, ROOM, owners=OWNERS) as opened:
        yield opened


@pytest.fixture
def released(bench: BrokerBench):
    request = RUNNER.ask(bench)
    return request, {party: broker.release(request) for party, broker in bench.brokers.items()}


def test_no_broker_knows_another_ones_share(released) -> None:
    shares = {
        party: open_release(RUNNER, party, logged).shares["hospital+insurer"]
        for party, logged in released[1].items()
    }
    assert shares["hospital"] != shares["insurer"]
    insider = broker_owner(ROOM.parties["insurer"], ROOM.pins)
    every_guess = {
        insider.state_share(owners) for owners in ([], ["hospital"], ["insurer"], OWNERS)
    }
    assert shares["hospital"] not in every_guess


def test_a_broker_gives_no_share_of_a_set_that_it_is_not_in(released) -> None:
    for party, logged in released[1].items():
        for owners in open_release(RUNNER, party, logged).shares:
            assert party in owners.split("+")


@pytest.mark.parametrize("liar", OWNERS)
def test_a_broker_cannot_speak_for_the_other_owner(released, liar: str) -> None:
    victim = next(owner for owner in OWNERS if owner != liar)
    payload = released[1][victim].statement.payload
    forged = sign_statement(payload, ROOM.parties[liar].broker_key)
    logged = dataclasses.replace(released[1][victim], statement=forged)
    with pytest.raises(IntegrityError):
        read_release(ROOM, victim, logged)
    own = read_release(ROOM, liar, released[1][liar])
    renamed = make_key_release(dataclasses.replace(own, party=victim))
    with pytest.raises(IntegrityError):
        verify_commit(
            sign_statement(renamed, ROOM.parties[liar].broker_key),
            party=victim,
            broker_key=ROOM.parties[victim].document.broker_key,
        )


def test_a_countersignature_of_one_owner_is_not_that_of_another(
    bench: BrokerBench, released
) -> None:
    logged = bench.brokers["insurer"].commit(RUNNER.commit(*released))
    with pytest.raises(IntegrityError):
        verify_commit(
            logged.statement,
            party="hospital",
            broker_key=ROOM.parties["insurer"].document.broker_key,
        )
    said = verify_commit(
        logged.statement,
        party="insurer",
        broker_key=ROOM.parties["insurer"].document.broker_key,
    )
    forged = make_commit(dataclasses.replace(said, party="hospital"))
    with pytest.raises(IntegrityError):
        verify_commit(
            sign_statement(forged, ROOM.parties["insurer"].broker_key),
            party="hospital",
            broker_key=ROOM.parties["hospital"].document.broker_key,
        )


def test_a_lie_about_its_own_head_moves_no_other_head(bench: BrokerBench, released) -> None:
    """The insurer claims another history for its lineage; the hospital's is its own."""
    steps = tuple(
        dataclasses.replace(step, previous=OTHER, next=next_head(OTHER, Digest.of(SEALED_ENTRY)))
        if step.lineage.startswith("insurer.")
        else step
        for step in RUNNER.steps(released[1], entry=SEALED_ENTRY)
    )
    bench.brokers["hospital"].commit(RUNNER.commit(*released, steps=steps))
    heads = bench.brokers["hospital"].status().heads
    assert set(heads) == {"hospital.encounters", "hospital.patients"}
    with pytest.raises(KeyRefusedError) as error:
        bench.brokers["insurer"].commit(RUNNER.commit(*released, steps=steps))
    assert error.value.code == "broker.head-moved"


def test_an_old_head_of_an_honest_broker_is_refused_by_it(bench: BrokerBench, released) -> None:
    bench.brokers["hospital"].commit(RUNNER.commit(*released))
    later = build_room(run={"run": "a-later-run-0001"})
    runner = ScriptedRunner(room=later)
    request = runner.ask(bench)
    releases = {party: broker.release(request) for party, broker in bench.brokers.items()}
    stale = RUNNER.steps(released[1], entry=SEALED_ENTRY)
    with pytest.raises(KeyRefusedError) as error:
        bench.brokers["hospital"].commit(runner.commit(request, releases, steps=stale))
    assert error.value.code == "broker.head-moved"


def test_another_brokers_release_in_the_receipt_does_not_replace_ones_own(
    bench: BrokerBench, released
) -> None:
    request, releases = released
    swapped = {"hospital": releases["insurer"], "insurer": releases["insurer"]}
    steps = RUNNER.steps(releases, entry=SEALED_ENTRY)
    commit = RUNNER.commit(request, swapped, steps=steps)
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].commit(commit)
