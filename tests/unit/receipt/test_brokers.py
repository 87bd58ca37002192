# SPDX-License-Identifier: Apache-2.0
"""What brokers said: releases, countersignatures, history, times and logs, one lie at a time."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction

import pytest

from cleanroom.contract import places
from cleanroom.contract.policy import DifferentialPrivacy
from cleanroom.contract.state_chain import next_head
from cleanroom.contract.statements import DatasetRelease, StateStep, Uses
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import NOTHING_RELEASED, Answered
from cleanroom.receipt.releases import require_every_owner, verify_releases
from tests.support.keys import signing_key
from tests.support.receipt_forge import COMMITTED, ENTRY, EXPIRES, Forge, Lies
from tests.support.receipt_room import NOW, OWNERS, make_documents

OTHER = Digest.of(b"something else")
OTHER_KEY = signing_key("another run").public_key().public_bytes_raw()
SECOND = dt.timedelta(seconds=1)


def everyone(**changes):
    return dict.fromkeys(OWNERS, changes)


def only(owner, **changes):
    return {owner: changes}


@pytest.mark.parametrize(("total", "held"), [("200", True), ("399/2", False)])
def test_a_release_beyond_the_privacy_budget_is_more_than_agreed(total, held):
    """T-14: of a budget, a broker may not grant more releases than it pays for."""
    forge = Forge()
    agreement, lineage = forge.agreement(), "hospital.stays"
    noise = DifferentialPrivacy(
        epsilon_per_release=Fraction(1),
        epsilon_total=Fraction(total),
        delta=Fraction(1, 10**6),
        max_rows_per_unit=1,
        max_groups_per_unit=1,
    )
    policies = {**agreement.policies, lineage: replace(agreement.policies[lineage], noise=noise)}
    agreement = replace(agreement, policies=policies)
    with nullcontext() if held else pytest.raises(RefusedError) as refused:
        verify_releases(forge.body(), agreement=agreement, runtime=forge.runtime())
    assert held or refused.value.code == "receipt.allowance"


def test_a_stored_answer_moves_no_head():
    verified = Forge(lies=Lies(entry=None)).verify()
    assert verified.body.answered is Answered.STORED
    assert [step.next for step in verified.body.state] == [
        step.previous for step in verified.body.state
    ]


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"party": "insurer"}, "key release of hospital"),
        ({"contract": OTHER}, "key release of hospital: contract"),
        ({"query": OTHER}, "key release of hospital: query"),
        ({"run_request": OTHER}, "key release of hospital: run request"),
        ({"runtime_data": OTHER}, "key release of hospital: runtime data"),
        ({"evidence": OTHER}, "key release of hospital: evidence"),
        ({"run": "run-99999999"}, "run"),
        ({"nonce": b"m" * 32}, "nonce"),
        ({"owners": ("hospital",)}, "owners"),
        ({"datasets": ()}, "key release of hospital: the datasets"),
    ],
)
def test_a_release_that_speaks_of_something_else_is_refused(change, subject):
    step, error = Forge(lies=Lies(release=only("hospital", **change))).refusal()
    assert step == "key releases"
    assert isinstance(error, IntegrityError)
    assert error.message.startswith(subject)


@pytest.mark.parametrize(
    "change",
    [{"version": OTHER}, {"number": 2}, {"key_id": "0" * 32}, {"lineage": "hospital.wards"}],
)
def test_a_release_of_another_data_version_is_refused(change):
    forge = Forge()
    honest = forge.release("insurer", forge.agreement()).datasets[0]
    wrong = replace(honest, **change)
    if "lineage" in change:
        wrong = DatasetRelease(
            lineage="insurer.other",
            version=honest.version,
            number=3,
            key_id=honest.key_id,
            head=Digest.of(b"cleanroom.state.v0\0insurer.other"),
            entries=(),
        )
    for datasets in ((wrong,), (honest, honest), (honest, wrong)):
        step, error = Forge(lies=Lies(release=only("insurer", datasets=datasets))).refusal()
        assert (step, type(error)) == ("key releases", IntegrityError)


@pytest.mark.parametrize(
    "uses",
    [Uses(used=0, limit=50), Uses(used=51, limit=50), Uses(used=51, limit=51)],
)
def test_a_release_beyond_the_runs_of_the_contract_is_refused(uses):
    step, error = Forge(lies=Lies(release=only("hospital", uses=uses))).refusal()
    assert (step, type(error)) == ("key releases", RefusedError)
    assert error.code == "receipt.allowance"


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, {"used": 0}),
        (0, {"used": 101}),
        (0, {"limit": 101}),
        (1, {"limit": 201}),
        (0, {"receiver": "hospital"}),
    ],
)
def test_a_release_beyond_the_owners_policy_is_refused(index, change):
    forge = Forge()
    counts = list(forge.release("insurer", forge.agreement()).releases)
    counts[index] = replace(counts[index], **change)
    step, error = Forge(lies=Lies(release=only("insurer", releases=tuple(counts)))).refusal()
    assert (step, type(error)) == ("key releases", RefusedError)


def test_a_count_that_is_left_out_or_doubled_is_refused():
    forge = Forge()
    first, second = forge.release("insurer", forge.agreement()).releases
    for counts in ((first,), (first, first, second)):
        step, _ = Forge(lies=Lies(release=only("insurer", releases=counts))).refusal()
        assert step == "key releases"


@pytest.mark.parametrize("missing", OWNERS)
def test_every_owner_released_and_countersigned(missing):
    honest = Forge().body()
    present = {name: item for name, item in honest.releases.items() if name != missing}
    step, error = Forge(lies=Lies(body={"releases": present})).refusal()
    assert step == "key releases"
    assert f"none of {missing}" in error.message


def test_a_release_by_somebody_who_owns_nothing_is_refused():
    honest = Forge().body()
    more = {**honest.releases, "analyst": honest.releases["hospital"]}
    step, error = Forge(lies=Lies(body={"releases": more})).refusal()
    assert step == "key releases"
    assert "one of analyst" in error.message


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"party": "insurer"}, "countersignature of hospital"),
        ({"receipt": OTHER}, "countersignature of hospital: receipt"),
        ({"result": OTHER}, "countersignature of hospital: result"),
        ({"runtime_data": OTHER}, "countersignature of hospital: runtime data"),
        ({"run": "run-99999999"}, "run"),
        ({"lineages": ()}, "disclosure history"),
        ({"entry": OTHER}, "countersignatures"),
    ],
)
def test_a_countersignature_under_something_else_is_refused(change, subject):
    step, error = Forge(lies=Lies(commit=only("hospital", **change))).refusal()
    assert (step, type(error)) == ("countersignatures", IntegrityError)
    assert error.message.startswith(f"{subject}:")


@pytest.mark.parametrize(
    "lies",
    [
        Lies(commit=everyone(entry=OTHER)),
        Lies(body={"answered": Answered.STORED}),
        Lies(entry=None, body={"answered": Answered.COMPUTED}),
        Lies(entry=None, body={"answered": Answered.REFUSED, "checks": NOTHING_RELEASED}),
        Lies(body={"state": ()}),
    ],
)
def test_history_is_recomputed(lies):
    step, error = Forge(lies=lies).refusal()
    assert (step, type(error)) == ("history", IntegrityError)


@pytest.mark.parametrize("change", [{"previous": OTHER}, {"next": OTHER}])
def test_history_continues_the_released_head(change):
    first, *rest = Forge().honest_names().state
    lies = Lies(body={"state": (replace(first, **change), *rest)})
    assert Forge(lies=lies).refusal()[0] == "history"


def test_history_that_starts_elsewhere_and_goes_on_correctly_is_refused():
    first, *rest = Forge().honest_names().state
    elsewhere = replace(first, previous=OTHER, next=next_head(OTHER, ENTRY))
    step, error = Forge(lies=Lies(body={"state": (elsewhere, *rest)})).refusal()
    assert (step, type(error)) == ("history", IntegrityError)
    assert error.message.startswith("state of hospital.stays: previous:")


def test_a_refused_answer_leaves_an_entry_like_any_other():
    refused = {"answered": Answered.REFUSED, "checks": NOTHING_RELEASED}
    verified = Forge(lies=Lies(body=refused)).verify()
    assert verified.body.state == Forge().honest_names().state
    assert Forge().lies.entry == ENTRY


def test_a_lineage_that_nobody_released_may_not_move():
    stranger = StateStep(lineage="insurer.other", previous=OTHER, next=OTHER)
    lies = Lies(body={"state": (*Forge().honest_names().state, stranger)})
    assert Forge(lies=lies).refusal()[0] == "history"


@pytest.mark.parametrize(
    "lies",
    [
        Lies(commit=only("hospital", committed_at=NOW - SECOND)),
        Lies(commit=only("hospital", committed_at=EXPIRES)),
        Lies(commit=only("hospital", epoch="1" * 32)),
        Lies(release=everyone(expires=NOW + dt.timedelta(days=400))),
        Lies(
            release=only("insurer", expires=NOW + SECOND)
            | only("hospital", released_at=NOW + SECOND),
            commit=only("insurer", committed_at=NOW) | only("hospital", committed_at=COMMITTED),
        ),
    ],
)
def test_times_that_cannot_be_are_refused(lies):
    step, error = Forge(lies=lies).refusal()
    assert (step, type(error)) == ("times", IntegrityError)


def test_both_statements_stand_in_the_brokers_own_log():
    honest = Forge().body().releases
    for lies in (
        Lies(release_log=only("hospital", index=0)),
        Lies(release_log=only("hospital", checkpoint=honest["insurer"].checkpoint)),
        Lies(commit_log=only("insurer", proof=())),
        Lies(commit_log=only("insurer", checkpoint=honest["insurer"].checkpoint)),
    ):
        assert Forge(lies=lies).refusal()[0] == "logs"


def test_the_result_in_the_room_is_the_countersigned_one():
    documents = make_documents()
    place, honest = places.result_file("run-20261122-01"), documents.result
    del documents.room.files[place, honest]
    assert Forge(documents=documents).refusal()[0] == "result"
    documents.room.files[place, honest] = SignedFile(data=b"another result", signatures={})
    step, error = Forge(documents=documents).refusal()
    assert (step, type(error)) == ("result", IntegrityError)


@pytest.mark.parametrize("place", [0, 1])
def test_a_countersignature_stands_in_the_log_after_its_release(place):
    step, error = Forge(lies=Lies(commit_place=place)).refusal()
    assert (step, type(error)) == ("logs", IntegrityError)
    assert error.code == "receipt.log-order"


def test_a_contract_in_which_nobody_could_say_no_is_refused():
    with pytest.raises(RefusedError, match="^contract: found no owner"):
        require_every_owner({}, (), what="key releases")
