# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.tokens.jws import parse_token
from cleanroom.attestation.tokens.keys import (
    MAX_KEYS,
    only_key_set,
    parse_key_set,
    signing_key,
    trust_key_set,
)
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.test_pki import AT, rsa_key
from tests.support.token_forge import (
    b64url,
    jwk,
    key_set,
    rsa_set,
    sign_token,
    signing_ec,
    signing_rsa,
    token_chain,
    vouch,
    x5c,
)

RSA, EC = jwk(signing_rsa()), jwk(signing_ec(), "two")
WEEK = dt.timedelta(days=7)


def find(document=None, *, trusted=None, at=AT, **header):
    document = rsa_set() if document is None else document
    token = parse_token(sign_token({}, signing_rsa(), **header), what="token")
    known = (vouch(document, "issuer"),) if trusted is None else trusted
    return signing_key(token, document=document, trusted=known, at=at, what="token")


def test_a_key_is_picked_by_name_among_trusted_ones():
    found = find(key_set(RSA, EC))
    assert found.key == signing_rsa().public_key()
    assert found.issuer == "issuer"
    assert found.collateral.digest == Digest.of(key_set(RSA, EC))
    assert (found.collateral.issued_at, found.collateral.expires_at) == (AT, AT + WEEK)
    assert find(key_set(RSA, EC), kid="two").key == signing_ec().public_key()


def test_keys_that_nobody_vouches_for_are_not_believed():
    for trusted in ((), (vouch(key_set(EC), "issuer"),)):
        with pytest.raises(IntegrityError, match="^token key set: found sha256:") as refused:
            find(trusted=trusted)
        assert refused.value.code == "token.key-set"


@pytest.mark.parametrize("kid", ["three", None, 1, "", ["one"]])
def test_an_unknown_name_is_refused(kid):
    with pytest.raises(IntegrityError, match="no key of the name") as refused:
        find(kid=kid)
    assert refused.value.code == "token.key"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_key_set_counts_for_a_week_around_its_fetching(sign):
    assert find(at=AT + sign * WEEK)
    with pytest.raises(EvidenceRefusedError, match="agreed within 604800 seconds") as refused:
        find(at=AT + sign * (WEEK + dt.timedelta(seconds=1)))
    assert refused.value.code == "attestation.collateral-expired"


def test_keys_may_be_written_as_certificates():
    certificate = {"kid": "one", "kty": "RSA", "x5c": x5c(token_chain())}
    assert parse_key_set(key_set(certificate)) == {"one": signing_rsa().public_key()}


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"kty": "oct"},
        {"kty": "RSA", "e": "Aw"},
        {
            "kty": "RSA",
            "n": b64url(
                rsa_key("small", 1024).public_key().public_numbers().n.to_bytes(128, "big")
            ),
        },
        {"n": None},
        {"n": 1},
        {"n": "="},
        {"x5c": []},
        {"x5c": ["AAAA"]},
        {"x5c": [1]},
        {"x5c": "AAAA"},
        {"x5c": x5c(token_chain()[1:]) * 5},
    ],
)
def test_a_key_that_may_not_sign_tokens_is_left_out(change):
    entry = {name: item for name, item in (RSA | change).items() if item is not None}
    assert parse_key_set(key_set(entry, EC)) == {"two": signing_ec().public_key()}


@pytest.mark.parametrize(
    "change",
    [
        {"crv": "P-521"},
        {"crv": None},
        {"crv": ["P-384"]},
        {"crv": "P-256"},
        {"kty": "OKP"},
        {"x": EC["x"][:-4]},
        {"x": EC["y"]},
        {"y": 7},
    ],
)
def test_a_point_that_is_on_no_known_curve_is_left_out(change):
    assert parse_key_set(key_set(EC | change, RSA)) == {"one": signing_rsa().public_key()}


def test_a_certificate_with_another_curve_is_left_out():
    from tests.support.test_pki import (  # noqa: PLC0415
        ec_key,
        issue,
        make_root,
    )

    other = issue("p521", issuer=make_root("any"), key=ec_key("p521", ec.SECP521R1))
    entry = {"kid": "three", "x5c": x5c([other])}
    assert set(parse_key_set(key_set(entry, RSA))) == {"one"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[1]}',
        json.dumps({"keys": [RSA] * (MAX_KEYS + 1)}).encode(),
        key_set(RSA, RSA),
        key_set({"kty": "RSA"}),
        key_set(RSA | {"kid": ""}),
        key_set(RSA | {"kid": 1}),
        key_set({"kid": "one", "kty": "oct"}, RSA),
    ],
)
def test_what_is_no_key_set_is_malformed(document):
    with pytest.raises(MalformedError):
        trust_key_set(document, issuer="issuer", fetched_at=AT)


@pytest.mark.parametrize("collateral", [{}, {"other": b""}, {"key-set": b"", "other": b""}])
def test_a_key_set_is_all_that_comes_with_a_token(collateral):
    with pytest.raises(MalformedError, match="agreed key-set"):
        only_key_set(collateral, what="token")
    assert only_key_set({"key-set": b"x"}, what="token") == b"x"
