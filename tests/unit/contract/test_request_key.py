# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.introduction import (
    introduce,
    introduction_from_json,
    introduction_to_json,
)
from cleanroom.contract.request_key import (
    CLOCK_TOLERANCE,
    RequestKeyTerms,
    parse_request_key,
    render_request_key,
    verify_request_key,
)
from cleanroom.contract.signing import SigningParty
from cleanroom.envelope.http_signature import RequestTarget, read_signature
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IdentityUnprovenError, IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import encode_base64
from tests.support.keys import pins_of, sign_by, signing_key, throwaway_party

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOSPITAL, INSURER = throwaway_party("hospital"), throwaway_party("insurer")
KEY = signing_key("request key")
TERMS = RequestKeyTerms(
    party="hospital",
    key=KEY.public_key().public_bytes_raw(),
    not_before=NOW,
    expires=NOW + dt.timedelta(hours=24),
)


def vouch(data, *, by=HOSPITAL, kind="request-key", at=NOW, pins=None):
    """Sign a document and verify it as a broker does."""
    pins = pins_of(HOSPITAL, INSURER) if pins is None else pins
    return verify_request_key(sign_by(data, kind=kind, parties=(by,)), pins=pins, at=at)


def test_what_is_written_is_read_again():
    found = parse_request_key(render_request_key(TERMS))
    assert (found.party, found.key) == (TERMS.party, TERMS.key)
    assert (found.not_before, found.expires) == (TERMS.not_before, TERMS.expires)


def test_a_pinned_party_s_key_counts():
    vouched = vouch(render_request_key(TERMS))
    assert vouched.key.key == TERMS.key
    assert vouched.signed_with == HOSPITAL.unlocked.signer.public_key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ed25519:", "rsa:"),
        ("ed25519:", "ed25519:AAAA"),
        ("2026-11-23T12", "2026-11-23T13"),
        ("2026-11-23T12", "2026-11-22T12"),
        ("request-key.v0", "party.v0"),
        ('party = "hospital"', 'party = "hospital"\nroles = []'),
    ],
)
def test_any_other_document_is_malformed(old, new):
    data = render_request_key(TERMS).replace(old.encode(), new.encode(), 1)
    with pytest.raises(MalformedError):
        parse_request_key(data)


def test_a_key_of_no_use_is_malformed():
    data = render_request_key(dataclasses.replace(TERMS, key=bytes(32)))
    with pytest.raises(MalformedError):
        parse_request_key(data)


def test_a_party_that_is_not_pinned_vouches_for_nothing():
    """T-03: anybody can sign for a key of its own."""
    with pytest.raises(IdentityUnprovenError) as refused:
        vouch(render_request_key(TERMS), pins=pins_of(INSURER))
    assert refused.value.code == "request.party-unknown"


def test_nobody_vouches_for_another_party():
    with pytest.raises(RefusedError) as refused:
        vouch(render_request_key(TERMS), by=INSURER)
    assert refused.value.code == "signature.missing"
    stolen = sign_by(render_request_key(TERMS), kind="request-key", parties=(INSURER,))
    renamed = SignedFile(data=stolen.data, signatures={"hospital": stolen.signatures["insurer"]})
    with pytest.raises(IntegrityError):
        verify_request_key(renamed, pins=pins_of(HOSPITAL, INSURER), at=NOW)


def test_a_signature_for_another_purpose_does_not_count():
    """T-17: what was signed as another kind of document is no request key."""
    with pytest.raises(IntegrityError) as refused:
        vouch(render_request_key(TERMS), kind="approval")
    assert refused.value.code == "signature.namespace"


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (TERMS.not_before - CLOCK_TOLERANCE, True),
        (TERMS.not_before - CLOCK_TOLERANCE - dt.timedelta(seconds=1), False),
        (TERMS.expires - dt.timedelta(seconds=1), True),
        (TERMS.expires, False),
    ],
)
def test_a_key_counts_in_its_time_only(at, counts):
    if counts:
        vouch(render_request_key(TERMS), at=at)
        return
    with pytest.raises(RefusedError) as refused:
        vouch(render_request_key(TERMS), at=at)
    assert refused.value.code == "request.key-expired"


def test_an_introduction_reaches_a_runner_whole():
    signing = SigningParty(document=HOSPITAL.document, signer=HOSPITAL.unlocked.signer)
    made = introduce(signing, key=KEY, at=NOW)
    found = introduction_from_json(introduction_to_json(made), what="job")
    assert (found.party, found.document, found.signature) == (
        "hospital",
        made.document,
        made.signature,
    )
    assert found.key.private_bytes_raw() == KEY.private_bytes_raw()
    assert repr(KEY.private_bytes_raw()) not in repr(made)


@pytest.mark.parametrize("change", [{"key": "AAAA"}, {"key": "?"}, {"more": ""}, {"document": ""}])
def test_an_introduction_of_another_form_is_malformed(change):
    signing = SigningParty(document=HOSPITAL.document, signer=HOSPITAL.unlocked.signer)
    value = introduction_to_json(introduce(signing, key=KEY, at=NOW)) | change
    with pytest.raises(MalformedError):
        introduction_from_json(value, what="job")


def test_an_introduction_signs_requests_with_its_own_key():
    signing = SigningParty(document=HOSPITAL.document, signer=HOSPITAL.unlocked.signer)
    made = introduce(signing, key=KEY, at=NOW)
    target = RequestTarget(method="POST", authority="broker.example", path="/v0/release")
    fields = made.sign(target, b"{}", nonce="n" * 22, at=NOW)
    request = read_signature(target, fields)
    request.verify(TERMS.key)
    request.require_body(b"{}")
    assert request.terms.key == Digest.of(made.document)
    assert fields["cleanroom-request-key"] == f":{encode_base64(made.document)}:"
