# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.broker_requests import ContractNotice
from cleanroom.contract.contract import ContractParty
from cleanroom.contract.resources import Resources
from cleanroom.contract.revocation import RevocationKind
from cleanroom.contract.state_chain import genesis_head
from cleanroom.contract.statements import ReceiverReleases, Uses
from cleanroom.errors import IntegrityError, KeyRefusedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.decision import COMMIT_MARGIN, RelyingParty, decide
from cleanroom.keybroker.key_source import HomeKeys
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.keybroker.state import BrokerState
from tests.support.brokers import (
    ScriptedRunner,
    broker_bench,
    data_key,
    open_release,
    read_release,
    refuse_release,
    require_logged,
)
from tests.support.keys import pins_of, throwaway_party
from tests.support.room_documents import DAY, NOW, RUN, build_room, with_file

OTHER = Digest.of(b"something else")


def test_a_release_says_everything_that_was_decided(bench, room, runner):
    request = runner.ask(bench)
    logged = bench.brokers["hospital"].release(request)
    release = read_release(room, "hospital", logged)
    assert release.contract == room.contract_digest
    assert release.query == room.query_digest
    assert release.run_request == Digest.of(room.bundle.run.data)
    assert release.run == RUN
    assert release.runtime_data == Digest.of(request.runtime_data)
    assert release.evidence == Digest.of(request.evidence)
    assert release.appraisal["submods"]["runner"]["ear.status"] == "contraindicated"
    assert [dataset.lineage for dataset in release.datasets] == [
        "hospital.encounters",
        "hospital.patients",
    ]
    assert all(dataset.head == genesis_head(dataset.lineage) for dataset in release.datasets)
    assert release.owners == ("hospital", "insurer")
    assert release.uses == Uses(used=1, limit=100)
    assert release.releases[:2] == (
        ReceiverReleases(lineage="hospital.encounters", receiver="insurer", used=1, limit=100),
        ReceiverReleases(lineage="hospital.encounters", receiver="*", used=1, limit=200),
    )
    assert release.released_at == NOW
    assert release.expires == NOW + dt.timedelta(seconds=60) + COMMIT_MARGIN
    require_logged(room, "hospital", logged)


def test_only_the_attested_runner_opens_the_keys(bench, room, runner):
    logged = bench.brokers["hospital"].release(runner.ask(bench))
    keys = open_release(runner, "hospital", logged)
    assert keys.keys == {
        lineage: data_key(lineage) for lineage in ("hospital.encounters", "hospital.patients")
    }
    assert set(keys.shares) == {"hospital", "hospital+insurer"}
    with pytest.raises(IntegrityError):
        open_release(ScriptedRunner(room=room, label="other"), "hospital", logged)


def test_an_owner_whose_data_is_not_touched_takes_part_without_keys(tmp_path):
    room = build_room(
        query={"datasets": {"insurer.members": ("plan", "member_id")}},
        approvals={"insurer": {}},
    )
    with broker_bench(tmp_path, room) as bench:
        runner = ScriptedRunner(room=room)
        logged = bench.brokers["hospital"].release(runner.ask(bench))
        release = read_release(room, "hospital", logged)
        assert (release.datasets, release.releases) == ((), ())
        assert release.uses == Uses(used=1, limit=100)
        keys = open_release(runner, "hospital", logged)
        assert (dict(keys.keys), set(keys.shares)) == ({}, {"hospital"})


def test_asking_again_gives_the_same_statement_and_costs_nothing(bench, room, runner):
    request = runner.ask(bench)
    first = bench.brokers["hospital"].release(request)
    bench.clock.advance(seconds=200)
    again = bench.brokers["hospital"].release(request)
    assert again.statement == first.statement
    assert again.index == first.index
    assert bench.brokers["hospital"].status().log_size == 1
    other = ScriptedRunner(room=room, label="other").ask(bench)
    counted = read_release(room, "hospital", bench.brokers["hospital"].release(other))
    assert counted.uses.used == 2


def test_asking_again_after_a_restart_gives_the_same_statement(bench, runner):
    request = runner.ask(bench)
    first = bench.brokers["hospital"].release(request)
    bench.brokers["hospital"].close()
    again = bench.open("hospital").release(request)
    assert again.statement == first.statement


def test_asking_again_too_late_is_refused(tmp_path):
    room = build_room(contract={"expires": NOW + dt.timedelta(seconds=250)})
    with broker_bench(tmp_path, room) as bench:
        runner = ScriptedRunner(room=room)
        request = runner.ask(bench)
        release = read_release(room, "hospital", bench.brokers["hospital"].release(request))
        assert release.expires == NOW + dt.timedelta(seconds=250)
        bench.clock.now = release.expires - dt.timedelta(seconds=1)
        bench.brokers["hospital"].release(request)
        bench.clock.now = release.expires
        refuse_release(bench, request, code="contract.expired")


