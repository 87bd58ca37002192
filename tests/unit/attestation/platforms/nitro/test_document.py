# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
from dataclasses import replace

import cbor2
import pytest

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.foreign_facts import NitroTpmFacts
from cleanroom.attestation.platform import SelfReported
from cleanroom.attestation.platforms.nitro import FOREIGN, KINDS
from cleanroom.attestation.platforms.nitro.parse import (
    MAX_DOCUMENT_BYTES,
    Measured,
    parse_document,
)
from cleanroom.attestation.platforms.nitro.verify import NitroTpmVerifier, NitroVerifier
from cleanroom.attestation.verifier import require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.nitro_forge import (
    INSTANCE_PCRS,
    PCRS,
    USER_DATA,
    make_document,
    make_instance_document,
    make_instance_item,
    make_item,
    members,
    nitro_chain,
    sign_document,
)
from tests.support.test_pki import AT, NOT_AFTER, NOT_BEFORE

VERIFIER = NitroVerifier(root=nitro_chain()[-1].pin)
INSTANCE = NitroTpmVerifier(root=nitro_chain()[-1].pin)
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


def test_a_document_cut_anywhere_is_malformed():
    for size in range(0, len(GOOD), 7):
        with pytest.raises(MalformedError):
            parse_document(GOOD[:size])


def test_one_member_twice_is_refused():
    payload = cbor2.dumps(members())
    twice = bytes([payload[0] + 1]) + payload[1:] + cbor2.dumps("nonce") + cbor2.dumps(b"other")
    with pytest.raises(MalformedError, match="one key twice"):
        parse_document(sign_document(twice))


def test_a_machine_with_nitrotpm_says_how_it_booted_and_protects_nothing():
    claims = INSTANCE.verify(make_instance_item(), at=AT)
    require_declared(INSTANCE, claims)
    (facts,) = claims.facts
    assert (type(facts), facts.pcrs) == (NitroTpmFacts, INSTANCE_PCRS)
    assert facts.module_id.endswith("-tpm0000000000000000")
    assert (claims.platform, claims.confidential, claims.debug) == ("nitro-tpm", False, False)
    assert (claims.issued_at, INSTANCE.nonce_place) == (AT, "nonce")
    assert claims.checks[-1].found == "24 of its NitroTPM, SHA-384"
    assert claims.carried[0].found == USER_DATA


@pytest.mark.parametrize(
    ("verifier", "item", "found"),
    [
        (VERIFIER, make_item(make_instance_document()), "nitrotpm_pcrs, registers of a machine"),
        (INSTANCE, make_instance_item(make_document()), "pcrs, registers of an enclave"),
    ],
)
def test_a_machine_does_not_pass_for_an_enclave_nor_an_enclave_for_a_machine(verifier, item, found):
    with pytest.raises(EvidenceRefusedError, match=f"^nitro document: found {found}") as refused:
        verifier.verify(item, at=AT)
    assert refused.value.code == "nitro.registers"


@pytest.mark.parametrize(
    "change", [{"nitrotpm_pcrs": PCRS}, {"pcrs": "-"}, {"pcrs": "-", "nitrotpm_pcrs": {}}]
)
def test_registers_are_of_one_thing(change):
    with pytest.raises(MalformedError, match="^nitro document: found "):
        parse_document(make_document(**change))
    assert parse_document(make_instance_document()).measured is Measured.INSTANCE


def test_a_machines_document_goes_every_step_of_an_enclaves():
    with pytest.raises(IntegrityError, match="^nitro document root: found sha256:"):
        INSTANCE.verify(make_instance_item(make_instance_document(nitro_chain("own root"))), at=AT)
    with pytest.raises(EvidenceRefusedError, match="made at"):
        INSTANCE.verify(make_instance_item(), at=AT - dt.timedelta(hours=1))
    with pytest.raises(MalformedError, match="^nitro collateral: found some, agreed none"):
        INSTANCE.verify(replace(make_instance_item(), collateral={"root": b""}), at=AT)


def test_strangers_documents_are_recognised_for_what_they_measure():
    (enclave,), (machine,) = KINDS, FOREIGN
    for document, recognised in ((GOOD, enclave), (make_instance_document(), machine)):
        for form in (document, base64.b64encode(document), document.hex().encode()):
            found = [kind for kind in (enclave, machine) if kind.recognises(form)]
            assert found == [recognised]
            item = recognised.intake(form, [])
            assert (item.platform, item.report) == (recognised.name, document)
    assert machine.collateral_requests(make_instance_item()) == ()
