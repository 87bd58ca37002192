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
from tests.support.room_documents import build_room, slots, with_file

ROOM = build_room()
WITHDRAWN = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
BUNDLE = with_file(ROOM.bundle, "revocations", WITHDRAWN, name="0")
ENCODED = encode_bundle(BUNDLE)


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
