# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
import json

import cbor2
import pytest

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.azure_uvm import FOREIGN
from cleanroom.attestation.platforms.azure_uvm.endorsement import (
    MAX_ENDORSEMENT_BYTES,
    verify_endorsement,
)
from cleanroom.attestation.platforms.azure_uvm.kind import EndorsementVerifier
from cleanroom.errors import (
    CleanroomError,
    EvidenceRefusedError,
    IntegrityError,
    MalformedError,
)
from cleanroom.kernel.digest import Digest
from tests.support.test_pki import AT, NOT_AFTER
from tests.support.uvm_forge import (
    MEASUREMENT,
    header,
    issuer,
    make_endorsement,
    members,
    uvm_chain,
)

(KIND,) = FOREIGN
ROOT = uvm_chain()[-1].pin
GOOD = make_endorsement()
VERIFIER = EndorsementVerifier(root=ROOT)


def verify(data=GOOD, *, root=ROOT, at=AT):
    return verify_endorsement(data, root=root, at=at)


def item(data=GOOD, **collateral):
    return EvidenceItem(platform="azure-uvm", report=data, collateral=collateral)


def test_an_endorsement_names_the_measurement_and_its_version():
    claims = VERIFIER.verify(item(), at=AT)
    assert (claims.platform, claims.confidential, claims.carried) == ("azure-uvm", False, ())
    assert claims.details == {
        "feed": "ContainerPlat-AMD-UVM",
        "launch": MEASUREMENT.hex(),
        "guest_svn": "22",
    }
    assert [(fact.digest, fact.expires_at) for fact in claims.collateral] == [
        (Digest.of(GOOD), NOT_AFTER)
    ]
    assert (VERIFIER.platform, VERIFIER.carriers) == ("azure-uvm", {})
    assert (VERIFIER.nonce_place, VERIFIER.facts, VERIFIER.confidential) == ("", (), False)


def test_what_may_be_left_out_is_not_missed():
    assert verify(make_endorsement(header(c34="-", signingtime="-"))).guest_svn == 22


def test_a_root_that_comes_along_is_not_believed():
    with pytest.raises(IntegrityError, match="^uvm endorsement root: found"):
        KIND.verifier.verify(item(), at=AT)


@pytest.mark.parametrize("at", [NOT_AFTER + dt.timedelta(seconds=1), AT - dt.timedelta(days=800)])
def test_out_of_its_time_it_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^uvm endorsement: judged at"):
        verify(at=at)


def test_no_byte_but_those_that_nobody_signed_flips_unseen():
    unsigned = range(GOOD.index(b"timestamp") - 2, GOOD.index(b"nobody") + 6)
    for offset in range(0, len(GOOD), 23):
        if offset not in unsigned:
            flipped = GOOD[:offset] + bytes([GOOD[offset] ^ 1]) + GOOD[offset + 1 :]
            with pytest.raises(CleanroomError):
                verify(flipped)


def test_payload_and_header_are_signed():
    for old, new in ((b'"22"', b'"99"'), (b"ContainerPlat", b"ContainerFlat")):
        with pytest.raises(IntegrityError, match="^uvm endorsement: the signature does not match"):
            verify(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"iss": issuer() + "x"}, "issuer"),
        ({"iss": 7}, "issuer"),
        ({"feed": "Another-Product"}, "product"),
        ({"c34": [-16, bytes(32)]}, "thumbprint"),
        ({"chain": uvm_chain("1.3.6.1.5.5.7.3.3")}, "purpose of the signer"),
        ({"chain": uvm_chain("")}, "purpose of the signer"),
    ],
)
def test_another_product_below_the_same_root_is_refused(changes, name):
    with pytest.raises(EvidenceRefusedError, match=f"^uvm endorsement: found another {name}, agr"):
        verify(make_endorsement(header(**changes)))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "another beginning"),
        (GOOD[1:], "another beginning, agreed a tagged COSE_Sign1"),
        (GOOD + b"\0", "bytes behind the end"),
        (GOOD[:-1], "an end inside a value"),
        (bytes(MAX_ENDORSEMENT_BYTES + 1), "agreed at most"),
        (b"\xd2" + cbor2.dumps([b"", {}, b""]), "another structure"),
        (b"\xd2" + cbor2.dumps([b"", {}, "", b""]), "of other kinds, agreed bytes"),
        (make_endorsement(cbor2.dumps([])), "other members"),
        (make_endorsement(header(feed="-")), "other members"),
        (make_endorsement(header(more=1)), "other members"),
        (make_endorsement(header(c1=-37)), "another algorithm or content"),
        (make_endorsement(header(c3="text/plain")), "another algorithm or content"),
        (make_endorsement(header(signingtime=cbor2.CBORTag(2, b"x"))), "tag 2, agreed no tag"),
        (make_endorsement(header(c33=b"")), "no list of certificates"),
        (make_endorsement(header(c33=[uvm_chain()[0].der])), "no list of certificates"),
        (make_endorsement(header(c33=["a", "b"])), "no list of certificates"),
    ],
)
def test_another_form_is_malformed(data, match):
    with pytest.raises(MalformedError, match=f"^uvm endorsement: found .*{match}"):
        verify(data)


@pytest.mark.parametrize(
    "payload",
    [
        [],
        members(guestsvn=22),
        members(guestsvn="-"),
        members(guestsvn="022"),
        members(launchmeasurement="00"),
        members(launchmeasurement="-"),
    ],
)
def test_a_payload_of_another_form_is_malformed(payload):
    with pytest.raises(MalformedError, match="^uvm endorsement: found no x-ms-sevsnpvm-"):
        verify(make_endorsement(payload=json.dumps(payload).encode()))


def test_files_of_strangers_are_recognised():
    assert KIND.intake(base64.b64encode(GOOD), []) == item()
    assert KIND.recognises(GOOD)
    assert not KIND.recognises(b"")
    assert KIND.collateral_requests(item()) == ()
    with pytest.raises(MalformedError, match="^azure-uvm collateral: found some, agreed none"):
        KIND.intake(GOOD, [b"x"])
    with pytest.raises(MalformedError, match="^azure-uvm collateral: found some, agreed none"):
        VERIFIER.verify(item(chain=b""), at=AT)
