# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.certificates import load_certificate
from cleanroom.attestation.signers import (
    elliptic_key,
    find_extension,
    public_key,
    require_ecdsa,
    require_ordinary,
    require_rsa,
    require_signer,
    rsa_key,
    unknown_extensions,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support import test_pki as pki
from tests.support.nvidia_forge import SIGNING, extension
from tests.support.token_forge import raw_signature, signing_ec, signing_rsa

ROOT = pki.make_root("signers root")
LEAF = pki.issue("signers leaf", issuer=ROOT, extensions=[(SIGNING, True)])


def chain(**changes):
    leaf = pki.issue("leaf", issuer=ROOT, **changes)
    return leaf.certificate, ROOT.certificate


def test_a_leaf_that_signs_may_sign():
    require_signer((LEAF.certificate, ROOT.certificate), what="device")
    require_signer(chain(), what="device")


def test_a_leaf_that_may_only_agree_on_keys_may_not_sign():
    flags = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage = x509.KeyUsage(key_agreement=True, **flags)
    with pytest.raises(IntegrityError, match="may not sign evidence") as refused:
        require_signer(chain(extensions=[(usage, True)]), what="device")
    assert refused.value.code == "attestation.certificate-usage"


def test_an_authority_may_not_sign():
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        require_signer(chain(ca=True, extensions=[(SIGNING, True)]), what="device")


def test_a_certificate_with_a_shorter_hash_is_refused():
    with pytest.raises(IntegrityError, match="without SHA-2") as refused:
        require_signer(chain(hash_algorithm=hashes.SHA224()), what="device")
    assert refused.value.code == "attestation.certificate-hash"


def test_an_unknown_critical_extension_is_refused_unless_the_caller_reads_it():
    unknown = [(extension("1.2.3", b"\x05\x00"), True)]
    with pytest.raises(MalformedError, match="unknown critical extension 1.2.3"):
        require_signer(chain(extensions=unknown), what="device")
    require_signer(chain(extensions=unknown), what="device", critical=frozenset({"1.2.3"}))


def test_extensions_are_found_by_kind_and_by_name():
    leaf = chain(extensions=[(extension("1.2.3", b"\x05\x00"), False)])[0]
    assert unknown_extensions(leaf) == {"1.2.3": b"\x05\x00"}
    assert find_extension(leaf, x509.KeyUsage) is None
    assert find_extension(leaf, x509.BasicConstraints) == x509.BasicConstraints(False, None)  # noqa: FBT003


def test_keys_are_of_the_kind_that_the_format_allows():
    assert elliptic_key(LEAF.certificate, curve=ec.SECP384R1, what="device")
    with pytest.raises(MalformedError, match="agreed an elliptic one on secp256r1"):
        elliptic_key(LEAF.certificate, curve=ec.SECP256R1, what="device")
    with pytest.raises(MalformedError, match="agreed an RSA one"):
        rsa_key(LEAF.certificate, what="device")
    other = pki.issue("rsa", issuer=ROOT, key=signing_rsa())
    assert rsa_key(other.certificate, what="device").key_size == 2048
    with pytest.raises(MalformedError, match="agreed an elliptic one"):
        elliptic_key(other.certificate, curve=ec.SECP384R1, what="device")
    with pytest.raises(MalformedError, match="of 2048 to 4096 bits"):
        require_ordinary(pki.rsa_key("small", 1024).public_key(), what="device")


def test_a_key_on_a_curve_that_nobody_knows_is_malformed():
    der = LEAF.der.replace(bytes.fromhex("06052b81040022"), bytes.fromhex("06052b8104007f"))
    with pytest.raises(MalformedError, match="unknown algorithm"):
        public_key(load_certificate(der, what="device"), what="device")


def test_a_signature_algorithm_that_nobody_knows_is_malformed():
    known, unknown = (bytes.fromhex(f"06082a8648ce3d0403{last}") for last in ("03", "7f"))
    certificate = load_certificate(LEAF.der.replace(known, unknown), what="device")
    with pytest.raises(MalformedError, match="unknown algorithm"):
        require_signer((certificate, ROOT.certificate), what="device")


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1])
def test_an_elliptic_signature_is_checked_over_the_exact_bytes(curve):
    key = signing_ec(curve)
    algorithm = hashes.SHA384() if curve is ec.SECP384R1 else hashes.SHA256()
    good = raw_signature(b"signed", key)

    def check(signature=good, signed=b"signed"):
        require_ecdsa(
            key.public_key(), signature=signature, signed=signed, algorithm=algorithm, what="device"
        )

    check()
    half = len(good) // 2
    for wrong in (b"", good[:-1], good + b"\0", bytes(len(good)), good[half:] + good[:half]):
        with pytest.raises(IntegrityError, match="^device: the signature does not match"):
            check(wrong)
    with pytest.raises(IntegrityError):
        check(signed=b"signee")


def test_an_rsa_signature_is_checked_over_the_exact_bytes():
    key = signing_rsa()
    good = raw_signature(b"signed", key)

    def check(signature=good, signed=b"signed"):
        require_rsa(
            key.public_key(),
            signature=signature,
            signed=signed,
            algorithm=hashes.SHA256(),
            what="token",
        )

    check()
    for wrong in (b"", good[:-1], good + b"\0", bytes(256)):
        with pytest.raises(IntegrityError, match="^token: the signature does not match"):
            check(wrong)
    with pytest.raises(IntegrityError):
        check(signed=b"signee")
