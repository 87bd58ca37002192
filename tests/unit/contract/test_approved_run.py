# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.contract import Quorum
from cleanroom.contract.query import CodeFile
from cleanroom.contract.run_documents import read_approvals
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import (
    CODE,
    DAY,
    NOW,
    PARTIES,
    USED,
    build_room,
    with_file,
)

ROOM = build_room()
SECOND = dt.timedelta(seconds=1)


def refused(error: type[CleanroomError], room=ROOM, **options) -> str:
    with pytest.raises(error) as raised:
        room.approved(**options)
    assert type(raised.value) is error
    return raised.value.message


def test_a_valid_run_is_approved():
    run = ROOM.approved()
    assert run.request.run == ROOM.run_terms.run
    assert run.query.digest == ROOM.query_digest
    assert run.code == {"query.sql": CODE}
    assert [approval.approver for approval in run.approvals] == list(PARTIES)
    assert run.parameters == {"region": "north", "born": 1960, "since": "2025-01-01"}


def test_decisions_are_verified_before_there_is_a_run():
    files = ROOM.bundle.approvals
    assert read_approvals(ROOM.agreement(), files) == ROOM.approved().approvals
    hospital = files["hospital"]
    forged = SignedFile(data=hospital.data, signatures=files["insurer"].signatures)
    with pytest.raises(CleanroomError, match="^approvals/hospital.toml: signature of hospital"):
        read_approvals(ROOM.agreement(), {**files, "hospital": forged})


def test_a_bundle_of_another_contract_is_refused():
    other = build_room(contract={"max_runs": 1})
    with pytest.raises(IntegrityError, match="^contract.toml: found sha256:"):
        approve_run(ROOM.agreement(), other.bundle, at=NOW)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (ROOM.contract_terms.not_before - SECOND, "not_before"),
        (ROOM.contract_terms.expires, "expires"),
    ],
)
def test_a_contract_that_is_not_in_force_is_refused(at, words):
    room = build_room(run={"expires": NOW + 1000 * DAY})
    assert refused(RefusedError, room, at=at).startswith(f"contract.toml: {words}: found")


def test_a_contract_is_in_force_from_its_first_to_its_last_second():
    far = {"expires": NOW + 1000 * DAY}
    room = build_room(run=far, approvals=dict.fromkeys(PARTIES, far))
    assert room.approved(at=room.contract_terms.not_before)
    assert room.approved(at=room.contract_terms.expires - SECOND)


def test_only_a_submitter_starts_a_run():
    room = build_room(run={"submitter": "hospital"})
    assert refused(RefusedError, room) == (
        "run.toml: submitter: found 'hospital', agreed one of insurer"
    )


def test_a_run_request_for_another_contract_is_refused():
    room = build_room(run={"contract": Digest.of(b"another contract")})
    assert refused(IntegrityError, room).startswith("run.toml: contract: found sha256:")


def test_a_run_request_expires():
    assert ROOM.approved(at=ROOM.run_terms.expires - SECOND)
    assert refused(RefusedError, at=ROOM.run_terms.expires).startswith("run.toml: expires: found")


def test_a_run_request_for_another_query_is_refused():
    room = build_room(run={"query": Digest.of(b"another query")})
    assert refused(IntegrityError, room).startswith("query.toml: found sha256:")


@pytest.mark.parametrize("code", [CODE + b" ", CODE.replace(b"count", b"COUNT"), b""])
def test_code_that_is_not_what_the_query_names_is_refused(code):
    changed = dataclasses.replace(ROOM.bundle, code={"query.sql": code})
    with pytest.raises(IntegrityError, match="^code query.sql: found sha256:"):
        approve_run(ROOM.agreement(), changed, at=NOW)


@pytest.mark.parametrize("code", [{}, {"query.sql": CODE, "other.sql": b""}, {"other.sql": CODE}])
def test_exactly_the_named_files_of_code_must_be_there(code):
    changed = dataclasses.replace(ROOM.bundle, code=code)
    with pytest.raises(IntegrityError, match="^query.toml: code: found"):
        approve_run(ROOM.agreement(), changed, at=NOW)


def test_a_dataset_outside_the_contract_is_refused():
    room = build_room(query={"datasets": {**USED, "insurer.letters": ("text",)}})
    assert refused(RefusedError, room).startswith("query.toml: datasets: found insurer.letters")


def test_a_dataset_that_is_not_sealed_yet_is_refused():
    room = build_room()
    del room.bundle.agreement.datasets["insurer.members"]
    assert refused(RefusedError, room).startswith("datasets/insurer.members/dataset.toml: found no")


@pytest.mark.parametrize(
    ("column", "words"), [("nothing", "is no column of it"), ("surname", "its owner blocked")]
)
def test_a_column_that_is_absent_or_blocked_is_refused_by_name(column, words):
    room = build_room(query={"datasets": {**USED, "hospital.patients": ("patient_id", column)}})
    message = refused(RefusedError, room)
    assert message.startswith(f"query.toml: datasets.hospital.patients: found '{column}'")
    assert message.endswith(words)


def test_every_owner_touched_must_allow_the_kind_of_analysis():
    room = build_room(policies={"hospital.patients": {"kinds": frozenset({"dp"})}})
    assert refused(RefusedError, room) == (
        "query.toml: kind: found 'sql', the policy of hospital.patients agreed dp"
    )


