# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm.credential import make_credential
from cleanroom.attestation.platforms.tpm.public import Attributes, parse_public
from cleanroom.errors import EvidenceRefusedError
from tests.support.tpm_fake import RefusedError, ek_public, open_credential
from tests.support.tpm_forge import AK, RSA_AK, ecc_private, public_area, rsa_private

EK_ATTRIBUTES = 0x000300B2
AES128 = b"\x00\x06\x00\x80\x00\x43"
NAME = parse_public(AK.public).name


def credential(name=NAME, endorsement=None):
    return make_credential(
        b"s" * 32,
        endorsement=parse_public(endorsement or ek_public()),
        name=name,
        seed=b"e" * 32,
    )


def test_the_secret_opens_for_the_key_that_it_was_made_for():
    made = credential()
    assert open_credential(made.blob, made.secret, public=AK.public) == b"s" * 32


def test_the_secret_opens_for_no_other_key():
    made = credential()
    with pytest.raises(RefusedError):
        open_credential(made.blob, made.secret, public=RSA_AK.public)


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": EK_ATTRIBUTES & ~Attributes.RESTRICTED},
        {"attributes": EK_ATTRIBUTES & ~Attributes.DECRYPT},
        {"attributes": EK_ATTRIBUTES | Attributes.SIGN},
        {"attributes": EK_ATTRIBUTES & ~Attributes.FIXED_TPM},
        {"symmetric": b"\x00\x10"},
        {"symmetric": b"\x00\x06\x01\x00\x00\x43"},
        {"name_hash": b"\x00\x0c"},
    ],
)
def test_a_key_that_opens_secrets_for_anybody_is_no_endorsement_key(changes):
    public = public_area(
        rsa_private().public_key(),
        **({"attributes": EK_ATTRIBUTES, "symmetric": AES128} | changes),
    )
    with pytest.raises(EvidenceRefusedError, match="^TPM endorsement key:") as caught:
        credential(endorsement=public)
    assert caught.value.code == "tpm.endorsement-key"


def test_an_elliptic_endorsement_key_is_not_supported():
    public = public_area(ecc_private().public_key(), attributes=EK_ATTRIBUTES, symmetric=AES128)
    with pytest.raises(EvidenceRefusedError, match="^TPM endorsement key:"):
        credential(endorsement=public)
