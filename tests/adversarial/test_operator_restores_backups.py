# SPDX-License-Identifier: Apache-2.0
"""T-28: an old copy of a broker's memory is put back, to get back what was spent since.

The operator has every copy that was ever made, chooses which one the owner restores,
and keeps what was signed earlier. Both brokers are the product's.
"""

from __future__ import annotations

import shutil

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.errors import CleanroomError, IntegrityError, KeyRefusedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.brokers import read_release, require_logged
from tests.support.restored_brokers import KEPT, LINEAGE, LOST, disaster


@pytest.fixture
def scene(tmp_path):
    with disaster(tmp_path) as opened:
        yield opened


@pytest.fixture
def restored(scene):
    """One run before the copy, one after it; then the disk is lost and the copy restored."""
    scene.run()
    copy = scene.back_up()
    scene.newest = scene.run()
    scene.spent = scene.head()
    scene.lose()
    scene.restore(copy)
    return scene


def refused_release(scene, code, request=None):
    """Expect that the restored broker releases nothing, by its code."""
    request = scene.ask()[1] if request is None else request
    with pytest.raises(KeyRefusedError) as refused:
        scene.bench.brokers[LOST].release(request)
    assert refused.value.code == code


def test_a_restored_broker_releases_and_countersigns_nothing_by_itself(scene):
    runner, request, releases = scene.release()
    copy = scene.back_up()
    scene.lose()
    scene.restore(copy)
    refused_release(scene, "broker.no-allowance")
    # Neither what it released before, nor a countersignature for it.
    refused_release(scene, "broker.no-allowance", request)
    steps = runner.steps(releases, entry=b"entry")
    with pytest.raises(KeyRefusedError) as refused:
        scene.bench.brokers[LOST].commit(
            runner.commit(request, releases, steps=steps, entry=b"entry")
        )
    assert refused.value.code == "broker.no-allowance"
    assert scene.bench.brokers[LOST].status().epoch == "1" * 32


def test_what_is_left_is_what_the_owner_signed_and_no_more(restored):
    restored.recover()
    restored.allow(restored.sign(left=2))
    for used in (2, 3):
        _, request = restored.ask()
        logged = restored.bench.brokers[LOST].release(request)
        said = read_release(restored.room, LOST, logged)
        # One run is in the copy; what was spent after it is not, and was signed away.
        assert (said.uses.used, said.uses.limit) == (used, 3)
    refused_release(restored, "broker.uses-exhausted")


def test_a_dataset_and_a_contract_that_are_not_named_have_nothing_left(restored):
    restored.recover()
    restored.allow(restored.sign(left=0))
    refused_release(restored, "broker.uses-exhausted")
    restored.allow(restored.sign(contracts={Digest.of(b"other"): 5}, left=7))
    refused_release(restored, "broker.uses-exhausted")
    restored.allow(restored.sign(contracts={restored.room.contract_digest: 5}, left=0))
    refused_release(restored, "broker.releases-exhausted")


def test_an_allowance_is_taken_once(restored):
    """Taken again after it was spent it would give everything back."""
    restored.recover()
    signed = restored.sign(left=1)
    restored.allow(signed)
    restored.bench.brokers[LOST].release(restored.ask()[1])
    with pytest.raises(KeyRefusedError) as refused:
        restored.allow(signed)
    assert refused.value.code == "allowance.taken"
    refused_release(restored, "broker.uses-exhausted")


def test_an_allowance_of_an_earlier_life_is_refused(restored):
    restored.recover()
    signed = restored.sign(left=5)
    restored.allow(signed)
    copy = restored.back_up("second copy")
    restored.lose()
    restored.restore(copy, epoch="2" * 32)
    refused_release(restored, "broker.no-allowance")
    with pytest.raises(KeyRefusedError) as refused:
        restored.allow(signed)
    assert refused.value.code == "allowance.other-epoch"
    refused_release(restored, "broker.no-allowance")