def test_the_policy_of_a_dataset_that_is_not_touched_does_not_matter():
    room = build_room(policies={"insurer.claims": {"kinds": frozenset(), "receivers": frozenset()}})
    assert room.approved()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (
            {"run": {"receivers": frozenset({"hospital"})}},
            "run.toml: receivers: found 'hospital', the query agreed insurer",
        ),
        (
            {"query": {"receivers": frozenset(PARTIES)}},
            "query.toml: receivers: found 'hospital', the contract agreed insurer",
        ),
        (
            {"policies": {"hospital.encounters": {"receivers": frozenset({"hospital"})}}},
            (
                "run.toml: receivers: found 'insurer', the policy of hospital.encounters "
                "agreed hospital"
            ),
        ),
        (
            {"policies": {"hospital.encounters": {"receivers": frozenset()}}},
            "run.toml: receivers: found 'insurer', the policy of hospital.encounters agreed none",
        ),
    ],
)
def test_receivers_only_ever_narrow(knobs, message):
    assert refused(RefusedError, build_room(**knobs)) == message


def test_a_query_may_name_more_receivers_than_a_request():
    both = frozenset(PARTIES)
    room = build_room(contract={"receivers": both}, query={"receivers": both})
    assert room.approved().request.receivers == {"insurer"}


@pytest.mark.parametrize("absent", PARTIES)
def test_every_owner_touched_must_approve(absent):
    room = build_room(approvals={name: {} for name in PARTIES if name != absent})
    assert refused(RefusedError, room) == (
        f"query plans-and-wards: approval of {absent}: found none, agreed one in force"
    )


def test_a_query_that_the_contract_lists_needs_no_approval():
    room = build_room(contract={"queries": frozenset({ROOM.query_digest})}, approvals={})
    assert room.approved().approvals == ()


def test_all_parties_approve_where_the_contract_says_so():
    room = build_room(
        contract={"quorum": Quorum.ALL_OWNERS}, approvals={"insurer": {}, "hospital": {}}
    )
    assert len(room.approved().approvals) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"region": "north", "born": 1960},
            "run.toml: parameters.since: found no value, the query agreed one",
        ),
        (
            {"region": "north", "born": 1960, "since": "2025-01-01", "more": 1},
            "run.toml: parameters.more: found a value, the query agreed no such parameter",
        ),
        (
            {"region": "east", "born": 1960, "since": "2025-01-01"},
            (
                "run.toml: parameters.region: found another value, agreed one of those that the "
                "query lists"
            ),
        ),
    ],
)
def test_parameters_are_exactly_those_declared(parameters, message):
    assert refused(RefusedError, build_room(run={"parameters": parameters})) == message


def test_a_parameter_of_another_type_is_refused_without_quoting_it():
    parameters = {"region": "north", "born": "1960", "since": "2025-01-01"}
    room = build_room(run={"parameters": parameters})
    message = refused(MalformedError, room)
    assert message == "run.toml: parameters.born: found another type, agreed a whole number"


@pytest.mark.parametrize(("place", "kind"), [("run", "run"), ("query", "query")])
def test_a_document_of_the_run_must_be_signed_by_whom_it_names(place, kind):
    file = getattr(ROOM.bundle, place)
    by_other = sign_by(file.data, kind=kind, parties=(ROOM.parties["hospital"],))
    with pytest.raises(RefusedError, match=f"^{place}.toml: signature of insurer: missing"):
        approve_run(ROOM.agreement(), with_file(ROOM.bundle, place, by_other), at=NOW)


@pytest.mark.parametrize("place", ["run", "query"])
def test_a_second_signature_beside_a_document_is_refused(place):
    file = getattr(ROOM.bundle, place)
    signed = SignedFile(data=file.data, signatures={**file.signatures, "mallory": b"any"})
    with pytest.raises(RefusedError, match=f"^{place}.toml: found a signature of mallory"):
        approve_run(ROOM.agreement(), with_file(ROOM.bundle, place, signed), at=NOW)


def test_a_signer_who_is_no_party_is_refused_by_name():
    mallory = throwaway_party("mallory")
    data = ROOM.bundle.run.data.replace(b'submitter = "insurer"', b'submitter = "mallory"')
    bundle = with_file(ROOM.bundle, "run", sign_by(data, kind="run", parties=(mallory,)))
    with pytest.raises(RefusedError, match="^run.toml: found 'mallory' as its signer, agreed one"):
        approve_run(ROOM.agreement(), bundle, at=NOW)


def test_an_approval_under_another_name_is_refused():
    file = ROOM.bundle.approvals["hospital"]
    with pytest.raises(IntegrityError, match="^approvals/insurer.toml: approver: found 'hospital'"):
        approve_run(
            ROOM.agreement(), with_file(ROOM.bundle, "approvals", file, name="insurer"), at=NOW
        )


def test_the_digest_of_code_is_part_of_the_query():
    other = CodeFile(file="query.sql", digest=Digest.of(b"another"))
    room = build_room(query={"code": (other,)})
    assert refused(IntegrityError, room).startswith("code query.sql: found sha256:")
