# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.revocation import load_crl, require_current, require_not_revoked
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.der_writer import identifier, integer, sequence, tlv, utc_time
from tests.support.test_pki import AT, ec_key, issue, make_crl, make_root

ROOT = make_root("revoking root")
LEAF = issue("revoked leaf", issuer=ROOT)
DAY = dt.timedelta(days=1)


def check(crl, *, issuer=ROOT, at=AT):
    serials = {"leaf": LEAF.certificate.serial_number}
    return require_not_revoked(
        load_crl(crl, what="list"), serials, issuer=issuer.certificate, at=at, what="list"
    )


def test_a_current_list_without_the_certificate_gives_its_dates():
    assert check(make_crl(ROOT, revoked=[5])) == (AT - DAY, AT + 30 * DAY)


def test_a_list_in_text_form_reads_alike():
    text = x509.load_der_x509_crl(make_crl(ROOT)).public_bytes(Encoding.PEM)
    assert check(text) == (AT - DAY, AT + 30 * DAY)


def test_a_certificate_on_the_list_is_refused_by_name():
    with pytest.raises(EvidenceRefusedError, match="^leaf: revoked"):
        check(make_crl(ROOT, revoked=[LEAF.certificate.serial_number]))


@pytest.mark.parametrize(
    ("at", "match"), [(AT - 2 * DAY, "valid from"), (AT + 31 * DAY, "valid until")]
)
def test_a_list_out_of_its_time_is_refused_by_its_date(at, match):
    with pytest.raises(EvidenceRefusedError, match=f"^list: judged at .*{match}"):
        check(make_crl(ROOT), at=at)


def test_the_first_and_last_second_count():
    for at in (AT - DAY, AT + 30 * DAY):
        check(make_crl(ROOT), at=at)
        require_current(at, at, at=at, what="list")


@pytest.mark.parametrize(
    "issuer",
    [
        make_root("another root"),
        make_root("revoking root", key=ec_key("another key")),
        make_root("revoking root", key=ec_key("another kind")),
    ],
)
def test_a_list_of_another_issuer_is_refused(issuer):
    with pytest.raises(IntegrityError, match="^list: not signed by its issuer"):
        check(make_crl(issuer))


def test_a_key_that_cannot_sign_lists_matches_none():
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415
        X25519PrivateKey,
    )

    key = X25519PrivateKey.from_private_bytes(b"x" * 32)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(ROOT.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + DAY)
        .sign(ROOT.key, SHA384())
    )
    with pytest.raises(IntegrityError, match="^list: not signed"):
        require_not_revoked(
            load_crl(make_crl(ROOT), what="list"), {}, issuer=certificate, at=AT, what="list"
        )


def test_a_list_without_an_end_is_refused():
    algorithm = sequence(identifier("1.2.840.10045.4.3.3"))
    name = ROOT.certificate.subject.public_bytes()
    signed = sequence(integer(1), algorithm, name, utc_time(AT))
    endless = sequence(signed, algorithm, tlv(0x03, b"\0signature"))
    with pytest.raises(MalformedError, match="^list: without a next update"):
        load_crl(endless, what="list")


def test_lists_of_another_form_are_refused():
    for data, match in (
        (b"x" * 300_000, "too long"),
        (b"\x30\x00", "not a revocation list"),
        (b"-----BEGIN X509 CRL-----\n", "not a revocation list"),
        (ROOT.der, "not a revocation list"),
        (make_crl(ROOT).replace(b"\x02\x01\x01", b"\x02\x01\x42", 1), "not a revocation list"),
    ):
        with pytest.raises(MalformedError, match=f"^list: {match}"):
            load_crl(data, what="list")
