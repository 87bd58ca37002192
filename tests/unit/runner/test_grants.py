# SPDX-License-Identifier: Apache-2.0
"""A release counts for exactly this run, as a whole, or not at all."""

from dataclasses import replace

import pytest

from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.contract.statements import make_key_release, verify_key_release
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.attest import Attested
from cleanroom.runner.grants import KeyRequest, accept_release, obtain_keys
from cleanroom.runner.keys import RunKeys
from tests.support.brokers import ScriptedRunner, broker_bench, data_key
from tests.support.keys import signing_key
from tests.support.room_documents import NOW, build_room


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A room, a runner that attested, and what both brokers released to it."""
    room = build_room()
    runner = ScriptedRunner(room=room)
    owners = ("hospital", "insurer")
    with broker_bench(tmp_path_factory.mktemp("brokers"), room, owners=owners) as bench:
        ask = runner.ask(bench)
        logged = {party: broker.release(ask) for party, broker in bench.brokers.items()}
    request = KeyRequest(
        bundle=room.bundle,
        approved=room.approved(),
        attested=Attested(
            runtime=parse_runtime_data(ask.runtime_data), evidence=parse_evidence(ask.evidence)
        ),
    )
    keys = RunKeys(signing=signing_key("first run"), receiving=runner.receiving)
    return room, request, keys, logged


def accept(asked, *, party="hospital", at=NOW, logged=None):
    _, request, keys, found = asked
    return accept_release(logged or found[party], party=party, request=request, keys=keys, at=at)


def forged(asked, **changes):
    """The hospital's release with some fields changed, signed by the hospital's broker."""
    room, _, _, logged = asked
    party = room.parties["hospital"]
    release = verify_key_release(
        logged["hospital"].statement, party="hospital", broker_key=party.document.broker_key
    )
    statement = make_key_release(replace(release, **changes))
    return replace(logged["hospital"], statement=sign_statement(statement, party.broker_key))


def test_each_owner_hands_over_the_keys_of_its_own_datasets(asked):
    granted = accept(asked)
    expected = {name: data_key(name) for name in ("hospital.encounters", "hospital.patients")}
    assert granted.keys == expected
    assert "secret" not in repr(granted)
    assert expected["hospital.patients"].hex() not in repr(granted)


def test_every_broker_is_asked_with_the_same_bytes(asked):
    _, request, keys, logged = asked
    seen = []

    class Answering:
        def __init__(self, party):
            self.party = party

        def release(self, ask):
            seen.append(ask)
            return logged[self.party]

    brokers = {party: Answering(party) for party in logged}
    assert set(obtain_keys(request, keys=keys, brokers=brokers, at=NOW)) == {"hospital", "insurer"}
    assert seen[0] == seen[1]


OTHER = Digest.of(b"other")


@pytest.mark.parametrize(
    "change",
    [
        {"contract": OTHER},
        {"query": OTHER},
        {"run_request": OTHER},
        {"runtime_data": OTHER},
        {"evidence": OTHER},
        {"run": "another-run-0001"},
        {"nonce": b"n" * 32},
        {"owners": ("hospital",)},
        {"datasets": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_release_that_speaks_of_another_run_is_refused(asked, change):
    with pytest.raises(IntegrityError, match="^key release of hospital: "):
        accept(asked, logged=forged(asked, **change))


@pytest.mark.parametrize(
    "change",
    [{"version": OTHER}, {"number": 2}, {"key_id": "00" * 16}, {"head": OTHER}],
    ids=lambda change: next(iter(change)),
)
def test_a_release_of_another_dataset_version_or_history_is_refused(asked, change):
    room, _, _, logged = asked
    release = verify_key_release(
        logged["hospital"].statement,
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    )
    first, *others = release.datasets
    lying = forged(asked, datasets=(replace(first, **change), *others))
    with pytest.raises(IntegrityError, match="^key release of hospital"):
        accept(asked, logged=lying)


def test_a_field_that_the_sealed_keys_are_bound_to_cannot_be_changed(asked):
    # All checks above pass, yet the keys do not open under another epoch.
    with pytest.raises(IntegrityError):
        accept(asked, logged=forged(asked, epoch="another"))


def test_a_release_by_another_broker_is_refused(asked):
    _, _, _, logged = asked
    with pytest.raises(IntegrityError):
        accept(asked, logged=logged["insurer"])


def test_keys_sealed_to_another_runner_do_not_open(asked):
    _, request, keys, logged = asked
    stranger = replace(keys, receiving=ScriptedRunner(room=asked[0], label="second").receiving)
    with pytest.raises(IntegrityError):
        accept_release(logged["hospital"], party="hospital", request=request, keys=stranger, at=NOW)


def test_an_expired_release_is_refused(asked):
    room, _, _, logged = asked
    expires = verify_key_release(
        logged["hospital"].statement,
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    ).expires
    with pytest.raises(KeyRefusedError, match="expired") as refused:
        accept(asked, at=expires)
    assert refused.value.code == "runner.release-expired"
