# SPDX-License-Identifier: Apache-2.0
"""HPKE against public vectors and against a second implementation written here.

The library offers neither raw decapsulation nor fixed randomness, so the vectors are
run through this file's own reading of X-Wing section 5 and RFC 9180 section 5;
then that implementation and the product must open what the other sealed.
"""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.receiving import PUBLIC_BYTES, ReceivingKey, seal_to, validate_public
from tests.support.keys import derive

VECTORS = Path(__file__).parents[2] / "vectors" / "identity"
RAW = (Encoding.Raw, PublicFormat.Raw)
XWING_LABEL = b"\\.//^\\"
KEM_SUITE_AES = b"HPKE" + bytes.fromhex("647a00010002")

SECRET = ReceivingKey.from_seed(derive("receiver"))
INFO = b"cleanroom.test.v0\0context"
SEALED = seal_to(SECRET.public_bytes, b"data key", info=INFO)


def combine(lattice_secret, curve_secret, curve_text, curve_public):
    parts = (lattice_secret, curve_secret, curve_text, curve_public, XWING_LABEL)
    return hashlib.sha3_256(b"".join(parts)).digest()


def decapsulate(seed, encapsulated):
    expanded = hashlib.shake_256(seed).digest(96)
    lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    lattice_text, curve_text = encapsulated[:1088], encapsulated[1088:]
    shared = curve.exchange(X25519PublicKey.from_public_bytes(curve_text))
    public = curve.public_key().public_bytes(*RAW)
    return combine(lattice.decapsulate(lattice_text), shared, curve_text, public)


def encapsulate(public):
    lattice_secret, lattice_text = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    ephemeral = X25519PrivateKey.from_private_bytes(derive("ephemeral"))
    curve_text = ephemeral.public_key().public_bytes(*RAW)
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[1184:]))
    return combine(lattice_secret, shared, curve_text, public[1184:]), lattice_text + curve_text


def extract(salt, label, data, suite):
    hmac = hashes.Hash(hashes.SHA256())
    key = (salt or bytes(32)).ljust(64, b"\0")
    hmac.update(bytes(byte ^ 0x36 for byte in key) + b"HPKE-v1" + suite + label + data)
    outer = hashes.Hash(hashes.SHA256())
    outer.update(bytes(byte ^ 0x5C for byte in key) + hmac.finalize())
    return outer.finalize()


def expand(secret, label, data, *, length, suite):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + data
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(secret)


def key_schedule(shared, info, suite):
    context = (
        b"\0" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", info, suite)
    )
    secret = extract(shared, b"secret", b"", suite)
    key = expand(secret, b"key", context, length=32, suite=suite)
    return key, expand(secret, b"base_nonce", context, length=12, suite=suite)


@pytest.mark.parametrize("number", range(3))
def test_the_drafts_seeds_give_the_drafts_public_keys_and_secrets(number):
    vector = json.loads((VECTORS / "x-wing.json").read_text())["vectors"][number]
    seed, public = bytes.fromhex(vector["sk"]), bytes.fromhex(vector["pk"])
    assert ReceivingKey.from_seed(seed).public_bytes == public
    assert decapsulate(seed, bytes.fromhex(vector["ct"])).hex() == vector["ss"]


def test_the_second_implementation_agrees_with_the_hpke_drafts_key_schedule():
    vector = json.loads((VECTORS / "hpke-x-wing.json").read_text())["vector"]
    seed, suite = bytes.fromhex(vector["skRm"]), b"HPKE" + bytes.fromhex("647a00010003")
    shared = decapsulate(seed, bytes.fromhex(vector["enc"]))
    assert shared.hex() == vector["shared_secret"]
    key, nonce = key_schedule(shared, bytes.fromhex(vector["info"]), suite)
    assert (key.hex(), nonce.hex()) == (vector["key"], vector["base_nonce"])
    assert ReceivingKey.from_seed(seed).public_bytes.hex() == vector["pkRm"]