def test_a_release_that_has_expired_is_not_given_again(tmp_path):
    profile = {"attestation": _profile(max_evidence_age=dt.timedelta(days=1))}
    resources = Resources(memory_mib=512, seconds=1, rows=10)
    room = build_room(contract=profile, query={"resources": resources})
    with broker_bench(tmp_path, room) as bench:
        request = ScriptedRunner(room=room).ask(bench)
        release = read_release(room, "hospital", bench.brokers["hospital"].release(request))
        bench.clock.now = release.expires
        refuse_release(bench, request, code="broker.release-expired", kind=KeyRefusedError)


def _profile(**changes):
    return dataclasses.replace(build_room().contract_terms.attestation, **changes)


def test_a_revocation_stops_a_release_that_was_given_before(bench, room, runner):
    request = runner.ask(bench)
    bench.brokers["hospital"].release(request)
    revoked = room.revocation("insurer", kind=RevocationKind.CONTRACT, subject=room.contract_digest)
    bundle = with_file(request.bundle, "revocations", revoked, name="0")
    refuse_release(bench, dataclasses.replace(request, bundle=bundle), code="revoked.contract")
    refuse_release(bench, request, code="revoked.contract")


# 1. The contract.


def test_a_party_that_nobody_compared_is_refused(bench, room, runner):
    bench.brokers["hospital"].close()
    bench.open("hospital", pins=pins_of(room.parties["hospital"]))
    refuse_release(bench, runner.ask(bench), code="identity.unproven")


def test_a_contract_of_other_owners_is_refused(tmp_path):
    people = {name: throwaway_party(name) for name in ("hospital", "insurer", "lab")}
    room = build_room(
        parties=people,
        contract={
            "parties": tuple(
                ContractParty(
                    name=name,
                    document=party.document.digest,
                    roles=frozenset({"auditor"} if name == "lab" else {"owner", "receiver"}),
                )
                for name, party in people.items()
            )
        },
    )
    with broker_bench(tmp_path, room) as bench:
        bench.home("lab").mkdir(mode=0o700)
        request = ScriptedRunner(room=room).ask(bench)
        bench.open("lab")
        refuse_release(bench, request, code="broker.not-mine", party="lab", kind=KeyRefusedError)
        _decide_for_lab(tmp_path / "state", request, room)


def _decide_for_lab(home, request, room):
    """Decide without having learned the contract before: the list is complete by itself."""
    home.mkdir()
    state = BrokerState(home)
    state.begin(party="lab", epoch="e1", at=NOW)
    keys = HomeKeys(home=home, receiving=room.parties["lab"].unlocked.receiving)
    owner = RelyingParty(
        party=room.parties["lab"].document, pins=room.pins, keys=keys, agreements=KnownAgreements()
    )
    with (
        pytest.raises(KeyRefusedError) as refused,
        state.transaction() as opened,
    ):
        decide(request, owner=owner, standing=opened.standing, at=NOW)
    assert refused.value.code == "broker.not-mine"
    state.close()


def test_a_contract_that_names_another_document_of_its_owner_is_refused(bench, room, runner):
    request = runner.ask(bench)
    bench.brokers["hospital"].close()
    renewed = throwaway_party("hospital", edition=2)
    changed = dataclasses.replace(room, parties={**room.parties, "hospital": renewed})
    stale = dataclasses.replace(bench, path=bench.path / "renewed", room=changed)
    stale.home("hospital").mkdir(mode=0o700, parents=True)
    broker = stale.open("hospital", pins=room.pins)
    with pytest.raises(IntegrityError) as refused:
        broker.release(request)
    assert refused.value.code == "digest.mismatch"


def _amended(room, **changes):
    return build_room(contract={"predecessor": room.contract_digest, **changes})


def test_a_superseded_contract_is_refused(bench, room, runner):
    request = runner.ask(bench)
    successor = _amended(room)
    bench.brokers["hospital"].notice(ContractNotice(bundle=successor.contract_bundle))
    refuse_release(bench, request, code="broker.superseded", kind=KeyRefusedError)


def test_an_amendment_inherits_the_uses_of_what_it_amends(bench, room, runner):
    bench.brokers["hospital"].release(runner.ask(bench))
    successor = _amended(_amended(room))
    middle = _amended(room)
    bench.brokers["hospital"].notice(ContractNotice(bundle=middle.contract_bundle))
    later = ScriptedRunner(room=successor, label="later")
    logged = bench.brokers["hospital"].release(later.ask(bench))
    assert read_release(successor, "hospital", logged).uses.used == 2


def test_an_amendment_of_an_unknown_contract_counts_for_itself(tmp_path):
    room = build_room(contract={"predecessor": OTHER})
    with broker_bench(tmp_path, room) as bench:
        logged = bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))
        assert read_release(room, "hospital", logged).uses.used == 1


