# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cleanroom.contract.approval import Decision
from cleanroom.contract.broker_requests import (
    ContractNotice,
    RejectionNotice,
    RevocationNotice,
)
from cleanroom.contract.contract import ContractParty
from cleanroom.contract.revocation import RevocationKind
from cleanroom.contract.statements import verify_acknowledgement
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import (
    CleanroomError,
    IdentityUnprovenError,
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    UnavailableError,
)
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker import notices
from cleanroom.keybroker.controls import Controls, StopKind
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.keybroker.state import BrokerState
from cleanroom.keybroker.taken_back import RecordedRevocations
from tests.support.brokers import broker_bench, require_logged
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import DAY, NOW, build_room, with_file


def rejection(room, by="hospital", **changes):
    """Sign a rejection that is newer than the approval in the room."""
    return room.approval(by, **({"decision": Decision.REJECT, "sequence": 2} | changes))


def revocation(room, by="hospital", **changes):
    """Sign a revocation of one's consent to the contract."""
    terms = {"kind": RevocationKind.CONTRACT, "subject": room.contract_digest}
    return room.revocation(by, **(terms | changes))


def notices_of(room):
    """One notice of each kind."""
    return {
        "rejection": RejectionNotice(document=rejection(room)),
        "revocation": RevocationNotice(document=revocation(room)),
        "contract": ContractNotice(bundle=room.contract_bundle),
    }


@pytest.mark.parametrize("kind", ["rejection", "revocation", "contract"])
def test_a_notice_is_acknowledged_once_and_logged(bench, room, kind):
    notice = notices_of(room)[kind]
    logged = bench.brokers["hospital"].notice(notice)
    said = verify_acknowledgement(
        logged.statement,
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    )
    assert said.kind == kind
    assert said.document == notices.notice_digest(notice)
    require_logged(room, "hospital", logged)
    again = bench.brokers["hospital"].notice(notice)
    assert again.statement == logged.statement
    assert bench.brokers["hospital"].status().log_size == 1


STOPS = {"rejection": "approval.rejected", "revocation": "revoked.contract"}


@pytest.mark.parametrize("kind", STOPS)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_noticed_stops_the_next_release(bench, runner, kind, restarted):
    request = runner.ask(bench)
    bench.brokers["hospital"].notice(notices_of(runner.room)[kind])
    if restarted:
        bench.brokers["hospital"].close()
        bench.open("hospital")
    with pytest.raises(CleanroomError) as refused:
        bench.brokers["hospital"].release(request)
    assert refused.value.code == STOPS[kind]


def test_an_approver_may_change_its_mind(bench, room, runner):
    bench.brokers["hospital"].notice(RejectionNotice(document=rejection(room)))
    request = runner.ask(bench)
    again = with_file(
        room.bundle, "approvals", room.approval("hospital", sequence=3), name="hospital"
    )
    bench.brokers["hospital"].release(dataclasses.replace(request, bundle=again))


def test_an_older_rejection_does_not_replace_a_newer_one(bench, room, runner):
    for sequence in (5, 3):
        document = rejection(room, sequence=sequence)
        bench.brokers["hospital"].notice(RejectionNotice(document=document))
    request = runner.ask(bench)
    approval = room.approval("hospital", sequence=4)
    bundle = with_file(room.bundle, "approvals", approval, name="hospital")
    with pytest.raises(CleanroomError) as refused:
        bench.brokers["hospital"].release(dataclasses.replace(request, bundle=bundle))
    assert refused.value.code == "approval.rejected"


def test_a_rejection_of_another_query_stops_nothing_here(bench, room, runner):
    document = rejection(room, query=Digest.of(b"another query"))
    bench.brokers["hospital"].notice(RejectionNotice(document=document))
    bench.brokers["hospital"].release(runner.ask(bench))


@pytest.mark.parametrize("kind", ["rejection", "revocation"])
def test_a_broker_learns_from_what_a_refused_request_shows(bench, room, runner, kind):
    request = runner.ask(bench)
    if kind == "rejection":
        shown = with_file(room.bundle, "approvals", rejection(room), name="hospital")
    else:
        shown = with_file(room.bundle, "revocations", revocation(room), name="0")
    with pytest.raises(CleanroomError):
        bench.brokers["hospital"].release(dataclasses.replace(request, bundle=shown))
    with pytest.raises(CleanroomError) as refused:
        bench.brokers["hospital"].release(request)
    assert refused.value.code in {"approval.rejected", "revoked.contract"}


