# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.certificates import (
    MAX_CERTIFICATE_BYTES,
    MAX_CHAIN,
    fingerprint,
    forget_issued,
    is_one_of,
    key_digest,
    load_certificate,
    load_pem_certificates,
    pem_to_der,
    verify_chain,
)
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.test_pki import (
    AT,
    NOT_AFTER,
    NOT_BEFORE,
    ec_key,
    issue,
    make_root,
    rsa_key,
)

SECOND = dt.timedelta(seconds=1)
ROOT = make_root("root")
MIDDLE = issue("middle", issuer=ROOT, ca=True)
LEAF = issue("leaf", issuer=MIDDLE)
USAGE = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


def verify(*chain, pin=ROOT.pin, at=AT):
    certificates = [item.certificate for item in chain]
    verify_chain(certificates, pin=pin, at=at, what="chain")


def test_a_chain_to_the_pinned_root_passes():
    verify(LEAF, MIDDLE, ROOT)
    verify(ROOT)


def test_rsa_pss_chains_pass_as_well():
    root = make_root("rsa root", key=rsa_key("root"))
    verify(issue("leaf", issuer=root), root, pin=root.pin)


def test_the_same_names_give_the_same_bytes():
    assert issue("leaf", issuer=MIDDLE).der == LEAF.der
    assert (
        make_root("rsa root", key=rsa_key("root")).der
        == make_root("rsa root", key=rsa_key("root")).der
    )


def test_a_supplied_root_is_data_not_trust():
    other = make_root("root", key=ec_key("another"))
    with pytest.raises(IntegrityError, match="^chain root:") as refused:
        verify(issue("leaf", issuer=other), other)
    assert refused.value.code == "digest.mismatch"


def test_a_signature_of_somebody_else_with_the_same_name_is_refused():
    forger = issue("middle", issuer=ROOT, ca=True, key=ec_key("forger"))
    with pytest.raises(IntegrityError, match="^chain:") as refused:
        verify(issue("leaf", issuer=forger), MIDDLE, ROOT)
    assert refused.value.code == "attestation.certificate-signature"


def test_a_chain_in_another_order_is_refused():
    with pytest.raises((IntegrityError, EvidenceRefusedError)):
        verify(MIDDLE, LEAF, ROOT)


def test_an_issuer_of_another_name_is_refused():
    renamed = issue("renamed", issuer=ROOT, ca=True, key=ec_key("middle"))
    with pytest.raises(IntegrityError, match="^chain:"):
        verify(LEAF, renamed, ROOT)


@pytest.mark.parametrize("at", [NOT_BEFORE - SECOND, NOT_AFTER + SECOND])
def test_a_chain_out_of_its_time_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^chain: judged at") as refused:
        verify(LEAF, MIDDLE, ROOT, at=at)
    assert refused.value.code == "attestation.certificate-time"


@pytest.mark.parametrize("at", [NOT_BEFORE, NOT_AFTER])
def test_a_chain_counts_up_to_the_ends_of_its_time(at):
    verify(LEAF, MIDDLE, ROOT, at=at)


def test_one_expired_certificate_is_enough():
    old = issue("middle", issuer=ROOT, ca=True, not_after=AT - SECOND)
    with pytest.raises(EvidenceRefusedError, match="^chain: judged at"):
        verify(LEAF, old, ROOT)


@pytest.mark.parametrize(
    "issuer",
    [
        issue("no ca", issuer=ROOT),
        issue(
            "no signing",
            issuer=ROOT,
            ca=True,
            extensions=[(x509.KeyUsage(**USAGE, key_cert_sign=False), True)],
        ),
    ],
)
def test_a_leaf_signs_no_other_leaf(issuer):
    with pytest.raises(EvidenceRefusedError, match="^chain: found an issuer that") as refused:
        verify(issue("leaf", issuer=issuer), issuer, ROOT)
    assert refused.value.code == "attestation.certificate-authority"