def _three_party_room(**changes):
    people = {name: throwaway_party(name) for name in ("hospital", "insurer", "lab")}
    return build_room(parties=people, **changes)


@pytest.mark.parametrize("signed", [False, True])
def test_an_amendment_needs_the_party_that_it_drops(tmp_path, signed):
    old = _three_party_room()
    new = _amended(old)
    contract = new.contract_bundle.contract
    if signed:
        signature = old.parties["lab"].sign(contract.data, kind="contract")
        contract = dataclasses.replace(
            contract, signatures={**contract.signatures, "lab": signature}
        )
    bundle = with_file(new.bundle, "contract", contract)
    with broker_bench(tmp_path, new) as bench:
        bench.brokers["hospital"].close()
        broker = bench.open("hospital", pins=old.pins)
        broker.notice(ContractNotice(bundle=old.contract_bundle))
        request = ScriptedRunner(room=new).ask(bench)
        request = dataclasses.replace(request, bundle=bundle)
        if signed:
            broker.release(request)
            return
        refuse_release(bench, request, code="broker.predecessor-unsigned", kind=KeyRefusedError)
        # Until everybody has signed, the old contract is in force.
        asked = ScriptedRunner(room=old, label="meanwhile").ask(bench)
        assert broker.release(asked).index == 1


def test_a_forged_signature_of_a_dropped_party_is_refused(tmp_path):
    old = _three_party_room()
    new = _amended(old)
    contract = new.contract_bundle.contract
    forged = throwaway_party("lab", edition=2).sign(contract.data, kind="contract")
    contract = dataclasses.replace(contract, signatures={**contract.signatures, "lab": forged})
    with broker_bench(tmp_path, new) as bench:
        bench.brokers["hospital"].close()
        broker = bench.open("hospital", pins=old.pins)
        broker.notice(ContractNotice(bundle=old.contract_bundle))
        request = ScriptedRunner(room=new).ask(bench)
        request = dataclasses.replace(request, bundle=with_file(new.bundle, "contract", contract))
        with pytest.raises(IntegrityError):
            broker.release(request)


# 2, 6 and 8. The run: asked for, approved, in force by the broker's clock.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"contract": {"expires": NOW}}, "contract.expired"),
        ({"contract": {"not_before": NOW + DAY}}, "contract.not-yet"),
        ({"run": {"expires": NOW}}, "run.expired"),
        ({"approvals": {"insurer": {}}}, "approval.missing"),
        ({"approvals": {"insurer": {}, "hospital": {"expires": NOW}}}, "approval.missing"),
        ({"run": {"parameters": {"region": "x", "born": 1960, "since": "2025-01-01"}}}, None),
        ({"contract": {"submitters": frozenset({"hospital"})}}, "run.submitter"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_run_that_is_not_allowed_now_gets_no_keys(tmp_path, changes, code):
    room = build_room(**changes)
    with broker_bench(tmp_path, room) as bench:
        request = ScriptedRunner(room=room).ask(bench)
        refuse_release(bench, request, code=code or "run.parameter-value", kind=RefusedError)


# 3. The evidence, for exactly this run.


@pytest.mark.parametrize("field", ["contract", "query", "run_request"])
def test_runtime_data_of_other_documents_is_refused(bench, runner, field):
    refuse_release(
        bench, runner.ask(bench, **{field: OTHER}), code="digest.mismatch", kind=IntegrityError
    )


def test_runtime_data_of_another_run_is_refused(bench, runner):
    request = runner.ask(bench, run="another-run-0001")
    refuse_release(bench, request, code="broker.other-run", kind=KeyRefusedError)


@pytest.mark.parametrize("parties", [("hospital",), ("hospital", "insurer", "lab")])
def test_runtime_data_has_a_nonce_of_every_owner_and_of_nobody_else(bench, runner, parties):
    nonces = runner.nonces(bench.brokers)
    nonces = {party: nonces.get(party, b"x" * 32) for party in parties}
    request = runner.request(runner.runtime(nonces))
    refuse_release(bench, request, code="broker.nonce-owners", kind=KeyRefusedError)


def test_evidence_over_other_runtime_data_is_refused(bench, room, runner):
    nonces = runner.nonces(bench.brokers)
    genuine = runner.runtime(nonces)
    mine = ScriptedRunner(room=room, label="eve").runtime(nonces)
    refuse_release(bench, runner.request(mine, attested=genuine), code="attestation.binding")


# 4. The profile.


def test_another_runner_gets_no_keys(bench, runner):
    runtime = runner.runtime(runner.nonces(bench.brokers), runner=OTHER)
    refuse_release(
        bench, runner.request(runtime, measurement=OTHER), code="attestation.measurement"
    )


def test_evidence_of_yesterday_gets_no_keys(bench, runner):
    runtime = runner.runtime(runner.nonces(bench.brokers))
    refuse_release(bench, runner.request(runtime, issued_at=NOW - DAY), code="attestation.age")
