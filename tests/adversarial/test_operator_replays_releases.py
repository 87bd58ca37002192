# SPDX-License-Identifier: Apache-2.0
"""T-02, T-05: the operator keeps everything that ever went over the wire, and plays it again.

It holds the room, the network and the runner's disk. It does not hold a run's
private keys, which never leave a runner's memory.
"""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.contract.broker_wire import decode_release_request, encode_release_request
from cleanroom.contract.released_keys import open_keys
from cleanroom.contract.state_chain import genesis_head
from cleanroom.contract.statements import DatasetRelease, make_key_release, verify_key_release
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import CleanroomError, IntegrityError, KeyRefusedError
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.receipt.model import SealedResult
from tests.support.brokers import (
    BrokerBench,
    ScriptedRunner,
    broker_bench,
    install_data_key,
    open_release,
    read_release,
)
from tests.support.keys import signing_key
from tests.support.room_documents import NOW, build_room

ROOM = build_room()
HONEST = ScriptedRunner(room=ROOM, label="honest")
EVE = ScriptedRunner(room=ROOM, label="eve")
BOTH = ("hospital", "insurer")


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, ROOM, owners=BOTH) as opened:
        yield opened


def refused(broker: KeyBroker, request: ReleaseRequest) -> str:
    """Expect a refusal and return its code."""
    with pytest.raises(CleanroomError) as error:
        broker.release(request)
    return error.value.code