@pytest.mark.parametrize("kind", ["rejection", "revocation"])
def test_a_forged_withdrawal_is_not_learned(bench, room, runner, kind):
    request = runner.ask(bench)
    eve = throwaway_party("hospital", edition=9)
    if kind == "rejection":
        forged = sign_by(rejection(room).data, kind="approval", parties=(eve,))
        shown = with_file(room.bundle, "approvals", forged, name="hospital")
    else:
        forged = sign_by(revocation(room).data, kind="revocation", parties=(eve,))
        shown = with_file(room.bundle, "revocations", forged, name="0")
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].release(dataclasses.replace(request, bundle=shown))
    bench.brokers["hospital"].release(request)


def test_a_notice_that_approves_is_refused(bench, room):
    notice = RejectionNotice(document=room.approval("hospital", sequence=9))
    with pytest.raises(KeyRefusedError) as refused:
        bench.brokers["hospital"].notice(notice)
    assert refused.value.code == "broker.not-a-rejection"


@pytest.mark.parametrize("kind", [RejectionNotice, RevocationNotice])
def test_a_notice_that_is_no_such_document_is_malformed(bench, room, kind):
    with pytest.raises(MalformedError):
        bench.brokers["hospital"].notice(kind(document=SignedFile(data=b"?", signatures={})))


@pytest.mark.parametrize("kind", ["rejection", "revocation"])
def test_a_notice_of_a_party_that_is_not_pinned_is_refused(bench, room, kind):
    lab = throwaway_party("lab")
    terms = {"rejection": ("approver", rejection(room)), "revocation": ("party", revocation(room))}
    field, genuine = terms[kind]
    data = genuine.data.replace(f'{field} = "hospital"'.encode(), f'{field} = "lab"'.encode())
    assert b'"lab"' in data
    namespace = "approval" if kind == "rejection" else "revocation"
    document = sign_by(data, kind=namespace, parties=(lab,))
    notice = {"rejection": RejectionNotice, "revocation": RevocationNotice}[kind](document=document)
    with pytest.raises(IdentityUnprovenError) as refused:
        bench.brokers["hospital"].notice(notice)
    assert refused.value.code == "broker.party-unknown"


@pytest.mark.parametrize("kind", ["rejection", "revocation"])
def test_a_notice_signed_by_somebody_else_is_refused(bench, room, kind):
    genuine = rejection(room) if kind == "rejection" else revocation(room)
    namespace = "approval" if kind == "rejection" else "revocation"
    signature = room.parties["insurer"].sign(genuine.data, kind=namespace)
    forged = SignedFile(data=genuine.data, signatures={"hospital": signature})
    notice = {"rejection": RejectionNotice, "revocation": RevocationNotice}[kind](document=forged)
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].notice(notice)
    assert bench.brokers["hospital"].status().log_size == 0


def test_a_contract_of_other_owners_is_none_of_a_brokers_business(tmp_path):
    people = {name: throwaway_party(name) for name in ("hospital", "insurer", "lab")}
    room = build_room(parties=people)
    room = build_room(
        parties=people,
        contract={
            "parties": tuple(
                ContractParty(
                    name=party.name,
                    document=party.document,
                    roles=frozenset({"auditor"}) if party.name == "lab" else party.roles,
                )
                for party in room.contract_terms.parties
            )
        },
    )
    with broker_bench(tmp_path, room) as bench:
        bench.home("lab").mkdir(mode=0o700)
        with pytest.raises(KeyRefusedError) as refused:
            bench.open("lab").notice(ContractNotice(bundle=room.contract_bundle))
        assert refused.value.code == "broker.not-mine"


def test_one_party_cannot_fill_a_brokers_disk(tmp_path, room):
    audience = notices.Audience(
        party="hospital", pins=room.pins, agreements=KnownAgreements(), most=2
    )
    state = BrokerState(tmp_path)
    state.begin(party="hospital", epoch="e1", at=NOW)
    third = revocation(room, by="insurer")
    with state.transaction() as opened:
        for reason in (b"one", b"two", b"two"):
            document = revocation(room, by="insurer", subject=Digest.of(reason))
            notice = RevocationNotice(document=document)
            assert notices.take_notice(notice, audience=audience, opened=opened) == "revocation"
        with pytest.raises(UnavailableError) as refused:
            notices.take_notice(RevocationNotice(document=third), audience=audience, opened=opened)
        assert refused.value.code == "broker.notices-full"
        # Another party still has room; what a request shows beyond it is not kept.
        own = RejectionNotice(document=rejection(room))
        assert notices.take_notice(own, audience=audience, opened=opened) == "rejection"
        shown = with_file(room.bundle, "revocations", third, name="0")
        notices.learn(shown, audience=audience, opened=opened)
        assert opened.standing.withdrawal_count("insurer") == 2
    state.close()


