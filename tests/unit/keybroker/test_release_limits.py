# SPDX-License-Identifier: Apache-2.0
"""Steps 5 to 9 of a release: fresh, covered, affordable."""

import dataclasses
import datetime as dt
import json
from fractions import Fraction

import pytest

from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.contract.contract import ContractParty
from cleanroom.contract.policy import DifferentialPrivacy
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import StateStep
from cleanroom.errors import CleanroomError, IntegrityError, KeyRefusedError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.freshness import NONCE_LIFETIME
from cleanroom.vault.data_key import delete_data_key
from tests.support.brokers import (
    SEALED_ENTRY,
    ScriptedRunner,
    broker_bench,
    install_data_key,
    read_release,
    refuse_release,
)
from tests.support.keys import throwaway_party
from tests.support.room_documents import COLUMNS, NOW, RUN, build_room

OTHER = Digest.of(b"something else")


# 5. The nonce.


def test_a_nonce_serves_one_release(bench, room, runner):
    request = runner.ask(bench)
    bench.brokers["hospital"].release(request)
    nonces = runner.nonces(bench.brokers) | {"hospital": _nonce(request)}
    other = ScriptedRunner(room=room, label="other")
    again = other.request(other.runtime(nonces))
    refuse_release(bench, again, code="broker.nonce-used", kind=KeyRefusedError)


def _nonce(request):
    return parse_runtime_data(request.runtime_data).nonces["hospital"]


def test_a_nonce_that_nobody_gave_out_is_refused(bench, runner):
    nonces = runner.nonces(bench.brokers) | {"hospital": b"x" * 32}
    request = runner.request(runner.runtime(nonces))
    refuse_release(bench, request, code="broker.nonce-foreign", kind=KeyRefusedError)


def test_two_brokers_nonces_exchanged_are_refused(bench, runner):
    nonces = runner.nonces(bench.brokers)
    swapped = {"hospital": nonces["insurer"], "insurer": nonces["hospital"]}
    request = runner.request(runner.runtime(swapped))
    refuse_release(bench, request, code="broker.nonce-foreign", kind=KeyRefusedError)


@pytest.mark.parametrize("field", ["run", "contract"])
def test_a_nonce_of_another_run_or_contract_is_refused(bench, room, runner, field):
    named = {"run": RUN, "contract": room.contract_digest}
    other = named | {"run": "another-run-0001"} if field == "run" else named | {"contract": OTHER}
    nonce = bench.brokers["hospital"].challenge(ChallengeRequest(**other)).nonce
    nonces = runner.nonces(bench.brokers) | {"hospital": nonce}
    request = runner.request(runner.runtime(nonces))
    refuse_release(bench, request, code="broker.nonce-other-run", kind=KeyRefusedError)


def test_a_nonce_counts_until_it_expires(bench, room, runner):
    request = runner.ask(bench)
    bench.clock.now = NOW + NONCE_LIFETIME
    refuse_release(bench, request, code="broker.nonce-expired", kind=KeyRefusedError)
    bench.clock.now = NOW + NONCE_LIFETIME - dt.timedelta(seconds=1)
    assert read_release(room, "hospital", bench.brokers["hospital"].release(request))


# 7. The datasets.


def test_an_older_version_of_a_dataset_is_refused(bench, room, runner):
    hospital = room.parties["hospital"]
    install_data_key(bench.home("hospital"), party=hospital, lineage="hospital.patients", version=2)
    refuse_release(bench, runner.ask(bench), code="broker.dataset-version", kind=KeyRefusedError)


def test_a_pinned_version_counts_although_there_is_a_newer_one(tmp_path):
    first = build_room()
    pinned = Digest.of(first.contract_bundle.datasets["hospital.patients"].data)
    datasets = tuple(
        dataclasses.replace(item, version=pinned) if item.lineage == "hospital.patients" else item
        for item in first.contract_terms.datasets
    )
    room = build_room(contract={"datasets": datasets})
    with broker_bench(tmp_path, room) as bench:
        party = room.parties["hospital"]
        home = bench.home("hospital")
        install_data_key(home, party=party, lineage="hospital.patients", version=2)
        bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))


def test_a_history_that_a_contracts_owners_cannot_open_is_refused(bench, room, runner):
    request = runner.ask(bench)
    releases = {"hospital": bench.brokers["hospital"].release(request)}
    lineages = sorted(room.query_terms.datasets)
    steps = tuple(
        StateStep(
            lineage=lineage,
            previous=genesis_head(lineage),
            next=next_head(genesis_head(lineage), Digest.of(SEALED_ENTRY)),
        )
        for lineage in lineages
    )
    bench.brokers["hospital"].commit(runner.commit(request, releases, steps=steps))
    alone = _hospital_alone()
    request = ScriptedRunner(room=alone, label="alone").ask(bench)
    refuse_release(bench, request, code="broker.state-owners", kind=KeyRefusedError)


