# SPDX-License-Identifier: Apache-2.0
"""T-01, T-02: the operator changes a byte of any document, or offers an older one."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.agreement import agree
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.bundle import RunBundle, decode_bundle, encode_bundle
from cleanroom.contract.revocation import RevocationKind
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.room_documents import NOW, Slot, build_room, slots, with_file

ROOM = build_room()
# A complete bundle holds a revocation too: one that is genuine and does not apply.
WITHDRAWN = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=Digest.of(b"other"))
BUNDLE = with_file(ROOM.bundle, "revocations", WITHDRAWN, name="0")
SLOTS = slots(BUNDLE)
# A changed digest in the contract looks like a changed document under that name.
NAMED_BY_CONTRACT = re.compile(r"contract\.toml|parties/|datasets/")


def decide(bundle: RunBundle) -> None:
    approve_run(agree(bundle.agreement, trust=ROOM.pins), bundle, at=NOW)


def refusal_of(slot: Slot, data: bytes) -> CleanroomError:
    with pytest.raises(CleanroomError) as refused:
        decide(slot.replaced(data))
    return refused.value


def assert_named(slot: Slot, error: CleanroomError) -> None:
    document = slot.what.partition(": signature")[0]
    if document == "contract.toml":
        assert NAMED_BY_CONTRACT.match(error.message)
    else:
        assert error.message.startswith(document)
    assert error.code
    assert error.exit_code in {3, 4, 5}


def flipped(data: bytes, position: int, bits: int) -> bytes:
    return data[:position] + bytes([data[position] ^ bits]) + data[position + 1 :]


def test_the_bundle_is_valid_as_long_as_nobody_touches_it():
    decide(BUNDLE)
    kinds = {re.sub(r"/.*|: .*|\.toml| \d", "", slot.what) for slot in SLOTS}
    assert kinds >= {"contract", "parties", "datasets", "query", "approvals", "run", "revocation"}


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.what)
@settings(max_examples=5)
@given(data=st.data())
def test_one_changed_byte_is_refused_by_name(slot, data):
    position = data.draw(st.integers(0, len(slot.data) - 1), label="position")
    bits = data.draw(st.integers(1, 255), label="bits")
    assert_named(slot, refusal_of(slot, flipped(slot.data, position, bits)))


@pytest.mark.slow
@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.what)
def test_every_changed_byte_is_refused_by_name(slot):
    for position in range(len(slot.data)):
        assert_named(slot, refusal_of(slot, flipped(slot.data, position, 1 << position % 8)))


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.what)
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"\n",
        lambda data: data + b"# and more\n",
        lambda data: data[:0],
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data * 2,
    ],
)
def test_cut_longer_and_converted_documents_are_refused_by_name(slot, change):
    assert_named(slot, refusal_of(slot, change(slot.data)))


@pytest.mark.parametrize("distance", [1, 4, 11])
@pytest.mark.parametrize("number", range(len(SLOTS)), ids=lambda number: SLOTS[number].what)
def test_no_document_takes_the_place_of_another(number, distance):
    slot, other = SLOTS[number], SLOTS[(number + distance) % len(SLOTS)]
    assert_named(slot, refusal_of(slot, other.data))


@settings(max_examples=60)
@given(st.data())
def test_one_changed_byte_on_the_wire_is_refused(data):
    encoded = encode_bundle(BUNDLE)
    position = data.draw(st.integers(0, len(encoded) - 1))
    changed = flipped(encoded, position, data.draw(st.integers(1, 255)))
    with pytest.raises(CleanroomError):
        decide(decode_bundle(changed))


def test_an_older_and_looser_policy_is_refused():
    looser = build_room(policies={"hospital.patients": {"threshold": 3}}).bundle.agreement
    file = looser.policies["hospital.patients"]
    with pytest.raises(IntegrityError, match="^datasets/hospital.patients/policy.toml: found"):
        decide(with_file(BUNDLE, "policies", file, name="hospital.patients"))


def test_an_older_contract_does_not_start_a_run_under_the_new_one():
    older = build_room(contract={"max_runs": 1000})
    agreement = agree(ROOM.bundle.agreement, trust=ROOM.pins)
    mixed = dataclasses.replace(BUNDLE, agreement=older.bundle.agreement)
    with pytest.raises(IntegrityError, match="^contract.toml: found"):
        approve_run(agreement, mixed, at=NOW)


def test_an_older_version_of_a_pinned_dataset_is_refused():
    lineage = "hospital.patients"
    pinned = tuple(
        dataclasses.replace(item, version=Digest.of(BUNDLE.agreement.datasets[lineage].data))
        if item.lineage == lineage
        else item
        for item in ROOM.contract_terms.datasets
    )
    room = build_room(contract={"datasets": pinned})
    part = room.dataset_terms[lineage].parts[0]
    other = build_room(datasets={lineage: {"parts": (dataclasses.replace(part, size=1),)}})
    file = other.bundle.agreement.datasets[lineage]
    with pytest.raises(IntegrityError, match="^datasets/hospital.patients/dataset.toml: found"):
        agree(with_file(room.bundle, "datasets", file, name=lineage).agreement, trust=room.pins)


@pytest.mark.parametrize(
    "file",
    [
        "../../../../home/owner/.ssh/id_ed25519",
        "/etc/passwd",
        "parts/../../policy.toml",
        "parts/1-00000.part/..",
        "parts\\1-00000.part",
        "PARTS/1-00000.part",
        "parts/1-0.part",
    ],
)
def test_no_part_lies_outside_its_dataset(file):
    room = build_room()
    part = dataclasses.replace(room.dataset_terms["hospital.patients"].parts[0], file=file)
    hostile = build_room(datasets={"hospital.patients": {"parts": (part,)}})
    with pytest.raises(MalformedError, match=r"dataset.toml: parts\[1\].file: found anoth"):
        hostile.agreement()
