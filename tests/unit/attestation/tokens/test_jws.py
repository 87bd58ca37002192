# SPDX-License-Identifier: Apache-2.0
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.tokens.jws import (
    MAX_TOKEN_BYTES,
    algorithm_of,
    parse_token,
    verified_claims,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.token_forge import b64url, sign_token, signing_ec, signing_rsa

CLAIMS = {"iss": "somebody"}
KEYS = [signing_rsa(), signing_ec(), signing_ec(ec.SECP256R1)]


def claims_of(token, key):
    return verified_claims(parse_token(token, what="token"), key=key.public_key(), what="token")


@pytest.mark.parametrize("key", KEYS)
def test_a_signed_token_gives_its_claims(key):
    assert claims_of(sign_token(CLAIMS, key), key) == CLAIMS
    assert claims_of(sign_token(CLAIMS, key) + b"\r\n", key) == CLAIMS


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "HS256", "RS512", "PS256", "ES512", "rs256", "", 1, None, ["RS256"]],
)
def test_the_algorithm_is_the_keys_whatever_the_header_says(key, algorithm):
    token = sign_token(CLAIMS, key, alg=algorithm)
    with pytest.raises(IntegrityError, match="^token: found another algorithm") as refused:
        claims_of(token, key)
    assert refused.value.code == "token.algorithm"


def test_an_unsigned_token_is_refused():
    token = f"{b64url(json.dumps({'alg': 'none'}).encode())}.{b64url(b'{}')}.".encode()
    with pytest.raises(IntegrityError) as refused:
        claims_of(token, signing_rsa())
    assert refused.value.code == "token.algorithm"


def test_a_public_key_is_no_shared_secret():
    key = signing_rsa().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64url(json.dumps({'alg': 'HS256'}).encode())}.{b64url(b'{}')}"
    token = f"{signed}.{b64url(hmac.digest(key, signed.encode(), 'sha256'))}".encode()
    with pytest.raises(IntegrityError) as refused:
        claims_of(token, signing_rsa())
    assert refused.value.code == "token.algorithm"


@pytest.mark.parametrize("key", KEYS)
def test_every_part_is_covered(key):
    header, payload, signature = sign_token(CLAIMS, key).split(b".")
    other = sign_token({"iss": "else"}, key, kid="two").split(b".")
    for parts in (
        (other[0], payload, signature),
        (header, other[1], signature),
        (header, payload, other[2]),
        (header, payload, b""),
        (header, payload, signature[4:]),
        (header, payload, b"A" * 7 + signature[7:]),
    ):
        with pytest.raises(IntegrityError, match="^token: the signature does not match"):
            claims_of(b".".join(parts), key)


def test_another_key_does_not_match():
    with pytest.raises(IntegrityError, match="^token: the signature"):
        claims_of(sign_token(CLAIMS, KEYS[0], algorithm="ES384"), KEYS[1])


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'"text"', b'{"a":1,"a":2}', b'{"a":1.5}', b'{"a":NaN}', b"{} ", b"{}{}"],
)
def test_claims_that_leave_doubt_are_refused_though_signed(payload):
    token = sign_token(payload, KEYS[0])
    if payload == b"{} ":
        assert claims_of(token, KEYS[0]) == {}
        return
    with pytest.raises(MalformedError, match="^token"):
        claims_of(token, KEYS[0])


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"a.b",
        b"a.b.c.d",
        b"e30.e30.e30.e30.e30",
        b"!!!!.e30.e30",
        b"e30=.e30.e30",
        b"e30 .e30.e30",
        b"e31.e30.e30",
        b"W10.e30.e30",
        b"eyJhIjoxLCJhIjoyfQ.e30.e30",
        b"\xff.e30.e30",
        b"a" * (MAX_TOKEN_BYTES + 1),
    ],
)
def test_what_is_no_token_is_malformed(token):
    with pytest.raises(MalformedError, match="^token"):
        parse_token(token, what="token")


@pytest.mark.parametrize("name", ["crit", "b64", "zip", "enc"])
def test_extensions_that_change_what_is_signed_are_refused(name):
    with pytest.raises(MalformedError, match=f"the header extension {name}"):
        parse_token(sign_token(CLAIMS, KEYS[0], **{name: ["x"]}), what="token")


def test_addresses_and_keys_in_a_header_are_not_looked_at():
    stranger = signing_ec(ec.SECP256R1)
    header = {"jku": "https://evil", "x5u": "https://evil", "jwk": {"kty": "EC"}}
    token = sign_token(CLAIMS, stranger, algorithm="RS256", **header)
    with pytest.raises(IntegrityError, match="the signature does not match"):
        claims_of(token, signing_rsa())


def test_each_key_is_for_one_algorithm():
    assert [algorithm_of(key.public_key())[0] for key in KEYS] == ["RS256", "ES384", "ES256"]
