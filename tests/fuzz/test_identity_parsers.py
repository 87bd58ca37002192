# SPDX-License-Identifier: Apache-2.0
"""T-18: whatever bytes a parser is given, it answers with data or with one of our errors."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanroom.envelope import sshsig
from cleanroom.envelope.dsse import parse_envelope, sign_statement, to_json, verify_envelope
from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.errors import CleanroomError
from cleanroom.identity.broker_address import validate_broker_address
from cleanroom.identity.openssh_file import open_key_file, read_key_header
from cleanroom.identity.party import parse_party
from cleanroom.identity.profile_file import parse_profile_file
from cleanroom.identity.receiving import ReceivingKey, seal_to, validate_public
from cleanroom.identity.seed_file import open_seeds
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from tests.support.keys import derive, plain_key_file, signing_key, throwaway_party

THREATS = frozenset({"T-18"})

PARTY = throwaway_party("hospital")
KEY = PARTY.document.signing_keys[0]
TYPE = "urn:cleanroom:receipt:v0"
STATEMENT = make_statement(
    subjects={"a": Digest.of(b"a")}, predicate_type=TYPE, predicate={"b": [1, "c"]}
)
ENVELOPE = sign_statement(STATEMENT, PARTY.broker_key)
RECEIVING = ReceivingKey.from_seed(derive("fuzz"))
KEY_FILE = plain_key_file(signing_key("fuzz"))
PROFILE = b'format = "cleanroom.profile.v0"\nname = "a"\n[signing]\nkind = "file"\npath = "/a"\n'
# One iteration too few, so that no slow derivation starts.
SEEDS = (
    b'{"cipher":{"name":"aes-256-gcm","nonce":"AAAAAAAAAAAAAAAA"},"ciphertext":"AAAA",'
    b'"format":"cleanroom.seeds.v0","kdf":{"iterations":2,"lanes":4,"memory_kib":65536,'
    b'"name":"argon2id","salt":"AAAAAAAAAAAAAAAAAAAAAA=="}}'
)

PARSERS = {
    "party": (parse_party, PARTY.document.raw),
    "key": (lambda data: SSHPublicKey.parse(data.decode("latin-1")), KEY.line().encode()),
    "blob": (SSHPublicKey.from_blob, KEY.blob),
    "key file": (lambda data: open_key_file(data, b"", what="key"), KEY_FILE),
    "key header": (lambda data: read_key_header(data, what="key"), KEY_FILE),
    "profile": (lambda data: parse_profile_file(data, name="a", home=None), PROFILE),
    "seeds": (lambda data: open_seeds(data, b"passphrase"), SEEDS),
    "address": (
        lambda data: validate_broker_address(data.decode("latin-1"), what="x"),
        b"https://broker.example:80/path",
    ),
    "public": (lambda data: validate_public(data, "key"), RECEIVING.public_bytes),
    "sealed": (
        lambda data: RECEIVING.open(data, info=b""),
        seal_to(RECEIVING.public_bytes, b"x", info=b""),
    ),
    "sshsig": (
        lambda data: sshsig.verify(data, b"", namespace="cleanroom.party.v0", what="x"),
        PARTY.document_signature,
    ),
    "signature": (
        lambda data: KEY.verify(data, b"", what="x"),
        PARTY.unlocked.signer.sign(b"message"),
    ),
    "envelope": (
        lambda data: verify_envelope(
            parse_envelope(data, what="x", limit=9999), PARTY.document.broker_key, what="x"
        ),
        canonical_json(to_json(ENVELOPE)),
    ),
    "statement": (
        lambda data: parse_statement(data, predicate_type=TYPE, what="x"),
        STATEMENT,
    ),
}


@st.composite
def damaged(draw, good):
    """Good bytes with a few pieces exchanged, cut out or repeated."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        data[start:end] = draw(st.binary(max_size=12) | st.just(bytes(data[start:end] * 2)))
    return bytes(data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_parser_answers_with_data_or_with_one_of_our_errors(name, data):
    parser, good = PARSERS[name]
    given_bytes = data.draw(st.binary(max_size=200) | damaged(good))
    with suppress(CleanroomError):
        parser(given_bytes)


@pytest.mark.parametrize("name", PARSERS)
def test_nothing_and_far_too_much_are_refused(name):
    parser, good = PARSERS[name]
    for hostile in (b"", good[:1], good * 3000):
        with pytest.raises(CleanroomError):
            parser(hostile)