def test_a_withdrawal_that_was_learned_is_acknowledged_when_it_is_noticed(bench, room, runner):
    request = runner.ask(bench)
    shown = with_file(room.bundle, "revocations", revocation(room), name="0")
    with pytest.raises(CleanroomError):
        bench.brokers["hospital"].release(dataclasses.replace(request, bundle=shown))
    logged = bench.brokers["hospital"].notice(RevocationNotice(document=revocation(room)))
    require_logged(room, "hospital", logged)


def test_a_contract_that_was_learned_is_acknowledged_when_it_is_noticed(bench, room, runner):
    bench.brokers["hospital"].release(runner.ask(bench))
    logged = bench.brokers["hospital"].notice(ContractNotice(bundle=room.contract_bundle))
    require_logged(room, "hospital", logged)


@pytest.mark.parametrize("whole", [False, True], ids=["one key", "the party document"])
def test_a_revoked_key_of_a_party_is_revoked_from_its_time_on(bench, room, whole):
    broker, insurer = bench.brokers["hospital"], room.parties["insurer"]
    key = insurer.unlocked.signer.public_key
    subject = insurer.document.digest if whole else Digest.of(key.blob)
    terms = {"kind": RevocationKind.KEY, "subject": subject, "since": NOW + DAY}
    assert not broker.is_revoked("insurer", key)
    broker.notice(RevocationNotice(document=revocation(room, "insurer", **terms)))
    assert not broker.is_revoked("insurer", key)
    bench.clock.advance(days=1)
    assert broker.is_revoked("insurer", key)
    # Nobody takes back another party's key, and a stranger has none.
    assert not broker.is_revoked("hospital", key)
    assert not broker.is_revoked("stranger", key)


def test_a_revoked_key_is_known_to_whoever_looks_beside_the_broker(bench, room):
    insurer, home = room.parties["insurer"], bench.home("hospital")
    key = insurer.unlocked.signer.public_key
    beside = RecordedRevocations(home, pins=lambda: room.pins, clock=bench.clock)
    with beside:
        assert not beside.is_revoked("insurer", key)
        terms = {"kind": RevocationKind.KEY, "subject": Digest.of(key.blob), "since": NOW}
        bench.brokers["hospital"].notice(
            RevocationNotice(document=revocation(room, "insurer", **terms))
        )
        assert beside.is_revoked("insurer", key)
        assert not beside.is_revoked("hospital", key)


def test_nobody_looks_beside_a_broker_that_never_was(tmp_path, room):
    with pytest.raises(UnavailableError):
        RecordedRevocations(tmp_path, pins=lambda: room.pins, clock=lambda: NOW)


def test_a_broker_names_the_parties_of_contracts_it_knows(bench, room):
    broker = bench.brokers["hospital"]
    assert broker.parties_of(room.contract_digest) == {"hospital", "insurer"}
    assert broker.parties_of(Digest.of(b"unknown")) == frozenset()


def test_a_broker_is_ready_while_its_memory_can_be_read(bench):
    broker = bench.brokers["hospital"]
    broker.require_ready()
    broker._home.state.close()  # noqa: SLF001 - as a disk that is gone
    for path in bench.home("hospital").glob("state.sqlite*"):
        path.unlink()
    (bench.home("hospital") / "state.sqlite").mkdir()
    with pytest.raises(UnavailableError) as refused:
        broker.require_ready()
    assert refused.value.code == "broker.state"


def test_a_broker_whose_owner_stopped_everything_is_not_ready(bench, room):
    broker, at = bench.brokers["hospital"], bench.clock()
    with Controls(bench.home("hospital")) as controls:
        controls.stop(StopKind.DATASET, "hospital.encounters", at=at)
        broker.require_ready()
        controls.stop(StopKind.ALL, "", at=at)
        with pytest.raises(UnavailableError) as refused:
            broker.require_ready()
        assert refused.value.code == "broker.not-ready"
        controls.resume(StopKind.ALL, "")
    broker.require_ready()
