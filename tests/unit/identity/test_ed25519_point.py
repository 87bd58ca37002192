# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.identity.ed25519_point import validate_ed25519
from tests.support.keys import signer

P = 2**255 - 19

# The points of order 1, 2, 4 and 8, as RFC 8032 encodes them (also published as the
# refusal list of libsodium).
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@settings(max_examples=25)
@given(st.text(max_size=8))
def test_every_generated_key_is_accepted(label):
    validate_ed25519(signer(label).public_key.raw, what="key")


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_a_point_of_small_order_is_refused(encoded):
    with pytest.raises(MalformedError, match="^key: a point of small order$") as refusal:
        validate_ed25519(bytes.fromhex(encoded), what="key")
    assert refusal.value.code == "key.small-order"


def test_the_attack_that_small_order_points_allow_is_real():
    # With the neutral element as the key, this one signature holds for every message.
    neutral = bytes.fromhex(SMALL_ORDER[0])
    forged = neutral + bytes(32)
    for message in (b"I agree", b"I never agreed"):
        try:
            Ed25519PublicKey.from_public_bytes(neutral).verify(forged, message)
        except InvalidSignature:  # pragma: no cover - a library that refuses it by itself
            pytest.skip("the cryptographic library refuses the point by itself")


@pytest.mark.parametrize(
    "number",
    [P, P + 1, P + 3, 2**255 - 1, 2, 1 + 2**255, P - 1 + 2**255],
    ids=["p", "p+1", "p+3", "top", "off-curve", "minus-zero", "minus-zero-2"],
)
def test_an_encoding_that_is_no_point_is_refused(number):
    with pytest.raises(MalformedError, match="^key: not a point of the curve$"):
        validate_ed25519(number.to_bytes(32, "little"), what="key")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_another_length_is_refused(length):
    with pytest.raises(MalformedError, match="^key: not 32 bytes$"):
        validate_ed25519(bytes(length), what="key")
