# SPDX-License-Identifier: Apache-2.0
"""What a broker has verified before counts for the same bytes and pins, and for nothing else."""

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.broker_requests import RevocationNotice
from cleanroom.contract.revocation import RevocationKind
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import (
    CleanroomError,
    IdentityUnprovenError,
    IntegrityError,
    KeyRefusedError,
    RefusedError,
)
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.keybroker.controls import Controls, StopKind
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.vault.data_key import delete_data_key
from tests.support.brokers import (
    BrokerBench,
    CountedEntropy,
    ScriptedRunner,
    broker_bench,
    broker_owner,
    refuse_release,
)
from tests.support.keys import pins_of, throwaway_party
from tests.support.room_documents import NOW, build_room

MINE = "hospital.patients"


def test_the_same_bytes_under_the_same_pins_are_verified_once(room):
    known = KnownAgreements()
    first = known.agree(room.contract_bundle, pins=room.pins)
    assert known.agree(dataclasses.replace(room.contract_bundle), pins=room.pins) is first


def swapped(file):
    """Exchange a signature for one that is genuine and over other bytes."""
    other = throwaway_party("hospital").signed_document.signatures["hospital"]
    return SignedFile(data=file.data, signatures=dict.fromkeys(file.signatures, other))


def added(file):
    return SignedFile(data=file.data + b"\n", signatures=file.signatures)


@pytest.mark.parametrize("change", [swapped, added])
@pytest.mark.parametrize("group", ["contract", "parties", "policies", "datasets"])
def test_one_changed_document_or_signature_is_judged_anew(room, group, change):
    known = KnownAgreements()
    known.agree(room.contract_bundle, pins=room.pins)
    files = getattr(room.contract_bundle, group)
    if group == "contract":
        changed = change(files)
    else:
        name = max(files)
        changed = {**files, name: change(files[name])}
    bundle = dataclasses.replace(room.contract_bundle, **{group: changed})
    with pytest.raises(CleanroomError):
        known.agree(bundle, pins=room.pins)


def test_a_document_under_another_name_is_judged_anew(room):
    known = KnownAgreements()
    known.agree(room.contract_bundle, pins=room.pins)
    first, second = sorted(room.contract_bundle.datasets)[:2]
    files = dict(room.contract_bundle.datasets)
    files[first], files[second] = files[second], files[first]
    with pytest.raises(IntegrityError):
        known.agree(dataclasses.replace(room.contract_bundle, datasets=files), pins=room.pins)


def test_a_renamed_document_is_judged_anew(room):
    known = KnownAgreements()
    known.agree(room.contract_bundle, pins=room.pins)
    files = dict(room.contract_bundle.datasets)
    last = max(files)
    files[f"{last}_x"] = files.pop(last)
    with pytest.raises(RefusedError):
        known.agree(dataclasses.replace(room.contract_bundle, datasets=files), pins=room.pins)


@pytest.mark.parametrize("pinned", [(), (throwaway_party("insurer", edition=2),)])
def test_other_pins_are_judged_anew(room, pinned):
    known = KnownAgreements()
    known.agree(room.contract_bundle, pins=room.pins)
    pins = pins_of(room.parties["hospital"], *pinned)
    with pytest.raises(IdentityUnprovenError):
        known.agree(room.contract_bundle, pins=pins)


def test_a_failure_is_not_kept(room):
    known = KnownAgreements()
    with pytest.raises(IdentityUnprovenError):
        known.agree(room.contract_bundle, pins=Pins(documents={}))
    assert known.agree(room.contract_bundle, pins=room.pins).contract.digest == room.contract_digest


@pytest.mark.parametrize("bounds", [{"most": 0}, {"largest": 100}])
def test_only_so_many_and_so_large_ones_are_kept(room, bounds):
    known = KnownAgreements(**bounds)
    first = known.agree(room.contract_bundle, pins=room.pins)
    again = known.agree(room.contract_bundle, pins=room.pins)
    assert again == first
    assert again is not first


# What can change is asked anew although every document was verified before.


def stopped(bench):
    with Controls(bench.home("hospital")) as controls:
        controls.stop(StopKind.ALL, "", at=NOW)


def used_up(bench):
    with Controls(bench.home("hospital")) as controls:
        controls.set_quota(str(bench.room.contract_digest), 1)


def expired(bench):
    bench.clock.now = bench.room.contract_terms.expires + dt.timedelta(days=1)


def asked_too_late(bench):
    bench.clock.now = bench.room.run_terms.expires


def revoked(bench):
    file = bench.room.revocation(
        "insurer", kind=RevocationKind.CONTRACT, subject=bench.room.contract_digest
    )
    bench.brokers["hospital"].notice(RevocationNotice(document=file))


def deleted(bench):
    delete_data_key(bench.home("hospital"), lineage=MINE, version=1)


@pytest.mark.parametrize(
    ("happening", "code"),
    [
        (stopped, "broker.stopped"),
        (used_up, "broker.quota"),
        (expired, "contract.expired"),
        (asked_too_late, "run.expired"),
        (revoked, "revoked.contract"),
        (deleted, "broker.no-data-key"),
    ],
)
def test_what_can_change_is_judged_anew(bench, runner, happening, code):
    bench.brokers["hospital"].release(runner.ask(bench))
    request = ScriptedRunner(room=bench.room, label="second").ask(bench)
    happening(bench)
    with pytest.raises(CleanroomError) as refused:
        bench.brokers["hospital"].release(request)
    assert refused.value.code == code


def test_a_party_that_is_pinned_no_more_is_unproven_at_once(tmp_path, room, runner):
    pinned = [room.pins]
    owner = dataclasses.replace(
        broker_owner(room.parties["hospital"], room.pins), pins=lambda: pinned[-1]
    )
    bench = BrokerBench(path=tmp_path, room=room)
    bench.install_keys()
    with KeyBroker.open(
        bench.home("hospital"), owner=owner, clock=bench.clock, entropy=CountedEntropy(label="x")
    ) as broker:
        bench.brokers["hospital"] = broker
        broker.release(runner.ask(bench))
        pinned.append(pins_of(room.parties["hospital"]))
        again = ScriptedRunner(room=room, label="second").ask(bench)
        with pytest.raises(IdentityUnprovenError):
            broker.release(again)


def test_uses_run_out_although_every_document_is_known(tmp_path):
    room = build_room(contract={"max_runs": 1})
    with broker_bench(tmp_path, room) as bench:
        bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))
        again = ScriptedRunner(room=room, label="second").ask(bench)
        refuse_release(bench, again, code="broker.uses-exhausted", kind=KeyRefusedError)


def test_signatures_that_held_before_hold_for_their_bytes_alone(room):
    # The memory of signatures is the process' own, so a fresh KnownAgreements shares it.
    agreed = KnownAgreements().agree(room.contract_bundle, pins=room.pins)
    assert agreed.contract.digest == Digest.of(room.contract_bundle.contract.data)
    file = room.contract_bundle.contract
    changed = SignedFile(
        data=file.data.replace(b"max_runs = 100", b"max_runs = 900"), signatures=file.signatures
    )
    assert changed.data != file.data
    bundle = dataclasses.replace(room.contract_bundle, contract=changed)
    with pytest.raises(IntegrityError):
        KnownAgreements().agree(bundle, pins=room.pins)