FORGED = {
    "another party's signature": ({"by": KEPT}, IntegrityError, "signature.foreign-key"),
    "another purpose": ({"kind": "approval"}, IntegrityError, "signature.namespace"),
    "another owner": ({"party": KEPT}, KeyRefusedError, "allowance.other-epoch"),
    "another's dataset": (
        {"lineage": "insurer.members"},
        KeyRefusedError,
        "allowance.other-owner",
    ),
    "an old head": ({"head": Digest.of(b"old")}, IntegrityError, "allowance.head"),
}


@pytest.mark.parametrize("case", FORGED)
def test_no_other_allowance_is_taken(restored, case):
    changes, kind, code = FORGED[case]
    with pytest.raises(kind) as refused:
        restored.allow(restored.sign(**changes))
    assert refused.value.code == code
    refused_release(restored, "broker.no-allowance")


def test_a_broker_that_was_never_restored_takes_none(scene):
    scene.run()
    with pytest.raises(KeyRefusedError) as refused:
        scene.allow(scene.sign())
    assert refused.value.code == "allowance.not-restored"


def test_history_comes_back_from_the_counterparty_with_its_entries(restored):
    """T-02: an older history would let an answer be subtracted from one it forgot."""
    restored.recover()
    broker = restored.bench.brokers[LOST]
    assert restored.head() == restored.spent
    assert broker.entry(Digest.of(restored.newest.entry)) == restored.newest.entry
    restored.allow(restored.sign(left=3))
    logged = broker = restored.bench.brokers[LOST].release(restored.ask()[1])
    (dataset,) = read_release(restored.room, LOST, logged).datasets
    assert dataset.lineage == LINEAGE
    assert dataset.head == restored.spent
    assert len(dataset.entries) == 2


def test_the_log_goes_on_where_others_saw_it_end(restored):
    """T-14: a second history under old numbers would be a fork that every auditor finds."""
    restored.recover()
    restored.allow(restored.sign(left=3))
    logged = restored.bench.brokers[LOST].release(restored.ask()[1])
    assert logged.index == len(restored.leaves)
    require_logged(restored.room, LOST, logged)
    assert restored.seen()[: len(restored.leaves)] == restored.leaves


def test_a_nonce_of_the_copy_is_dead(scene):
    """T-05: it may have served a release that the copy does not know."""
    _, request = scene.ask()
    copy = scene.back_up()
    scene.bench.brokers[LOST].release(request)
    scene.lose()
    scene.restore(copy)
    scene.allow(scene.sign(left=5))
    refused_release(scene, "broker.nonce-foreign", request)


def test_a_copy_never_replaces_a_memory(scene):
    scene.run()
    copy = scene.back_up()
    scene.run()
    scene.leaves = scene.seen()
    scene.bench.brokers[LOST].close()
    with pytest.raises(RefusedError) as refused:
        scene.restore(copy)
    assert refused.value.code == "broker.home-taken"


def test_a_copy_that_is_put_back_by_hand_does_not_start(scene):
    """T-19: without a new life it would count from where it was."""
    scene.run()
    copy = scene.back_up()
    scene.run()
    scene.bench.brokers.pop(LOST).close()
    for path in scene.home.glob("state.sqlite*"):
        path.unlink()
    shutil.copy(copy / "state.sqlite", scene.home / "state.sqlite")
    with pytest.raises(IntegrityError) as refused:
        scene.bench.open(LOST)
    assert refused.value.code == "broker.rolled-back"


def test_an_approval_is_no_allowance(restored):
    approval = restored.room.approval(LOST)
    with pytest.raises(CleanroomError):
        restored.allow(approval)
    assert restored.bench.brokers[LOST].challenge(
        ChallengeRequest(contract=restored.room.contract_digest, run="some-run-0001")
    )
    refused_release(restored, "broker.no-allowance")
