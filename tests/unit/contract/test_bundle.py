# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import dataclasses
import json

import pytest

from cleanroom.contract.bundle import (
    contract_bundle_json,
    decode_bundle,
    encode_bundle,
    parse_contract_bundle,
)
from cleanroom.contract.revocation import RevocationKind
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_BUNDLE_BYTES
from tests.support.room_documents import build_room, slots, with_file

ROOM = build_room()
WITHDRAWN = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
BUNDLE = with_file(ROOM.bundle, "revocations", WITHDRAWN, name="0")
ENCODED = encode_bundle(BUNDLE)
OTHER_RUN = build_room(run={"run": "another-run-0001"}).bundle


def changed(change) -> bytes:
    value = json.loads(ENCODED)
    change(value)
    return canonical_json(value)


def test_a_bundle_survives_being_sent():
    assert decode_bundle(ENCODED) == BUNDLE
    assert encode_bundle(decode_bundle(ENCODED)) == ENCODED


def test_a_contract_bundle_survives_being_sent():
    value = json.loads(canonical_json(contract_bundle_json(BUNDLE.agreement)))
    assert parse_contract_bundle(value) == BUNDLE.agreement


@pytest.mark.parametrize("slot", slots(BUNDLE), ids=lambda slot: slot.what)
def test_every_byte_string_of_a_bundle_is_sent(slot):
    other = slot.replaced(b"other bytes")
    assert decode_bundle(encode_bundle(other)) == other
    assert encode_bundle(other) != ENCODED


@pytest.mark.parametrize(
    "data", [ENCODED + b" ", b" " + ENCODED, json.dumps(json.loads(ENCODED), indent=1).encode()]
)
def test_another_spelling_is_refused(data):
    with pytest.raises(MalformedError, match="^bundle: found another spelling"):
        decode_bundle(data)


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        (b'{"agreement":{', b'{"agreement": {'),
        (b'"contract":{', b'"contract": {'),
        (b',"approvals":{', b', "approvals":{'),
        (b',"approvals":{', b',"approvals": {'),
        (b',"run":{', b',"run": {'),
        (b',"run":{', b',"agreement":{},"run":{'),
        (b'{"agreement":{', b'{"agreement":{},"agreement":{'),
        (b'{"agreement":{', b'{"approvals":{},"agreement":{'),
    ],
)
def test_another_spelling_of_one_place_is_refused_after_the_right_one_was_read(written, otherwise):
    decode_bundle(ENCODED)
    with pytest.raises(MalformedError, match="^bundle: "):
        decode_bundle(ENCODED.replace(written, otherwise, 1))


def test_runs_under_one_agreement_share_what_was_read_of_it():
    first, other = decode_bundle(ENCODED), decode_bundle(encode_bundle(OTHER_RUN))
    assert first.agreement is other.agreement
    assert first.run != other.run


def test_another_agreement_is_read_as_it_is():
    bundle = changed(lambda value: value["agreement"]["contract"].update(data="YQ=="))
    assert decode_bundle(bundle).agreement.contract.data == b"a"
    assert decode_bundle(ENCODED) == BUNDLE


@pytest.mark.parametrize(
    "change",
    [
        # A name at which the bundle could be taken apart in the wrong place.
        lambda value: value["agreement"]["parties"].update(approvals=value["run"]),
        # More than is remembered of one agreement.
        lambda value: value["agreement"]["contract"].update(data="QUFB" * 200_000),
    ],
)
def test_a_bundle_that_is_read_whole_says_the_same(change):
    data = changed(change)
    assert encode_bundle(decode_bundle(data)) == data


def test_a_bundle_over_its_limit_is_refused_although_its_agreement_is_small():
    # Each half of it within the limit, and both together over it.
    code = "QUFB" * ((MAX_BUNDLE_BYTES - len(ENCODED) + ENCODED.index(b',"approvals":') // 2) // 4)
    with pytest.raises(MalformedError, match="^bundle: ") as refused:
        decode_bundle(changed(lambda value: value.update(code={"query.sql": code})))
    assert refused.value.code == "format.oversize"


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("run"),
        lambda value: value.update(extra=1),
        lambda value: value.update(format="cleanroom.bundle.v1"),
        lambda value: value.update(code={"../query.sql": ""}),
        lambda value: value.update(code={"query.sql": 1}),
        lambda value: value["approvals"].update({"../x": value["run"]}),
        lambda value: value["agreement"]["policies"].update({"no-lineage": value["run"]}),
        lambda value: value["run"]["signatures"].update({"UPPER": ""}),
        lambda value: value.update(revocations=[value["run"]] * 257),
        lambda value: value["agreement"].pop("parties"),
    ],
)
def test_another_shape_is_refused(change):
    with pytest.raises(MalformedError, match="^bundle: "):
        decode_bundle(changed(change))


@pytest.mark.parametrize("text", ["***", "YQ", "YR==", "YQ==\n"])
def test_base64_has_one_spelling(text):
    assert base64.b64decode("YQ==") == b"a"
    with pytest.raises(MalformedError, match="^bundle: run: not standard base64"):
        decode_bundle(changed(lambda value: value["run"].update(data=text)))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"a":1,"a":2}', b"\xff", b"1.5"])
def test_anything_else_is_refused(data):
    with pytest.raises(MalformedError, match="^bundle: "):
        decode_bundle(data)


def test_encoding_does_not_change_a_bundle():
    before = dataclasses.replace(BUNDLE)
    encode_bundle(BUNDLE)
    assert before == BUNDLE
