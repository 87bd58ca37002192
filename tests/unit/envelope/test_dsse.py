# SPDX-License-Identifier: Apache-2.0
import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from cleanroom.envelope.dsse import (
    Signature,
    key_identifier,
    parse_envelope,
    pre_authentication_encoding,
    sign_statement,
    to_json,
    verify_envelope,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.keys import signing_key

LIMIT = 10_000
PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
KEY = signing_key("broker")
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
OTHER = signing_key("other").public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
GOOD = sign_statement(PAYLOAD, KEY)
JSON = to_json(GOOD)


def parse(value):
    return parse_envelope(json.dumps(value).encode(), what="receipt", limit=LIMIT)


def foreign_key(public):
    return SSlibKey(key_identifier(public), "ed25519", "ed25519", {"public": public.hex()})


def test_securesystemslib_verifies_our_envelope():
    envelope = ForeignEnvelope.from_dict(json.loads(json.dumps(to_json(GOOD))))
    assert set(envelope.verify([foreign_key(PUBLIC)], threshold=1)) == {key_identifier(PUBLIC)}
    assert envelope.payload == PAYLOAD


def test_securesystemslib_refuses_our_envelope_after_one_change():
    changed = replace(GOOD, payload=PAYLOAD + b" ")
    with pytest.raises(VerificationError):
        ForeignEnvelope.from_dict(to_json(changed)).verify([foreign_key(PUBLIC)], threshold=1)


def test_we_verify_an_envelope_of_securesystemslib():
    theirs = ForeignEnvelope(PAYLOAD, "application/vnd.in-toto+json", {})
    theirs.sign(CryptoSigner(KEY, foreign_key(PUBLIC)))
    assert verify_envelope(parse(theirs.to_dict()), PUBLIC, what="receipt") == PAYLOAD


def test_the_published_example_of_the_signed_bytes_holds():
    # The example of the DSSE specification, protocol.md.
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_of_bytes_not_of_characters():
    assert pre_authentication_encoding("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


@settings(max_examples=30)
@given(st.binary(max_size=500))
def test_what_was_signed_verifies_to_the_same_bytes(payload):
    envelope = parse(to_json(sign_statement(payload, KEY)))
    assert verify_envelope(envelope, PUBLIC, what="receipt") == payload


def test_an_envelope_inside_a_larger_document_reads_alike():
    assert parse_envelope(JSON, what="receipt", limit=LIMIT) == parse(JSON) == GOOD


@pytest.mark.parametrize("payload", [b"", PAYLOAD[:-1], PAYLOAD + b"\n"])
def test_another_payload_refuses(payload):
    with pytest.raises(IntegrityError, match="^receipt: the signature does not match") as refusal:
        verify_envelope(replace(GOOD, payload=payload), PUBLIC, what="receipt")
    assert refusal.value.code == "dsse.signature"


def test_another_key_refuses():
    with pytest.raises(IntegrityError, match="^receipt: signed with another key") as refusal:
        verify_envelope(GOOD, OTHER, what="receipt")
    assert refusal.value.code == "dsse.key"


def test_claiming_another_key_does_not_help():
    claimed = Signature(keyid=key_identifier(OTHER), value=GOOD.signatures[0].value)
    with pytest.raises(IntegrityError, match="^receipt: the signature does not match"):
        verify_envelope(replace(GOOD, signatures=(claimed,)), OTHER, what="receipt")


def test_any_flipped_bit_of_the_signature_refuses():
    signature = GOOD.signatures[0]
    for at in range(512):
        value = bytearray(signature.value)
        value[at // 8] ^= 1 << at % 8
        bad = replace(GOOD, signatures=(replace(signature, value=bytes(value)),))
        with pytest.raises(IntegrityError):
            verify_envelope(bad, PUBLIC, what="receipt")


@pytest.mark.parametrize("value", [b"", b"x", GOOD.signatures[0].value + b"\0"])
def test_a_signature_of_another_length_refuses(value):
    bad = replace(GOOD, signatures=(replace(GOOD.signatures[0], value=value),))
    with pytest.raises(IntegrityError):
        verify_envelope(bad, PUBLIC, what="receipt")


@pytest.mark.parametrize("count", [0, 2])
def test_no_or_a_second_signature_is_refused(count):
    with pytest.raises(MalformedError, match="^receipt: not exactly one signature$") as refusal:
        verify_envelope(replace(GOOD, signatures=GOOD.signatures * count), PUBLIC, what="receipt")
    assert refusal.value.code == "dsse.signatures"


def test_another_payload_type_is_refused_even_when_signed():
    other = "application/vnd.other+json"
    value = KEY.sign(pre_authentication_encoding(other, PAYLOAD))
    signature = Signature(keyid=key_identifier(PUBLIC), value=value)
    bad = replace(GOOD, payload_type=other, signatures=(signature,))
    with pytest.raises(MalformedError, match="^receipt: not an in-toto statement$"):
        verify_envelope(bad, PUBLIC, what="receipt")


def test_a_signature_over_the_bare_payload_refuses():
    bare = Signature(keyid=key_identifier(PUBLIC), value=KEY.sign(PAYLOAD))
    with pytest.raises(IntegrityError):
        verify_envelope(replace(GOOD, signatures=(bare,)), PUBLIC, what="receipt")


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), b"\x01" + bytes(31)])
def test_an_unusable_key_is_refused_before_anything_is_checked(key):
    with pytest.raises(MalformedError, match="^receipt: key: "):
        verify_envelope(GOOD, key, what="receipt")


SIGNATURE = JSON["signatures"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"payload": 5},
        {"payload": None},
        {"payload": base64.urlsafe_b64encode(b"\xfb\xff").decode()},
        {"payload": JSON["payload"].rstrip("=")},
        {"payload": JSON["payload"] + "\n"},
        {"payloadType": None},
        {"signatures": {}},
        {"signatures": ["x"]},
        {"signatures": [{"sig": SIGNATURE["sig"]}]},
        {"signatures": [SIGNATURE | {"cert": "x"}]},
        {"signatures": [SIGNATURE | {"sig": "?"}]},
        {"extra": 1},
    ],
)
def test_one_wrong_field_is_refused(change):
    with pytest.raises(MalformedError, match="^receipt: "):
        parse(JSON | change)


@pytest.mark.parametrize("field", ["payload", "payloadType", "signatures"])
def test_a_missing_field_is_refused_by_name(field):
    with pytest.raises(MalformedError, match=f"^receipt: {field} is missing$"):
        parse({name: value for name, value in JSON.items() if name != field})


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'{"payload":"","payload":""}'])
def test_another_form_is_refused(data):
    with pytest.raises(MalformedError, match="^receipt: "):
        parse_envelope(data, what="receipt", limit=LIMIT)


@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_huge_envelope_is_refused(as_bytes):
    huge = to_json(sign_statement(bytes(LIMIT), KEY))
    data = json.dumps(huge).encode() if as_bytes else huge
    with pytest.raises(MalformedError, match="^receipt: ") as refusal:
        parse_envelope(data, what="receipt", limit=LIMIT)
    assert refusal.value.code == "format.oversize"
