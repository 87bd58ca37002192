# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.public import (
    Attributes,
    parse_public,
    require_quote_key,
    rsa_key,
)
from cleanroom.errors import EvidenceRefusedError, MalformedError
from tests.support.tpm_forge import (
    AK,
    AK_ATTRIBUTES,
    NO_ALGORITHM,
    RSA_AK,
    ForgedKey,
    ecc_private,
    public_area,
    rsa_private,
)

ECC = ecc_private().public_key()
RSA = rsa_private().public_key()
AES128 = b"\x00\x06\x00\x80\x00\x43"


def refused(data, cause):
    with pytest.raises(MalformedError) as caught:
        parse_public(data)
    assert caught.value.code == f"tpm.{cause}"


@pytest.mark.parametrize("key", [AK, RSA_AK])
def test_every_field_of_a_public_area_is_read(key):
    public = parse_public(key.public)
    assert public.raw == key.public
    assert public.attributes == AK_ATTRIBUTES
    assert (public.scheme, public.scheme_hash) == (key.scheme, Hash.SHA256)
    assert (public.policy, public.symmetric) == (b"", 0)
    assert public.key == key.private.public_key()


def test_a_name_is_the_algorithm_and_the_digest_of_the_public_area():
    assert parse_public(AK.public).name == b"\x00\x0b" + Hash.SHA256.digest(AK.public)
    wide = public_area(ECC, name_hash=b"\x00\x0c")
    assert parse_public(wide).name == b"\x00\x0c" + Hash.SHA384.digest(wide)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_the_curves_of_the_platform_profile_are_read(curve):
    key = ecc_private(9, curve).public_key()
    assert parse_public(public_area(key)).key == key


def test_an_endorsement_key_has_a_policy_a_cipher_and_no_scheme():
    public = parse_public(public_area(RSA, symmetric=AES128, policy=bytes(32)))
    assert (public.symmetric, public.policy) == (128, bytes(32))
    assert public.scheme is None
    assert public.scheme_hash is None


@pytest.mark.parametrize("data", [AK.public, RSA_AK.public])
def test_a_public_area_cut_anywhere_or_longer_is_refused(data):
    for length in range(len(data)):
        refused(data[:length], "truncated")
    refused(data + b"\x00", "trailing")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x00\x08" + AK.public[2:], "key-type"),  # KEYEDHASH
        (public_area(ECC, name_hash=b"\x00\x04"), "hash"),
        (public_area(ECC, attributes=AK_ATTRIBUTES | 1), "attributes"),
        (public_area(ECC, attributes=AK_ATTRIBUTES | 1 << 31), "attributes"),
        (public_area(ECC, policy=bytes(65)), "oversize"),
        (public_area(ECC, symmetric=b"\x00\x06\x00\x80\x00\x42"), "symmetric"),
        (public_area(ECC, symmetric=b"\x00\x06\x00\x40\x00\x43"), "symmetric"),
        (public_area(ECC, symmetric=b"\x00\x0a\x00\x80\x00\x43"), "symmetric"),
        (public_area(ECC, scheme=b"\x00\x1a\x00\x0b"), "scheme"),  # ECDAA
        (public_area(ECC, scheme=b"\x00\x18\x00\x04"), "hash"),
        (AK.public.replace(b"\x00\x03\x00\x10", b"\x00\x10\x00\x10"), "curve"),  # BN_P256
        (AK.public.replace(b"\x00\x03\x00\x10", b"\x00\x03\x00\x20"), "curve"),
        (AK.public[:-1] + bytes([AK.public[-1] ^ 1]), "point"),
        (public_area(RSA).replace(b"\x08\x00\x00\x00\x00\x00", b"\x04\x00\x00\x00\x00\x00"), "rsa"),
        (public_area(RSA).replace(b"\x08\x00\x00\x00\x00\x00", b"\x0c\x00\x00\x00\x00\x00"), "rsa"),
        (public_area(RSA).replace(b"\x08\x00\x00\x00\x00\x00", b"\x08\x00\x00\x00\x00\x03"), "rsa"),
    ],
)
def test_a_public_area_that_is_wrong_in_one_field_is_refused_by_its_cause(data, cause):
    refused(data, cause)


def test_an_even_modulus_is_no_key():
    with pytest.raises(MalformedError, match="an even RSA modulus"):
        rsa_key(1 << 2047, exponent=65537, bits=2048)


@pytest.mark.parametrize("key", [AK, RSA_AK])
def test_a_restricted_signing_key_may_quote(key):
    found = require_quote_key(parse_public(key.public))
    assert found.key == key.private.public_key()
    assert (found.scheme, found.hash) == (key.scheme, key.hash)


@pytest.mark.parametrize(
    ("attributes", "subject"),
    [
        (AK_ATTRIBUTES & ~Attributes.RESTRICTED, "may sign foreign data"),
        (AK_ATTRIBUTES & ~Attributes.SIGN, "may sign foreign data"),
        (AK_ATTRIBUTES | Attributes.DECRYPT, "may sign foreign data"),
        (AK_ATTRIBUTES & ~Attributes.FIXED_TPM, "could live outside"),
        (AK_ATTRIBUTES & ~Attributes.FIXED_PARENT, "could live outside"),
        (AK_ATTRIBUTES & ~Attributes.SENSITIVE_DATA_ORIGIN, "could live outside"),
        (AK_ATTRIBUTES | Attributes.ENCRYPTED_DUPLICATION, "could live outside"),
    ],
)
def test_a_key_that_could_forge_a_quote_may_not_quote(attributes, subject):
    public = parse_public(ForgedKey(attributes=attributes).public)
    with pytest.raises(EvidenceRefusedError, match=f"^TPM attestation key: {subject}") as caught:
        require_quote_key(public)
    assert caught.value.code == "tpm.key-attributes"


def test_a_key_that_leaves_the_scheme_open_may_not_quote():
    public = parse_public(public_area(ECC, scheme=NO_ALGORITHM))
    with pytest.raises(EvidenceRefusedError, match="leaves the scheme open"):
        require_quote_key(public)


def test_every_scheme_is_named_by_its_tcg_number():
    assert [int(item) for item in Scheme] == [0x14, 0x16, 0x18]