def _hospital_alone():
    """Build a room in which the insurer only asks."""
    people = {name: throwaway_party(name) for name in ("hospital", "insurer")}
    columns = {name: COLUMNS[name] for name in COLUMNS if name.startswith("hospital.")}
    roles = {"hospital": {"owner"}, "insurer": {"analyst", "receiver"}}
    return build_room(
        columns=columns,
        contract={
            "parties": tuple(
                ContractParty(
                    name=name, document=party.document.digest, roles=frozenset(roles[name])
                )
                for name, party in people.items()
            )
        },
        query={"datasets": {"hospital.patients": ("sex",)}},
        approvals={"hospital": {}},
        run={"run": "hospital-alone-0001"},
    )


def test_a_deleted_version_is_refused(bench, runner):
    delete_data_key(bench.home("hospital"), lineage="hospital.patients", version=1)
    refuse_release(bench, runner.ask(bench), code="broker.no-data-key", kind=KeyRefusedError)


def test_a_dataset_that_names_another_key_is_refused(tmp_path):
    room = build_room(datasets={"hospital.patients": {"key_id": "0" * 32}})
    with broker_bench(tmp_path, room) as bench:
        request = ScriptedRunner(room=room).ask(bench)
        refuse_release(bench, request, code="broker.key-id", kind=IntegrityError)


def test_a_data_key_that_cannot_be_opened_spends_nothing(bench, room, runner):
    request = runner.ask(bench)
    stranger = throwaway_party("hospital", edition=3)
    install_data_key(bench.home("hospital"), party=stranger, lineage="hospital.patients")
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].release(request)
    install_data_key(
        bench.home("hospital"), party=room.parties["hospital"], lineage="hospital.patients"
    )
    logged = bench.brokers["hospital"].release(request)
    assert read_release(room, "hospital", logged).uses.used == 1


def test_a_data_key_that_only_bears_the_name_is_not_released(bench, room, runner):
    request = runner.ask(bench)
    directory = bench.home("hospital") / "data-keys/hospital.patients"
    install_data_key(
        bench.home("hospital"),
        party=room.parties["hospital"],
        lineage="hospital.patients",
        version=2,
    )
    true, other = (json.loads((directory / f"{number}.json").read_bytes()) for number in (1, 2))
    assert true["key_id"] == other["key_id"]
    (directory / "2.json").unlink()
    (directory / "1.json").write_text(json.dumps(true | {"sealed": other["sealed"]}))
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].release(request)
    (directory / "1.json").write_text(json.dumps(true))
    logged = bench.brokers["hospital"].release(request)
    assert read_release(room, "hospital", logged).uses.used == 1


# 9. Uses, releases and budget.


def test_a_contract_is_spent_after_its_last_run(tmp_path):
    room = build_room(contract={"max_runs": 2})
    with broker_bench(tmp_path, room) as bench:
        for label in ("first", "second"):
            bench.brokers["hospital"].release(ScriptedRunner(room=room, label=label).ask(bench))
        request = ScriptedRunner(room=room, label="third").ask(bench)
        refuse_release(bench, request, code="broker.uses-exhausted", kind=KeyRefusedError)


@pytest.mark.parametrize("clause", ["releases_per_receiver", "releases_total"])
def test_a_lineage_is_spent_after_its_last_release(tmp_path, clause):
    room = build_room(policies={"hospital.patients": {clause: 1}})
    with broker_bench(tmp_path, room) as bench:
        bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))
        request = ScriptedRunner(room=room, label="second").ask(bench)
        refuse_release(bench, request, code="broker.releases-exhausted", kind=KeyRefusedError)


def test_a_new_contract_does_not_renew_the_releases_of_a_lineage(tmp_path):
    policies = {"hospital.patients": {"releases_total": 1}}
    old = build_room(policies=policies)
    new = build_room(policies=policies, contract={"name": "another-one", "max_runs": 7})
    with broker_bench(tmp_path, old) as bench:
        bench.brokers["hospital"].release(ScriptedRunner(room=old).ask(bench))
        request = ScriptedRunner(room=new, label="second").ask(bench)
        refuse_release(bench, request, code="broker.releases-exhausted", kind=KeyRefusedError)


@pytest.mark.parametrize(("total", "releases"), [("5/2", 2), ("1", 1)])
def test_a_privacy_budget_is_a_number_of_releases(tmp_path, total, releases):
    noise = DifferentialPrivacy(
        epsilon_per_release=Fraction(1),
        epsilon_total=Fraction(total),
        delta=Fraction(1, 10**6),
        max_rows_per_unit=1,
        max_groups_per_unit=1,
    )
    room = build_room(policies={"hospital.patients": {"noise": noise}})
    with broker_bench(tmp_path, room) as bench:
        for number in range(releases):
            runner = ScriptedRunner(room=room, label=str(number))
            bench.brokers["hospital"].release(runner.ask(bench))
        request = ScriptedRunner(room=room, label="last").ask(bench)
        refuse_release(bench, request, code="broker.releases-exhausted", kind=KeyRefusedError)


def test_the_keys_are_sealed_to_a_key_of_the_right_kind(bench, runner):
    assert isinstance(runner.receiving, ReceivingKey)
    request = runner.ask(bench, hpke_key=b"\0" * 1216)
    with pytest.raises(CleanroomError):
        bench.brokers["hospital"].release(request)
    assert bench.brokers["hospital"].status().log_size == 0
