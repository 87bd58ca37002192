# SPDX-License-Identifier: Apache-2.0
"""Somebody forges or alters a receipt, or puts two runs together (T-15)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.errors import CleanroomError, IntegrityError, RefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.strict_json import parse_json
from cleanroom.receipt.encoding import encode_receipt
from cleanroom.receipt.model import CheckRecord
from cleanroom.receipt.parse import parse_receipt
from cleanroom.receipt.verify import verify_receipt
from tests.support.receipt_forge import ENTRY, Forge, Lies
from tests.support.receipt_room import OWNERS, make_documents

FORGE = Forge()
HONEST = FORGE.receipt()
STRIDE = 307


def refuse(data, *, documents=FORGE.documents):
    with pytest.raises(CleanroomError) as caught:
        verify_receipt(data, room=documents.room, trust=documents.pins)
    return caught.value


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_no_byte_of_a_receipt_can_be_changed(bit):
    # T-15: sampled here, one in eleven in the slow test below.
    for place in range(bit % STRIDE, len(HONEST), STRIDE):
        refuse(HONEST[:place] + bytes([HONEST[place] ^ bit]) + HONEST[place + 1 :])


@pytest.mark.slow
def test_no_byte_can_be_changed_in_a_denser_sample():
    for place in range(0, len(HONEST), 11):
        refuse(HONEST[:place] + bytes([HONEST[place] ^ 0x01]) + HONEST[place + 1 :])


def test_no_part_of_a_receipt_can_be_cut_off():
    for length in range(0, len(HONEST), 997):
        refuse(HONEST[:length])


def test_a_forger_with_a_key_of_its_own_gets_nowhere():
    error = refuse(Forge(lies=Lies(signed_with="mallory")).receipt())
    assert isinstance(error, IntegrityError)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("key", ["mallory", "insurer/1/broker", "hospital/1/signing"])
def test_broker_statements_need_that_partys_broker_key(owner, key):
    if key == f"{owner}/1/broker":
        return
    error = refuse(Forge(lies=Lies(broker_keys={owner: key})).receipt())
    assert isinstance(error, IntegrityError)


def test_countersignatures_of_another_receipt_do_not_serve():
    other = parse_receipt(Forge(lies=Lies(body={"versions": {"cleanroom": "9"}})).receipt())
    honest = parse_receipt(HONEST)
    mixed = encode_receipt(honest.envelope, other.countersignatures)
    assert isinstance(refuse(mixed), IntegrityError)
    half = {**honest.countersignatures, "insurer": other.countersignatures["insurer"]}
    assert isinstance(refuse(encode_receipt(honest.envelope, half)), IntegrityError)


def test_one_broker_cannot_speak_for_two():
    honest = parse_receipt(HONEST)
    twice = dict.fromkeys(OWNERS, honest.countersignatures["hospital"])
    assert isinstance(refuse(encode_receipt(honest.envelope, twice)), IntegrityError)


def test_a_second_signature_beside_the_run_keys_adds_nothing():
    value = parse_json(HONEST, what="receipt", limit=len(HONEST))
    value["signatures"] = [*value["signatures"], *value["signatures"]]
    refuse(canonical_json(value))


def test_a_runner_cannot_leave_a_rule_out_or_invent_one():
    checks = FORGE.honest_names().checks
    without = Lies(body={"checks": checks[1:]})
    assert isinstance(refuse(Forge(lies=without).receipt()), RefusedError)
    invented = CheckRecord(rule="trust-me", parameters={}, verdict="held", withheld="0-9")
    assert refuse(Forge(lies=Lies(body={"checks": (*checks, invented)})).receipt())


def test_a_receipt_of_one_room_is_nothing_in_another():
    # T-15, T-17: same names, another contract.
    elsewhere = make_documents(max_runs=49)
    assert isinstance(refuse(HONEST, documents=elsewhere), IntegrityError)


def test_a_stored_answer_cannot_be_passed_off_as_computed():
    stored = Forge(lies=Lies(entry=None))
    body = replace(stored.body(), answered=FORGE.honest_names().answered)
    envelope = stored.envelope(body)
    refuse(encode_receipt(envelope, stored.countersignatures(body, envelope)))
    assert ENTRY
