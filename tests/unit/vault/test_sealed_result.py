# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace

import pytest

from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.digest import Digest
from cleanroom.vault.sealed_result import ResultContext, open_result, seal_result

INSURER = ReceivingKey.from_seed(b"i" * 32)
AUDITOR = ReceivingKey.from_seed(b"a" * 32)
CONTEXT = ResultContext(
    run="run-00000001",
    contract=Digest.of(b"contract"),
    query=Digest.of(b"query"),
    run_request=Digest.of(b"run"),
)
RESULT = b'{"rows":[["cardio",120]]}'
RECEIVERS = {"insurer": INSURER.public_bytes, "auditor": AUDITOR.public_bytes}
SEALED = seal_result(RESULT, context=CONTEXT, receivers=RECEIVERS)


def opened(data=SEALED, *, context=CONTEXT, party="insurer", receiving=INSURER):
    return open_result(data, context=context, party=party, receiving=receiving)


@pytest.mark.parametrize(("party", "key"), [("insurer", INSURER), ("auditor", AUDITOR)])
def test_every_receiver_opens_the_result(party, key):
    assert opened(party=party, receiving=key) == RESULT


def test_the_size_does_not_tell_the_length_of_the_result():
    longer = seal_result(RESULT * 20, context=CONTEXT, receivers=RECEIVERS)
    assert len(longer) == len(SEALED)


def test_a_party_that_is_no_receiver_is_refused_by_name():
    with pytest.raises(RefusedError, match="^result.sealed: not sealed to hospital") as refused:
        opened(party="hospital")
    assert refused.value.code == "result.receiver"


@pytest.mark.parametrize(
    "change",
    [
        {"run": "run-00000002"},
        {"contract": Digest.of(b"other")},
        {"query": Digest.of(b"other")},
        {"run_request": Digest.of(b"other")},
    ],
)
def test_a_result_does_not_pass_for_the_answer_to_another_run(change):
    with pytest.raises(IntegrityError):
        opened(context=replace(CONTEXT, **change))


def test_a_receiver_cannot_open_with_the_key_sealed_to_another():
    value = json.loads(SEALED)
    value["recipients"]["insurer"] = value["recipients"]["auditor"]
    with pytest.raises(IntegrityError):
        opened(json.dumps(value).encode(), receiving=AUDITOR)


@pytest.mark.parametrize("step", range(0, len(SEALED), 331))
def test_any_flipped_byte_is_refused(step):
    flipped = bytearray(SEALED)
    flipped[step] ^= 0x01
    with pytest.raises(CleanroomError):
        opened_by_all(bytes(flipped))


def opened_by_all(data):
    # One receiver's entry may hold the flipped byte while the other's still opens.
    return opened(data), opened(data, party="auditor", receiving=AUDITOR)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "cleanroom.sealed-result.v1"}, IntegrityError),
        ({"ciphertext": ""}, IntegrityError),
        ({"ciphertext": "AA=A"}, MalformedError),
        ({"extra": "x"}, MalformedError),
        ({"recipients": []}, MalformedError),
    ],
)
def test_another_form_is_refused(change, error):
    with pytest.raises(error, match="^result.sealed: "):
        opened(json.dumps({**json.loads(SEALED), **change}).encode())