def test_a_recorded_request_gives_nothing_that_was_not_given_before(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    recorded = encode_release_request(request)
    first = bench.brokers["hospital"].release(request)
    again = bench.brokers["hospital"].release(decode_release_request(recorded))
    assert again.statement == first.statement
    with pytest.raises(IntegrityError):
        open_release(EVE, "hospital", again)
    other = bench.brokers["hospital"].release(ScriptedRunner(room=ROOM, label="second").ask(bench))
    assert read_release(ROOM, "hospital", other).uses.used == 2


def test_a_nonce_from_the_wire_does_not_serve_another_runner(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    nonces = parse_runtime_data(request.runtime_data).nonces
    mine = EVE.request(EVE.runtime(nonces))
    bench.brokers["hospital"].release(mine)
    # Whoever comes first has it; the other asks again and pays a use of its own.
    assert refused(bench.brokers["hospital"], request) == "broker.nonce-used"


def test_another_runner_for_the_same_run_is_a_new_use(bench: BrokerBench) -> None:
    for number, runner in enumerate((HONEST, EVE), start=1):
        logged = bench.brokers["hospital"].release(runner.ask(bench))
        assert read_release(ROOM, "hospital", logged).uses.used == number


def test_evidence_of_one_run_serves_no_other_keys(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    nonces = parse_runtime_data(request.runtime_data).nonces
    stolen = dataclasses.replace(EVE.request(EVE.runtime(nonces)), evidence=request.evidence)
    assert refused(bench.brokers["hospital"], stolen) == "attestation.binding"


@pytest.mark.parametrize("party", BOTH)
def test_the_nonces_of_two_brokers_are_not_exchangeable(bench: BrokerBench, party: str) -> None:
    nonces = HONEST.nonces(bench.brokers)
    swapped = {"hospital": nonces["insurer"], "insurer": nonces["hospital"]}
    request = HONEST.request(HONEST.runtime(swapped))
    assert refused(bench.brokers[party], request) == "broker.nonce-foreign"


def test_a_nonce_survives_a_restart_and_serves_once(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    bench.brokers["hospital"].close()
    bench.open("hospital").release(request)
    bench.brokers["hospital"].close()
    nonces = parse_runtime_data(request.runtime_data).nonces
    again = EVE.request(EVE.runtime(nonces))
    assert refused(bench.open("hospital"), again) == "broker.nonce-used"


@pytest.mark.parametrize("ago", [60, 10_000])
def test_an_old_nonce_is_refused_whether_it_is_remembered_or_not(
    bench: BrokerBench, ago: int
) -> None:
    request = HONEST.ask(bench)
    bench.clock.advance(seconds=120 + ago)
    HONEST.nonces(bench.brokers)
    nonces = parse_runtime_data(request.runtime_data).nonces
    fresh = HONEST.request(HONEST.runtime(nonces), issued_at=bench.clock())
    code = refused(bench.brokers["hospital"], fresh)
    assert code == ("broker.nonce-expired" if ago == 60 else "broker.nonce-foreign")


def test_the_release_of_another_run_is_no_release_of_this_one(bench: BrokerBench) -> None:
    """The network answers a request with a statement it recorded; the runner opens nothing."""
    recorded = bench.brokers["hospital"].release(HONEST.ask(bench))
    with pytest.raises(IntegrityError):
        open_release(EVE, "hospital", recorded)
    release = read_release(ROOM, "hospital", recorded)
    forged = dataclasses.replace(release, run="another-run-0001")
    with pytest.raises(IntegrityError):
        open_keys(forged, receiving=HONEST.receiving)


def test_a_release_with_less_history_is_not_a_release(bench: BrokerBench) -> None:
    """Whoever could make a runner forget an earlier answer could difference the two."""
    release = read_release(ROOM, "hospital", bench.brokers["hospital"].release(HONEST.ask(bench)))
    shorter = tuple(
        DatasetRelease(
            lineage=dataset.lineage,
            version=dataset.version,
            number=dataset.number,
            key_id=dataset.key_id,
            head=genesis_head("hospital.elsewhere"),
            entries=(),
        )
        for dataset in release.datasets
    )
    payload = make_key_release(dataclasses.replace(release, datasets=shorter))
    key = ROOM.parties["hospital"].broker_key
    with pytest.raises(IntegrityError):
        verify_key_release(
            sign_statement(payload, key),
            party="hospital",
            broker_key=key.public_key().public_bytes_raw(),
        )


def test_the_operator_cannot_sign_a_release_itself(bench: BrokerBench) -> None:
    logged = bench.brokers["hospital"].release(HONEST.ask(bench))
    forged = sign_statement(logged.statement.payload, signing_key("operator"))
    with pytest.raises(IntegrityError):
        read_release(ROOM, "hospital", dataclasses.replace(logged, statement=forged))


def test_an_older_dataset_is_refused_although_its_owner_signed_it(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    install_data_key(
        bench.home("hospital"),
        party=ROOM.parties["hospital"],
        lineage="hospital.encounters",
        version=2,
    )
    assert refused(bench.brokers["hospital"], request) == "broker.dataset-version"


def test_a_result_is_committed_once_and_no_other_takes_its_place(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    releases = {party: broker.release(request) for party, broker in bench.brokers.items()}
    commit = HONEST.commit(request, releases)
    first = bench.brokers["hospital"].commit(commit)
    assert bench.brokers["hospital"].commit(commit).statement == first.statement
    other = HONEST.commit(
        request,
        releases,
        result=SealedResult(digest=parse_runtime_data(request.runtime_data).digest, size=1),
    )
    with pytest.raises(KeyRefusedError) as error:
        bench.brokers["hospital"].commit(other)
    assert error.value.code == "broker.other-receipt"


def test_a_recorded_commit_moves_no_head_a_second_time(bench: BrokerBench) -> None:
    request = HONEST.ask(bench)
    releases = {party: broker.release(request) for party, broker in bench.brokers.items()}
    commit = HONEST.commit(request, releases)
    for broker in bench.brokers.values():
        broker.commit(commit)
    before = bench.brokers["insurer"].status()
    bench.clock.now = NOW.replace(year=2027, month=1)
    bench.brokers["insurer"].commit(commit)
    after = bench.brokers["insurer"].status()
    assert (after.heads, after.log_size) == (before.heads, before.log_size)
