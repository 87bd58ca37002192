# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import cbor2
import pytest

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.platform import SelfReported
from cleanroom.attestation.platforms.nitro.parse import MAX_DOCUMENT_BYTES, parse_document
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.nitro_forge import (
    PCRS,
    USER_DATA,
    make_document,
    make_item,
    members,
    nitro_chain,
    sign_document,
)
from tests.support.test_pki import AT, NOT_AFTER, NOT_BEFORE

VERIFIER = NitroVerifier(root=nitro_chain()[-1].pin)
GOOD = make_document()


def verify(document=GOOD, *, at=AT):
    return VERIFIER.verify(make_item(document), at=at)


def test_a_genuine_document_says_what_the_enclave_is_and_put_in():
    claims = verify()
    (facts,) = claims.facts
    assert facts.pcrs == PCRS
    assert facts.module_id.startswith("i-0123")
    assert (claims.debug, claims.issued_at, claims.runner) == (False, AT, SelfReported())
    places = {item.place: (item.channel, item.found) for item in claims.carried}
    assert places == {
        "user_data": (Channel.REPORT, USER_DATA),
        "nonce": (Channel.FREE, b""),
        "public_key": (Channel.FREE, b""),
    }


def test_the_verifier_declares_what_its_claims_carry():
    claims = verify()
    assert VERIFIER.platform == claims.platform
    assert VERIFIER.confidential
    assert set(VERIFIER.carriers) < {item.place for item in claims.carried}
    assert VERIFIER.nonce_place in {item.place for item in claims.carried}
    assert tuple(map(type, claims.facts)) == VERIFIER.facts


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("value", [bytes(48), None])
def test_one_image_register_of_zeros_is_debug_mode(index, value):
    pcrs = {key: item for key, item in (PCRS | {index: value}).items() if item is not None}
    assert verify(make_document(pcrs=pcrs)).debug


def test_a_root_that_the_host_made_is_not_believed():
    with pytest.raises(IntegrityError, match="^nitro document root: found sha256:"):
        verify(make_document(nitro_chain("own root")))


def test_the_pinned_root_behind_an_own_chain_is_not_believed():
    with pytest.raises(IntegrityError, match="did not sign"):
        verify(make_document((*nitro_chain("own root")[:-1], nitro_chain()[-1])))


def test_the_bundle_is_read_from_the_root():
    bundle = [item.der for item in nitro_chain()[1:]]
    with pytest.raises(IntegrityError, match="root: found"):
        verify(make_document(cabundle=bundle))


@pytest.mark.parametrize("at", [NOT_BEFORE - dt.timedelta(1), NOT_AFTER + dt.timedelta(1)])
def test_a_document_out_of_its_certificates_time_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^nitro document: judged at"):
        verify(at=at)


def test_a_document_from_the_future_is_refused():
    assert verify(at=AT - dt.timedelta(minutes=5))
    with pytest.raises(EvidenceRefusedError, match="made at") as refused:
        verify(at=AT - dt.timedelta(minutes=5, seconds=1))
    assert refused.value.code == "nitro.time"


def test_a_changed_payload_does_not_match():
    document = cbor2.loads(GOOD)
    document[2] = document[2].replace(USER_DATA, bytes(64))
    with pytest.raises(IntegrityError, match="^nitro document: the signature"):
        verify(cbor2.dumps(document))


def test_a_strangers_signature_does_not_match():
    with pytest.raises(IntegrityError, match="^nitro document: the signature"):
        verify(sign_document(members(), nitro_chain("own root")))


def test_an_authority_does_not_sign_documents():
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        verify(make_document(nitro_chain()[1:]))


def test_collateral_is_refused():
    with pytest.raises(MalformedError) as refused:
        VERIFIER.verify(make_item(root=b""), at=AT)
    assert refused.value.code == "nitro.collateral"


def test_certificates_are_at_most_eight():
    with pytest.raises(MalformedError, match="found 9 certificates, agreed at most 8"):
        verify(make_document(cabundle=[nitro_chain()[-1].der] * 8))


@pytest.mark.parametrize(
    "document",
    [
        cbor2.dumps(cbor2.CBORTag(18, cbor2.loads(GOOD))),
        cbor2.dumps(cbor2.loads(GOOD)[:3]),
        cbor2.dumps({0: 1}),
        sign_document(members(), protected=cbor2.dumps({1: -7})),
        sign_document(members(), protected=cbor2.dumps({1: -36})),
        sign_document(members(), protected=cbor2.dumps({1: -35, 4: b"x"})),
        sign_document(members(), protected=b""),
        sign_document(members(), unprotected={4: b"x"}),
        cbor2.dumps([*cbor2.loads(GOOD)[:3], bytes(95)]),
        cbor2.dumps([*cbor2.loads(GOOD)[:3], "signature"]),
        cbor2.dumps([*cbor2.loads(GOOD)[:2], {}, bytes(96)]),
        cbor2.dumps(["protected", *cbor2.loads(GOOD)[1:]]),
        sign_document(b"\x00"),
        sign_document(b"\x80"),
        GOOD + b"\0",
        GOOD[:-1],
        b"",
        bytes(MAX_DOCUMENT_BYTES + 1),
    ],
)
def test_another_envelope_is_malformed(document):
    with pytest.raises(MalformedError, match="^nitro document: found "):
        parse_document(document)


@pytest.mark.parametrize(
    "change",
    [
        {"module_id": ""},
        {"module_id": b"i-0"},
        {"module_id": "-"},
        {"digest": "SHA256"},
        {"timestamp": 0},
        {"timestamp": "now"},
        {"timestamp": 2**63},
        {"pcrs": {}},
        {"pcrs": []},
        {"pcrs": {32: bytes(48)}},
        {"pcrs": {"0": bytes(48)}},
        {"pcrs": {0: bytes(32)}},
        {"pcrs": {0: "0" * 48}},
        {"certificate": None},
        {"certificate": b""},
        {"certificate": bytes(1025)},
        {"cabundle": []},
        {"cabundle": "x"},
        {"cabundle": [b"x", "x"]},
        {"user_data": "text"},
        {"user_data": bytes(1025)},
        {"nonce": 1},
        {"public_key": [b""]},
        {"extra": 1},
    ],
)
def test_a_member_of_another_form_is_refused(change):
    with pytest.raises(MalformedError, match="^nitro document: found "):
        parse_document(make_document(**change))


def test_members_that_the_enclave_left_out_are_empty():
    document = parse_document(make_document(user_data="-", nonce="-", public_key=b"key"))
    assert (document.user_data, document.nonce, document.public_key) == (b"", b"", b"key")


@pytest.mark.parametrize("size", range(0, len(GOOD), 7))
def test_a_document_cut_anywhere_is_malformed(size):
    with pytest.raises(MalformedError):
        parse_document(GOOD[:size])


def test_one_member_twice_is_refused():
    payload = cbor2.dumps(members())
    twice = bytes([payload[0] + 1]) + payload[1:] + cbor2.dumps("nonce") + cbor2.dumps(b"other")
    with pytest.raises(MalformedError, match="one key twice"):
        parse_document(sign_document(twice))