def test_the_second_implementation_opens_what_the_product_seals():
    key, nonce = key_schedule(decapsulate(derive("receiver"), SEALED[:1120]), INFO, KEM_SUITE_AES)
    assert AESGCM(key).decrypt(nonce, SEALED[1120:], b"") == b"data key"


def test_the_product_opens_what_the_second_implementation_seals():
    shared, encapsulated = encapsulate(SECRET.public_bytes)
    key, nonce = key_schedule(shared, INFO, KEM_SUITE_AES)
    sealed = encapsulated + AESGCM(key).encrypt(nonce, b"from elsewhere", b"")
    assert SECRET.open(sealed, info=INFO) == b"from elsewhere"


@settings(max_examples=20)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_what_was_sealed_opens_under_the_same_context(plaintext, info):
    sealed = seal_to(SECRET.public_bytes, plaintext, info=info)
    assert len(sealed) == len(plaintext) + 1136
    assert SECRET.open(sealed, info=info) == plaintext


def test_sealing_twice_gives_different_bytes():
    assert seal_to(SECRET.public_bytes, b"data key", info=INFO) != SEALED


@pytest.mark.parametrize("info", [b"", INFO[:-1], INFO + b"\0"])
def test_another_context_refuses(info):
    with pytest.raises(IntegrityError) as refusal:
        SECRET.open(SEALED, info=info)
    assert refusal.value.code == "identity.sealed"
    assert "data key" not in str(refusal.value)


def test_another_key_refuses():
    with pytest.raises(IntegrityError):
        ReceivingKey.from_seed(derive("other")).open(SEALED, info=INFO)


@pytest.mark.parametrize("at", [0, 1087, 1088, 1119, 1120, -1])
def test_a_flipped_byte_refuses(at):
    bad = bytearray(SEALED)
    bad[at] ^= 1
    with pytest.raises(IntegrityError):
        SECRET.open(bytes(bad), info=INFO)


@pytest.mark.parametrize("length", [0, 1, 1088, 1119, 1120, 1135, len(SEALED) - 1])
def test_a_cut_message_refuses(length):
    with pytest.raises(IntegrityError):
        SECRET.open(SEALED[:length], info=INFO)


def test_a_small_order_point_in_the_message_refuses():
    with pytest.raises(IntegrityError):
        SECRET.open(SEALED[:1088] + bytes(32) + SEALED[1120:], info=INFO)


GOOD = SECRET.public_bytes
PRIME = 2**255 - 19


@pytest.mark.parametrize(
    ("public", "found"),
    [
        (b"", "not 1216 bytes"),
        (GOOD[:-1], "not 1216 bytes"),
        (GOOD + b"\0", "not 1216 bytes"),
        (b"\xff" * 1184 + GOOD[1184:], "not an ML-KEM-768 key"),
        (GOOD[:1184] + bytes(32), "point of small order"),
        (GOOD[:1184] + (1).to_bytes(32, "little"), "point of small order"),
        (GOOD[:1184] + (PRIME - 1).to_bytes(32, "little"), "point of small order"),
        (GOOD[:1184] + PRIME.to_bytes(32, "little"), "not a canonical X25519 key"),
        (GOOD[:1184] + (2**255 + 9).to_bytes(32, "little"), "not a canonical X25519 key"),
    ],
)
def test_an_unusable_public_key_is_refused_before_anything_is_sealed(public, found):
    with pytest.raises(MalformedError, match=f"^receiving key of x: .*{found}"):
        validate_public(public, "receiving key of x")
    with pytest.raises(MalformedError):
        seal_to(public, b"data key", info=INFO)


def test_a_good_public_key_is_accepted():
    validate_public(GOOD, "receiving key")
    assert len(GOOD) == PUBLIC_BYTES


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(length):
    with pytest.raises(MalformedError):
        ReceivingKey.from_seed(bytes(length))


def test_showing_a_receiving_key_does_not_show_its_private_half():
    assert "key=" not in repr(SECRET)
