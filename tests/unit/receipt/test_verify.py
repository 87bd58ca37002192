# SPDX-License-Identifier: Apache-2.0
"""Every field of a receipt, one lie at a time: which step refuses it, and as what."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from cleanroom.attestation.platforms.simulated.root import PLATFORM
from cleanroom.contract import places
from cleanroom.contract.agreement import ContractDigest
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.statements import DatasetRelease
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import DatasetUse, Named, Sandbox, SealedResult
from tests.support.keys import sign_by, signing_key, throwaway_party
from tests.support.receipt_forge import Forge, Lies
from tests.support.receipt_room import NOW, OWNERS, PUBLIC, SEALED_RESULT, approval, make_documents

OTHER = Digest.of(b"something else")
OTHER_KEY = signing_key("another run").public_key().public_bytes_raw()
SECOND = dt.timedelta(seconds=1)
STEPS = [
    "format",
    "contract",
    "identities",
    "runtime data",
    "signature",
    "key releases",
    "approval",
    "request",
    "datasets",
    "attestation",
    "sandbox",
    "rules",
    "countersignatures",
    "history",
    "times",
    "logs",
    "result",
]


def everyone(**changes):
    return dict.fromkeys(OWNERS, changes)


def only(owner, **changes):
    return {owner: changes}


def test_an_honest_receipt_is_verified_with_one_line_a_step():
    verified = Forge().verify()
    assert [line.step for line in verified.lines] == STEPS
    assert all(line.held for line in verified.lines)
    assert verified.run.request.run == verified.body.run
    assert set(verified.attestation) == set(OWNERS)


def test_lines_hold_no_parameter_value_and_tell_loud_things_loudly():
    text = "\n".join(line.found for line in Forge().verify().lines)
    assert "SIMULATED - NOT CONFIDENTIAL" in text
    assert "no kernel sandbox" in text
    assert "since" not in text


def test_a_receipt_over_public_data_lists_no_rule():
    verified = Forge(documents=make_documents(lineages=PUBLIC)).verify()
    assert "public data only" in verified.lines[11].found


@pytest.mark.parametrize(
    ("runtime", "subject"),
    [
        ({"contract": OTHER}, "runtime data: contract"),
        ({"query": OTHER}, "runtime data: query"),
        ({"run_request": OTHER}, "runtime data: run request"),
        ({"run": "run-99999999"}, "run"),
        ({"nonces": {"hospital": b"n" * 32}}, "nonces"),
        ({"nonces": dict.fromkeys(("analyst", *OWNERS), b"n" * 32)}, "nonces"),
    ],
)
def test_runtime_data_that_binds_something_else_is_refused(runtime, subject):
    step, error = Forge(lies=Lies(runtime=runtime)).refusal()
    assert step == "runtime data"
    assert isinstance(error, IntegrityError)
    assert error.message.startswith(f"{subject}:")


@pytest.mark.parametrize(
    "lies", [Lies(signed_with="mallory"), Lies(runtime={"sign_key": OTHER_KEY})]
)
def test_only_the_attested_run_key_signs_a_receipt(lies):
    step, error = Forge(lies=lies).refusal()
    assert (step, type(error)) == ("signature", IntegrityError)


@pytest.mark.parametrize(
    "moment",
    [NOW - dt.timedelta(days=2), NOW + dt.timedelta(hours=2), NOW + dt.timedelta(days=31)],
)
def test_approval_is_judged_at_each_brokers_release_time(moment):
    change = {"released_at": moment, "expires": moment + SECOND, "appraisal": {}}
    step, error = Forge(lies=Lies(release=only("insurer", **change))).refusal()
    assert step == "approval"
    assert isinstance(error, RefusedError)


@pytest.mark.parametrize(
    ("change", "step", "subject"),
    [
        ({"approvals": {}}, "approval", "query readmissions: approval of hospital"),
        ({"code": {"query.sql": OTHER}}, "request", "code"),
        ({"code": {}}, "request", "code"),
        ({"submitter": "hospital"}, "request", "submitter"),
        ({"parameters": {"since": 1}}, "request", "parameters"),
        ({"parameters": {}}, "request", "parameters"),
        ({"receivers": ("hospital", "insurer")}, "key releases", "key release of hospital"),
    ],
)
def test_words_that_people_did_not_sign_are_refused(change, step, subject):
    found, error = Forge(lies=Lies(body=change)).refusal()
    assert found == step
    assert error.message.startswith(f"{subject}:")


def test_receivers_are_those_of_the_run_request():
    forge = Forge()
    agreement = forge.agreement()
    release = {}
    for owner in OWNERS:
        counts = forge.release(owner, agreement).releases
        more = [replace(item, receiver="hospital") for item in counts if item.receiver != "*"]
        release[owner] = {"releases": (*counts, *more)}
    lies = Lies(release=release, body={"receivers": ("hospital", "insurer")})
    step, error = Forge(lies=lies).refusal()
    assert step == "request"
    assert error.message.startswith("receivers:")


def test_a_query_under_another_name_is_refused():
    documents = make_documents()
    room = documents.room
    for (place, _), file in list(room.files.items()):
        room.put(place.replace("queries/readmissions", "queries/harmless"), file)
    lies = Lies(body={"query": Named(name="harmless", digest=documents.query)})
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert step == "request"
    assert error.message.startswith("query:")


@pytest.mark.parametrize("field", ["query", "run_request"])
def test_a_room_that_serves_other_bytes_under_a_digest_is_found_out(field):
    documents = make_documents()
    place, honest = {
        "query": (places.query_file("readmissions"), documents.query),
        "run_request": (places.run_file("run-20261122-01"), documents.request),
    }[field]
    documents.room.files[place, OTHER] = documents.room.find(place, honest)
    said = Named(name="readmissions", digest=OTHER) if field == "query" else OTHER
    lies = Lies(runtime={field: OTHER}, release=everyone(**{field: OTHER}), body={field: said})
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert (step, type(error)) == ("request", IntegrityError)


def test_a_run_under_another_name_is_refused():
    documents = make_documents()
    room = documents.room
    for (place, _), file in list(room.files.items()):
        room.put(place.replace("run-20261122-01", "run-20261122-02"), file)
    name = "run-20261122-02"
    lies = Lies(runtime={"run": name}, release=everyone(run=name), body={"run": name})
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert step == "request"
    assert error.message.startswith("run:")


def test_an_approval_that_did_not_count_may_not_be_listed():
    documents = make_documents()
    approvals = {**documents.approvals, "analyst": documents.approvals["hospital"]}
    file = documents.room.find(
        places.approval_file("readmissions", "hospital"), documents.approvals["hospital"]
    )
    documents.room.put(places.approval_file("readmissions", "analyst"), file)
    step, _ = Forge(documents=documents, lies=Lies(body={"approvals": approvals})).refusal()
    assert step == "approval"


def test_a_genuine_approval_by_somebody_nobody_needed_may_not_be_listed():
    documents = make_documents()
    data = approval("analyst", contract=documents.contract, query=documents.query)
    digest = documents.room.put(
        places.approval_file("readmissions", "analyst"),
        sign_by(data, kind="approval", parties=(throwaway_party("analyst"),)),
    )
    lies = Lies(body={"approvals": {**documents.approvals, "analyst": digest}})
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert step == "request"
    assert error.message.startswith("approvals:")


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"owner": "insurer"}, "key releases"),
        ({"number": 4}, "datasets"),
        ({"policy": OTHER}, "datasets"),
        ({"version": OTHER}, "contract"),
    ],
)
def test_another_dataset_version_owner_or_policy_is_refused(change, step):
    first, *rest = Forge().honest_names().datasets
    lies = Lies(body={"datasets": (replace(first, **change), *rest)})
    assert Forge(lies=lies).refusal()[0] == step


def test_a_dataset_may_not_be_named_twice_or_left_out():
    first, second = Forge().honest_names().datasets
    twice = Lies(body={"datasets": (first, first, second)})
    assert Forge(lies=twice).refusal()[0] == "datasets"
    without = Lies(body={"datasets": (first,)})
    assert Forge(lies=without).refusal()[0] == "key releases"


def test_a_dataset_that_the_query_does_not_read_is_refused():
    documents = make_documents()
    forge = Forge(documents=documents)
    agreement = forge.agreement()
    digest, wards = next(
        (digest, file)
        for (place, digest), file in documents.room.files.items()
        if place == places.dataset_file("hospital.wards")
    )
    assert wards.data
    extra = DatasetUse(
        lineage="hospital.wards",
        owner="hospital",
        version=digest,
        number=3,
        policy=documents.policies["hospital.wards"],
    )
    honest = forge.release("hospital", agreement)
    released = DatasetRelease(
        lineage="hospital.wards",
        version=digest,
        number=3,
        key_id=Digest.of(b"key of hospital.wards").hex[:32],
        head=Digest.of(b"cleanroom.state.v0\0hospital.wards"),
        entries=(),
    )
    counts = tuple(replace(item, lineage="hospital.wards") for item in honest.releases)
    lies = Lies(
        body={"datasets": (*forge.honest_names().datasets, extra)},
        release=only(
            "hospital",
            datasets=(*honest.datasets, released),
            releases=(*honest.releases, *counts),
        ),
    )
    step, error = Forge(documents=documents, lies=lies).refusal()
    assert step == "datasets"
    assert error.message.startswith("datasets:")


@pytest.mark.parametrize(
    "lies",
    [
        Lies(measurement=OTHER, release=everyone(appraisal={})),
        Lies(issued_at=NOW - dt.timedelta(hours=1), release=everyone(appraisal={})),
    ],
)
def test_evidence_is_appraised_again(lies):
    step, error = Forge(lies=lies).refusal()
    assert (step, type(error)) == ("attestation", EvidenceRefusedError)


@pytest.mark.parametrize("owner", OWNERS)
def test_an_appraisal_that_differs_from_ours_is_refused(owner):
    step, error = Forge(lies=Lies(release=only(owner, appraisal={"verdict": "fine"}))).refusal()
    assert step == "attestation"
    assert error.message.startswith("appraisal:")


def test_platform_is_that_of_the_evidence():
    step, error = Forge(lies=Lies(body={"platform": "sev-snp"})).refusal()
    assert step == "attestation"
    assert error.message.startswith("platform:")
    assert PLATFORM == "simulated"


@pytest.mark.parametrize("banner", ["", "all is well"])
def test_the_banner_is_that_of_the_evidence(banner):
    step, error = Forge(lies=Lies(body={"banner": banner})).refusal()
    assert step == "attestation"
    assert error.message.startswith("banner:")


def test_a_weaker_sandbox_than_agreed_is_refused():
    documents = make_documents(sandbox=SandboxLevel.SELF)
    step, error = Forge(documents=documents).refusal()
    assert (step, type(error)) == ("sandbox", RefusedError)


def test_a_sandbox_level_needs_its_layers():
    weak = Lies(body={"sandbox": Sandbox(level="full", layers=())})
    assert Forge(lies=weak).refusal()[0] == "sandbox"
    strong = Sandbox(level="full", layers=("landlock", "seccomp"))
    assert "landlock" in Forge(lies=Lies(body={"sandbox": strong})).verify().lines[10].found


def test_the_size_of_the_result_is_its_size():
    lie = SealedResult(digest=Digest.of(SEALED_RESULT), size=len(SEALED_RESULT) + 1)
    assert Forge(lies=Lies(body={"result": lie})).refusal()[0] == "result"


def test_contract_name_and_parties_are_those_of_the_contract():
    documents = Forge().documents
    renamed = {"contract": Named(name="another", digest=documents.contract)}
    assert Forge(lies=Lies(body=renamed)).refusal()[0] == "contract"
    parties = dict.fromkeys(documents.pins.documents, OTHER)
    assert Forge(lies=Lies(body={"parties": parties})).refusal()[0] == "contract"


def test_a_reader_may_trust_a_contract_by_its_digest():
    digest = Forge().documents.contract
    verified = Forge().verify(trust=ContractDigest(digest=digest))
    assert "by the contract you named" in verified.lines[2].found
    step, error = Forge().refusal(trust=ContractDigest(digest=OTHER))
    assert (step, type(error)) == ("identities", IntegrityError)


def test_evidence_that_is_none_is_malformed():
    step, error = Forge(lies=Lies(body={"evidence": {}})).refusal()
    assert (step, type(error)) == ("key releases", MalformedError)
