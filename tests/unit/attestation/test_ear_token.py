# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.ear_token import MAX_TOKEN_BYTES, sign_ear, verify_ear
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.attested_runs import NOW, make_evidence, make_profile, make_runtime

KEY = Ed25519PrivateKey.from_private_bytes(b"v" * 32)
RUNTIME = make_runtime()
PROFILE = make_profile()
RESULT = appraise(
    verify_evidence(
        make_evidence(RUNTIME), binding=bind64(RUNTIME.raw), at=NOW, trust=trust_for(PROFILE)
    ),
    profile=PROFILE,
    runtime=RUNTIME,
    at=NOW,
)
TOKEN = sign_ear(RESULT, KEY)
MINUTE = dt.timedelta(minutes=1)


def read(token=TOKEN, *, key=KEY, at=NOW, max_age=MINUTE):
    return verify_ear(token, key.public_key(), at=at, max_age=max_age)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header, payload, key=KEY):
    body = f"{b64(header)}.{b64(payload)}"
    return f"{body}.{b64(key.sign(body.encode()))}"


HEADER = b'{"alg":"EdDSA","typ":"JWT"}'


def test_a_signed_result_gives_back_its_claims():
    claims = read()
    assert claims == RESULT.to_ear()
    assert claims["submods"]["runner"]["ear.status"] == "contraindicated"
    assert sign_ear(RESULT, KEY) == TOKEN


def test_another_key_is_refused():
    with pytest.raises(IntegrityError, match="^ear: the signature"):
        read(key=Ed25519PrivateKey.from_private_bytes(b"w" * 32))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none"}',
        b'{"alg":"HS256","typ":"JWT"}',
        b'{"typ":"JWT","alg":"EdDSA"}',
        b'{"alg":"EdDSA","typ":"JWT","crit":["x"]}',
        b'{"alg":"EdDSA","jwk":{},"typ":"JWT"}',
    ],
)
def test_any_other_header_is_no_token_even_if_well_signed(header):
    payload = json.dumps(RESULT.to_ear()).encode()
    with pytest.raises(MalformedError, match="^ear: found another header"):
        read(signed(header, payload))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        TOKEN.rsplit(".", 1)[0],
        TOKEN.rsplit(".", 1)[0] + ".",
        TOKEN + ".x",
        TOKEN + "=",
        " " + TOKEN,
        "a" * (MAX_TOKEN_BYTES + 1),
    ],
)
def test_what_is_not_three_parts_is_malformed(token):
    with pytest.raises(MalformedError, match="^ear: not three"):
        read(token)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"[]", "ear.profile"),
        (b'{"eat_profile":"other"}', "ear.profile"),
        (b'{"eat_profile":"tag:github.com,2023:veraison/ear","iat":1}', "ear.claims"),
        (b'{"eat_profile":"tag:github.com,2023:veraison/ear","submods":{}}', "ear.claims"),
    ],
)
def test_signed_claims_that_are_no_ear_are_malformed(payload, code):
    with pytest.raises(MalformedError) as refused:
        read(signed(HEADER, payload))
    assert refused.value.code == code


@pytest.mark.parametrize("at", [NOW, NOW + MINUTE])
def test_a_verdict_counts_for_its_time(at):
    read(at=at)


@pytest.mark.parametrize("at", [NOW - dt.timedelta(seconds=1), NOW + dt.timedelta(seconds=61)])
def test_a_verdict_out_of_its_time_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^ear: issued"):
        read(at=at)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_every_changed_character_is_refused(at, character):
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed == TOKEN:
        return
    with pytest.raises(CleanroomError):
        read(changed)
