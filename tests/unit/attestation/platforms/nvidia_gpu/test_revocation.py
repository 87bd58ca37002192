# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from cleanroom.attestation.platforms.nvidia_gpu.revocation import (
    MAX_RESPONSE_BYTES,
    check_response,
)
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.nvidia_forge import device_chain, make_answer, make_responder, rim_chain
from tests.support.test_pki import AT, ec_key

CHAIN = device_chain()
SUBJECT, ISSUER, ROOT = CHAIN[1], CHAIN[2], CHAIN[-1]
CHAINS = [tuple(item.certificate for item in chain) for chain in (CHAIN, rim_chain())]
HOUR = dt.timedelta(hours=1)


def check(data, *, at=AT):
    return check_response(data, chains=CHAINS, at=at)


def test_a_good_answer_says_until_when():
    subject, fact = check(make_answer(SUBJECT, ISSUER))
    assert subject == SUBJECT.pin
    assert (fact.name, fact.issued_at, fact.expires_at) == ("ocsp", AT - HOUR, AT + HOUR)


@pytest.mark.parametrize("issuer", [ISSUER, CHAIN[3], ROOT])
def test_an_authority_above_may_let_somebody_answer(issuer):
    assert check(make_answer(SUBJECT, ISSUER, signer=make_responder(issuer)))


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("REVOKED", "key_compromise", "nvidia.certificate-revoked"),
        ("REVOKED", "certificate_hold", "nvidia.certificate-hold"),
        ("REVOKED", None, "nvidia.certificate-revoked"),
        ("UNKNOWN", None, "nvidia.certificate-unknown"),
    ],
)
def test_any_answer_but_good_is_a_refusal(status, reason, code):
    answer = make_answer(
        SUBJECT,
        ISSUER,
        status=ocsp.OCSPCertStatus[status],
        reason=x509.ReasonFlags[reason] if reason else None,
    )
    with pytest.raises(EvidenceRefusedError, match="agreed good") as refused:
        check(answer)
    assert refused.value.code == code


@pytest.mark.parametrize("at", [AT - HOUR - HOUR / 60, AT + HOUR + HOUR / 60])
def test_an_answer_out_of_its_time_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^nvidia ocsp: judged at") as refused:
        check(make_answer(SUBJECT, ISSUER), at=at)
    assert refused.value.code == "attestation.collateral-expired"


def test_an_answer_without_an_end_is_refused():
    with pytest.raises(EvidenceRefusedError, match="until never said"):
        check(make_answer(SUBJECT, ISSUER, next_update=None))


def test_an_answer_about_another_certificate_is_none():
    with pytest.raises(MalformedError, match="about none of the certificates"):
        check(make_answer(make_responder(ISSUER), ISSUER))


def test_one_serial_number_of_two_issuers_is_two_certificates():
    with pytest.raises(MalformedError, match="about none of the certificates"):
        check(make_answer(SUBJECT, ROOT))


def test_a_broken_hash_names_no_certificate():
    with pytest.raises(MalformedError, match="about none of the certificates"):
        check(make_answer(SUBJECT, ISSUER, algorithm=hashes.SHA1()))  # noqa: S303


def test_an_answer_signed_with_a_shorter_hash_is_refused():
    with pytest.raises(IntegrityError, match="no SHA-2") as refused:
        check(make_answer(SUBJECT, ISSUER, signed_with=hashes.SHA224()))
    assert refused.value.code == "attestation.certificate-algorithm"


def test_a_changed_answer_does_not_match():
    good = make_answer(SUBJECT, ISSUER)
    with pytest.raises(IntegrityError, match="^nvidia ocsp: the signature"):
        check(good[:-1] + bytes([good[-1] ^ 1]))


def test_a_strangers_answer_does_not_match():
    stranger = device_chain(root="own root")[2]
    with pytest.raises(IntegrityError, match="^nvidia ocsp: the signature"):
        check(make_answer(SUBJECT, ISSUER, signer=stranger, embed=False))


def test_a_certificate_that_is_not_for_answering_does_not_answer():
    for other in (make_responder(ISSUER, extensions=[]), device_chain()[0]):
        with pytest.raises(IntegrityError) as refused:
            check(make_answer(SUBJECT, ISSUER, signer=other))
        assert refused.value.code == "nvidia.ocsp-signer"


def test_a_purpose_of_another_kind_is_not_for_answering():
    usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    with pytest.raises(IntegrityError) as refused:
        check(
            make_answer(SUBJECT, ISSUER, signer=make_responder(ISSUER, extensions=[(usage, False)]))
        )
    assert refused.value.code == "nvidia.ocsp-signer"


def test_a_strangers_delegate_does_not_answer():
    stranger = device_chain(root="own root")[2]
    with pytest.raises(IntegrityError, match="did not sign"):
        check(make_answer(SUBJECT, ISSUER, signer=make_responder(stranger)))


def test_a_delegate_out_of_its_time_does_not_answer():
    old = make_responder(ISSUER, not_after=AT - HOUR)
    with pytest.raises(EvidenceRefusedError, match="^nvidia ocsp: judged at"):
        check(make_answer(SUBJECT, ISSUER, signer=old))


def test_a_delegate_on_another_curve_does_not_answer():
    other = make_responder(ISSUER, key=ec_key("p256", ec.SECP256R1))
    with pytest.raises(MalformedError, match="agreed an elliptic one on secp384r1"):
        check(make_answer(SUBJECT, ISSUER, signer=other))


@pytest.mark.parametrize("data", [b"", b"\x30\x00", bytes(MAX_RESPONSE_BYTES + 1), b"x" * 99])
def test_what_is_no_answer_is_malformed(data):
    with pytest.raises(MalformedError) as refused:
        check(data)
    assert refused.value.code == "nvidia.ocsp"


def test_an_unsuccessful_answer_is_none():
    failed = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(MalformedError) as refused:
        check(failed.public_bytes(Encoding.DER))
    assert refused.value.code == "nvidia.ocsp"
