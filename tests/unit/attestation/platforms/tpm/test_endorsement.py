# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.endorsement import enrol, spki_digest
from cleanroom.errors import EvidenceRefusedError, IntegrityError, UnavailableError
from tests.support.test_pki import AT
from tests.support.tpm_evidence import ROOT, certificates
from tests.support.tpm_fake import FakeTpm, ek_public
from tests.support.tpm_forge import AK, AK_ATTRIBUTES, RSA_AK, ForgedKey, ecc_private, rsa_private

CHAIN = certificates(rsa_private())


def enrolled(fake=None, **changes):
    tpm = Tpm(fake or FakeTpm())
    with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
        arguments = {
            "attestation": key.public,
            "endorsement": endorsement.public,
            "chain": CHAIN,
            "roots": (ROOT.pin,),
            "at": AT,
            "activate": lambda credential: tpm.activate(
                key=key, endorsement=endorsement, credential=credential
            ),
            "random": lambda count: b"r" * count,
        }
        return enrol(**(arguments | changes))


def test_a_key_in_a_certified_tpm_is_enrolled_by_its_public_key():
    assert enrolled() == spki_digest(AK.private.public_key())


def test_a_key_that_is_not_in_that_tpm_is_refused():
    with pytest.raises(UnavailableError, match="^TPM: ACTIVATE_CREDENTIAL"):
        enrolled(attestation=ForgedKey(private=ecc_private(5)).public)


def test_a_key_with_other_attributes_has_another_name_and_is_not_opened():
    with pytest.raises(UnavailableError, match="^TPM: ACTIVATE_CREDENTIAL"):
        enrolled(
            FakeTpm(ak=ForgedKey(attributes=AK_ATTRIBUTES & ~(1 << 16))), attestation=AK.public
        )


def test_an_unrestricted_key_is_refused_before_anything_is_asked():
    with pytest.raises(EvidenceRefusedError, match="^TPM attestation key:"):
        enrolled(attestation=ForgedKey(attributes=AK_ATTRIBUTES & ~(1 << 16)).public, activate=None)


def test_an_endorsement_key_that_no_maker_certified_is_refused_before_anything_is_asked():
    for changes, code in (
        ({"roots": ()}, "tpm.root"),
        ({"chain": certificates(ecc_private(3))}, "tpm.certificate"),
    ):
        with pytest.raises(IntegrityError, match="^TPM endorsement certificate") as caught:
            enrolled(activate=None, **changes)
        assert caught.value.code == code


def test_an_answer_that_is_not_the_secret_is_refused():
    for answer in (b"", b"r" * 31, b"s" * 32):
        with pytest.raises(IntegrityError, match="^TPM: the credential was not opened"):
            enrolled(activate=lambda _, answer=answer: answer)


def test_a_signing_key_is_no_endorsement_key():
    with pytest.raises(EvidenceRefusedError, match="^TPM endorsement key:"):
        enrolled(endorsement=RSA_AK.public, activate=None)
    assert ek_public() != RSA_AK.public