def test_a_certificate_without_basic_constraints_signs_nothing():
    key = ec_key("bare")
    builder = x509.CertificateBuilder().subject_name(MIDDLE.certificate.subject)
    bare = (
        builder.issuer_name(ROOT.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .sign(ROOT.key, ROOT.certificate.signature_hash_algorithm)
    )
    leaf = issue("leaf", issuer=MIDDLE)
    with pytest.raises(EvidenceRefusedError, match="^chain: found an issuer that"):
        verify_chain([leaf.certificate, bare, ROOT.certificate], pin=ROOT.pin, at=AT, what="chain")


def test_a_signing_key_usage_is_accepted():
    usage = x509.KeyUsage(**USAGE, key_cert_sign=True)
    issuer = issue("signing", issuer=ROOT, ca=True, extensions=[(usage, True)])
    verify(issue("leaf", issuer=issuer), issuer, ROOT)


def test_a_path_longer_than_its_root_allows_is_refused():
    root = make_root("short root", path_length=0)
    middle = issue("middle", issuer=root, ca=True)
    verify(issue("leaf", issuer=root), root, pin=root.pin)
    with pytest.raises(EvidenceRefusedError, match="^chain: found an issuer that"):
        verify(issue("leaf", issuer=middle), middle, root, pin=root.pin)


@pytest.mark.parametrize("chain", [[], [ROOT] * (MAX_CHAIN + 1)])
def test_a_chain_is_neither_empty_nor_endless(chain):
    with pytest.raises(MalformedError, match="^chain: found"):
        verify(*chain)


def test_a_signature_that_held_before_excuses_no_other_byte():
    verify(LEAF, MIDDLE, ROOT)
    verify(LEAF, MIDDLE, ROOT)
    flipped = load_certificate(LEAF.der[:-1] + bytes([LEAF.der[-1] ^ 1]), what="leaf")
    namesake = issue("middle", issuer=ROOT, ca=True, key=ec_key("another middle"))
    for child, issuer in ((flipped, MIDDLE.certificate), (LEAF.certificate, namesake.certificate)):
        with pytest.raises(IntegrityError, match="did not sign"):
            verify_chain((child, issuer, ROOT.certificate), pin=ROOT.pin, at=AT, what="chain")


def test_what_held_before_is_judged_by_its_time_and_permissions_again():
    verify(LEAF, MIDDLE, ROOT)
    with pytest.raises(EvidenceRefusedError, match="^chain: judged at"):
        verify(LEAF, MIDDLE, ROOT, at=NOT_AFTER + SECOND)
    with pytest.raises(IntegrityError, match="root"):
        verify(LEAF, MIDDLE, ROOT, pin=LEAF.pin)


def test_a_pair_known_from_code_is_signed_and_nothing_else_is_settled_by_it():
    # Nobody signed this pair; only the list of the code can say that it holds.
    other = issue("leaf", issuer=make_root("middle", key=ec_key("another")))
    chain = [item.certificate for item in (other, MIDDLE, ROOT)]
    known = frozenset({(other.pin, MIDDLE.pin)})
    verify_chain(chain, pin=ROOT.pin, at=AT, what="chain", issued=known)
    for pairs in ({(other.pin, ROOT.pin)}, {(MIDDLE.pin, other.pin)}, {(LEAF.pin, MIDDLE.pin)}):
        with pytest.raises(IntegrityError, match="did not sign"):
            verify_chain(chain, pin=ROOT.pin, at=AT, what="chain", issued=pairs)
    with pytest.raises(EvidenceRefusedError, match="^chain: judged at"):
        verify_chain(chain, pin=ROOT.pin, at=NOT_AFTER + SECOND, what="chain", issued=known)
    below, pairs = [item.certificate for item in (LEAF, LEAF, ROOT)], {(LEAF.pin, LEAF.pin)}
    with pytest.raises(EvidenceRefusedError, match="may not sign"):
        verify_chain(below, pin=ROOT.pin, at=AT, what="chain", issued=pairs)


def test_forgetting_makes_every_signature_count_again():
    verify(LEAF, MIDDLE, ROOT)
    forget_issued()
    verify(LEAF, MIDDLE, ROOT)


def test_certificates_are_read_from_der_and_pem():
    assert fingerprint(load_certificate(ROOT.der, what="root")) == ROOT.pin
    loaded = load_pem_certificates(LEAF.pem + b"text\n" + ROOT.pem, what="chain")
    assert [fingerprint(item) for item in loaded] == [LEAF.pin, ROOT.pin]
    assert pem_to_der(ROOT.pem, what="root") == ROOT.der
    assert isinstance(key_digest(loaded[0]), Digest)


@pytest.mark.parametrize(
    "der", [b"", b"0", ROOT.der[:-1], ROOT.der + b"\0", b"0" * (MAX_CERTIFICATE_BYTES + 1)]
)
def test_what_is_no_certificate_is_malformed(der):
    with pytest.raises(MalformedError, match="^root:"):
        load_certificate(der, what="root")


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        ROOT.pem * (MAX_CHAIN + 1),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ],
)
def test_a_pem_file_without_certificates_is_malformed(pem):
    with pytest.raises(MalformedError, match="^chain:"):
        load_pem_certificates(pem, what="chain")


