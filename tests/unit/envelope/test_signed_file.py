# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.envelope.signed_file import SignedFile, signature_namespace, verify_file
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from tests.support.keys import sign_by, throwaway_party

HOSPITAL = throwaway_party("hospital")
INSURER = throwaway_party("insurer")
DATA = b'format = "cleanroom.contract.v0"\n'
FILE = sign_by(DATA, kind="contract", parties=(HOSPITAL, INSURER))


def verify(file, *, kind="contract", by=HOSPITAL):
    return verify_file(file, kind=kind, signer=by.document, what="contract.toml")


def test_each_signer_is_verified_by_its_own_key():
    for party in (HOSPITAL, INSURER):
        assert verify(FILE, by=party) == party.document.signing_keys[0]


def test_a_party_signs_its_own_document():
    key = verify_file(
        HOSPITAL.signed_document, kind="party", signer=HOSPITAL.document, what="party.toml"
    )
    assert key == HOSPITAL.document.signing_keys[0]


def test_a_missing_signature_is_refused_by_name():
    file = sign_by(DATA, kind="contract", parties=(INSURER,))
    with pytest.raises(
        RefusedError, match=r"^contract.toml: signature of hospital: missing$"
    ) as no:
        verify(file)
    assert no.value.code == "signature.missing"
    assert "ask hospital" in no.value.hint


def test_an_empty_signature_file_is_not_a_missing_one():
    with pytest.raises(MalformedError, match=r"^contract.toml: signature of hospital: "):
        verify(SignedFile(data=DATA, signatures={"hospital": b""}))


def test_another_partys_signature_under_this_name_is_refused():
    swapped = replace(FILE, signatures={"hospital": FILE.signatures["insurer"]})
    with pytest.raises(IntegrityError, match="signature of hospital: signed with a key"):
        verify(swapped)


def test_a_signature_for_another_kind_of_document_is_refused():
    with pytest.raises(IntegrityError, match="another purpose than cleanroom.approval.v0$"):
        verify(FILE, kind="approval")


def test_one_changed_byte_is_refused():
    with pytest.raises(IntegrityError, match="does not match the bytes"):
        verify(replace(FILE, data=DATA.replace(b"v0", b"v1")))


def test_a_partys_earlier_keys_no_longer_sign_for_it():
    renewed = throwaway_party("hospital", edition=2)
    with pytest.raises(IntegrityError, match="signed with a key that is not one of"):
        verify(FILE, by=renewed)


def test_every_kind_has_its_own_namespace():
    assert signature_namespace("contract") == "cleanroom.contract.v0"
