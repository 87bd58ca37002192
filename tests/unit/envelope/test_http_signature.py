# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.envelope.http_signature import (
    COMPONENTS,
    CONTENT_DIGEST,
    SIGNATURE,
    SIGNATURE_INPUT,
    RequestTarget,
    SignatureTerms,
    content_digest,
    read_signature,
    sign_request,
    signature_base,
)
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import encode_base64
from tests.support.keys import signing_key

# RFC 9421 appendix B.1.4, test-key-ed25519.
RFC_KEY = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
KEY = signing_key("request key")
PUBLIC = KEY.public_key().public_bytes_raw()
TARGET = RequestTarget(method="POST", authority="broker.example", path="/v0/release", query="")
TERMS = SignatureTerms(
    created=NOW,
    expires=NOW + dt.timedelta(seconds=60),
    nonce="n" * 22,
    key=Digest.of(b"request key document"),
)
BODY = b'{"hello": "world"}'


def signed(**changes):
    """Sign the usual request with some fields of its header changed."""
    fields = sign_request(TARGET, digest=content_digest(BODY), terms=TERMS, key=KEY)
    return {name: value for name, value in (fields | changes).items() if value is not None}


def test_the_base_and_signature_are_those_of_the_rfc():
    """RFC 9421 appendix B.2.6: signing a request using ed25519."""
    params = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    signature = load_pem_private_key(RFC_KEY, None).sign(signature_base(components, params))
    assert encode_base64(signature) == (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        # RFC 9530 appendices B.1 and B.2: content with and without its final newline.
        (b'{"hello": "world"}', "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        (b'{"hello": "world"}\n', "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="),
    ],
)
def test_the_content_digest_is_that_of_the_rfc(body, digest):
    assert content_digest(body) == f"sha-256=:{digest}:"
    assert content_digest(Digest.of(body)) == content_digest(body)


def test_what_was_signed_verifies_and_says_its_terms():
    request = read_signature(TARGET, signed())
    request.verify(PUBLIC)
    request.require_body(BODY)
    assert request.terms == TERMS


def test_parameters_may_come_in_another_order():
    """RFC 9421 fixes no order; the signature is over the one that was chosen."""
    covered = " ".join(f'"{name}"' for name in COMPONENTS)
    params = (
        f'({covered});tag="cleanroom-broker";keyid="{TERMS.key}";nonce="{TERMS.nonce}"'
        f";expires={int(TERMS.expires.timestamp())};created={int(NOW.timestamp())}"
    )
    digest = content_digest(BODY)
    values = ("POST", "broker.example", "/v0/release", "?", digest)
    signature = KEY.sign(signature_base(zip(COMPONENTS, values, strict=True), params))
    fields = {
        SIGNATURE_INPUT: f"cleanroom={params}",
        SIGNATURE: f"cleanroom=:{encode_base64(signature)}:",
        CONTENT_DIGEST: digest,
    }
    read_signature(TARGET, fields).verify(PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"authority": "other.example"},
        {"path": "/v0/commit"},
        {"query": "a=b"},
        {"path": "/v0/r\xe9lease"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_request_sent_elsewhere_does_not_verify(change):
    """T-17, T-25: a relay can send a signed request nowhere but where it was meant for."""
    request = read_signature(dataclasses.replace(TARGET, **change), signed())
    with pytest.raises(IntegrityError) as refused:
        request.verify(PUBLIC)
    assert refused.value.code == "request.signature"


def test_another_key_s_signature_does_not_verify():
    with pytest.raises(IntegrityError):
        read_signature(TARGET, signed()).verify(signing_key("x").public_key().public_bytes_raw())


def test_another_body_or_digest_is_refused():
    with pytest.raises(IntegrityError) as refused:
        read_signature(TARGET, signed()).require_body(BODY + b" ")
    assert refused.value.code == "request.digest"
    swapped = signed(**{CONTENT_DIGEST: content_digest(b"other")})
    with pytest.raises(IntegrityError) as refused:
        read_signature(TARGET, swapped).verify(PUBLIC)
    assert refused.value.code == "request.signature"


@pytest.mark.parametrize("absent", [SIGNATURE, SIGNATURE_INPUT])
def test_an_unsigned_request_says_so(absent):
    with pytest.raises(RefusedError) as refused:
        read_signature(TARGET, signed(**{absent: None}))
    assert refused.value.code == "request.unsigned"


def edited(old, new):
    """Change the text of the usual signature input."""
    return {SIGNATURE_INPUT: signed()[SIGNATURE_INPUT].replace(old, new)}


MALFORMED = {
    "no digest": ({CONTENT_DIGEST: None}, "request.form"),
    "weaker digest": ({CONTENT_DIGEST: "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"}, "request.form"),
    "short signature": ({SIGNATURE: "cleanroom=:AAAA:"}, "request.form"),
    "odd base64": ({SIGNATURE: "cleanroom=:AAA=A:"}, "format.base64"),
    "other label": ({SIGNATURE: "sig1=:AAAA:"}, "request.form"),
    "long field": ({SIGNATURE: "cleanroom=:" + "A" * 2000 + ":"}, "request.form"),
    "two signatures": ({SIGNATURE_INPUT: "cleanroom=(), other=()"}, "request.form"),
    "nothing covered": ({SIGNATURE_INPUT: "cleanroom=();created=1"}, "request.components"),
    "no body covered": (edited(' "content-digest"', ""), "request.components"),
    "no place covered": (edited(' "@authority"', ""), "request.components"),
    "no tag": (edited(';tag="cleanroom-broker"', ""), "request.form"),
    "other tag": (edited("cleanroom-broker", "another-service"), "request.tag"),
    "algorithm chosen": (edited(";created", ';alg="hmac-sha256";created'), "request.form"),
    "twice": (edited(";tag", ';nonce="' + "m" * 22 + '";tag'), "request.form"),
    "short nonce": (edited("n" * 22, "n" * 21), "request.form"),
    "other key id": (edited("sha256:", "sha1:"), "request.form"),
    "negative time": (edited("created=", "created=-"), "request.form"),
    "far time": (edited("created=", "created=999"), "request.form"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_any_other_form_is_refused(case):
    changes, code = MALFORMED[case]
    with pytest.raises(MalformedError) as refused:
        read_signature(TARGET, signed(**changes))
    assert refused.value.code == code


def test_the_latest_time_that_has_the_form_is_a_time():
    request = read_signature(TARGET, signed(**edited("created=17", "created=997")))
    assert request.terms.created.year > 3000
    with pytest.raises(IntegrityError):
        request.verify(PUBLIC)


@given(
    st.dictionaries(
        st.sampled_from([SIGNATURE, SIGNATURE_INPUT, CONTENT_DIGEST]), st.text(max_size=80)
    )
)
def test_nothing_but_an_error_of_the_tree_comes_out(fields):
    with pytest.raises(CleanroomError):
        read_signature(TARGET, signed() | {SIGNATURE: "cleanroom=:AAAA:"} | fields)