def test_a_signature_has_all_its_bits():
    # The count of unused bits stands outside of what is signed.
    value = LEAF.certificate.signature
    at = LEAF.der.index(value) - 1
    assert LEAF.der[at] == 0
    for bits in (1, 2, 8):
        other = LEAF.der[:at] + bytes([bits]) + LEAF.der[at + 1 :]
        with pytest.raises(MalformedError, match="leaf: (has a signature that|not an X.509)"):
            load_certificate(other, what="leaf")


def test_a_certificate_with_serial_number_zero_loads_without_a_warning():
    # AMD's VCEKs have it; a later version of the library could refuse them.
    der = bytearray(issue("vcek", issuer=ROOT, serial=1).der)
    at = der.index(b"\x02\x01\x01\x30")
    der[at + 2] = 0
    assert fingerprint(load_certificate(bytes(der), what="vcek")) == Digest.of(bytes(der))


def test_a_key_of_an_unknown_kind_is_malformed():
    leaf = issue("odd", issuer=ROOT, key=ec_key("odd", ec.SECP256R1))
    curve = bytes.fromhex("06082a8648ce3d030107")
    der = leaf.der.replace(curve, curve[:-1] + b"\x70")
    with pytest.raises(MalformedError, match="^certificate:"):
        key_digest(load_certificate(der, what="odd"))


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        # Version 66, and a country name that is a bit string.
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42"),
        (b"\x06\x03\x55\x04\x0a\x0c", b"\x06\x03\x55\x04\x0a\x03"),
    ],
)
def test_what_the_library_reads_in_no_way_is_a_malformed_certificate(found, changed):
    encoded = make_root("odd root").der
    assert found in encoded
    with pytest.raises(MalformedError, match="^thing: not an X.509 certificate"):
        load_certificate(encoded.replace(found, changed), what="thing")


def test_an_alternative_name_of_a_kind_that_nobody_reads_is_a_malformed_certificate():
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    encoded = issue("named", issuer=ROOT, extensions=[(names, False)]).der
    # Its tag becomes that of an X.400 address.
    changed = encoded.replace(b"\x82\x09a.example", b"\xa3\x09a.example")
    assert changed != encoded
    with pytest.raises(MalformedError, match="^thing: not an X.509 certificate"):
        load_certificate(changed, what="thing")


def test_a_name_of_odd_length_is_read_without_a_word():
    encoded = make_root("odd root").der
    # The organisation becomes a country, whose name has two letters.
    changed = encoded.replace(b"\x06\x03\x55\x04\x0a", b"\x06\x03\x55\x04\x06")
    assert load_certificate(changed, what="thing").subject


def test_a_pinned_certificate_may_stand_beside_evidence_and_nothing_else():
    pins = frozenset({ROOT.pin})
    for form in (ROOT.der, ROOT.pem, b"text\n" + ROOT.pem):
        assert is_one_of(form, pins)
    broken = ROOT.pem.replace(b"-----END", b"AAA\n-----END")
    for other in (LEAF.pem, LEAF.der, ROOT.pem + LEAF.pem, ROOT.pem + ROOT.pem, b"", broken):
        assert not is_one_of(other, pins)
