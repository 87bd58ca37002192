# SPDX-License-Identifier: Apache-2.0
"""Real Nitro documents, and what real tokens say, as far as their keys are public."""

import base64
import datetime as dt
import json

import pytest

from cleanroom.attestation.platforms import confidential_space, maa, nitro
from cleanroom.attestation.platforms.confidential_space import parse as cs_parse
from cleanroom.attestation.platforms.maa import parse as maa_parse
from cleanroom.attestation.tokens.jws import parse_token
from cleanroom.attestation.tokens.keys import parse_key_set, trust_key_set
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from tests.support.shared_vectors import shared_vector

(NITRO,), (MAA,), (CS,) = nitro.KINDS, maa.KINDS, confidential_space.KINDS
DOCUMENTS = {
    "evervault_valid.cose": dt.datetime(2022, 10, 13, 8, 58, 2, tzinfo=dt.UTC),
    "evervault_ga.b64": dt.datetime(2023, 9, 18, 15, 3, 30, tzinfo=dt.UTC),
}


@pytest.mark.parametrize(("name", "at"), DOCUMENTS.items())
def test_every_real_document_verifies_at_its_time(name, at):
    item = NITRO.intake(shared_vector("nitro", name), [])
    claims = NITRO.verifier.verify(item, at=at)
    assert claims.issued_at == at
    assert claims.debug is (name == "evervault_ga.b64")
    for moment in (at + dt.timedelta(hours=4), at - dt.timedelta(hours=4)):
        with pytest.raises(EvidenceRefusedError, match="judged at"):
            NITRO.verifier.verify(item, at=moment)


@pytest.mark.parametrize(
    ("name", "debug"),
    [
        ("confidential_space_claims_example.json", False),
        ("confidential_space_debug_claims_example.json", True),
    ],
)
def test_real_claims_of_confidential_space_are_read(name, debug):
    claims = json.loads(shared_vector("gcp", name))
    found = cs_parse.read_claims(claims, issuer=claims["iss"])
    assert found.debug is debug
    assert found.facts.image.hex.startswith("313b8a83")
    assert found.nonces[0].startswith("24d7de62")


def test_googles_root_is_the_pinned_one():
    pem = shared_vector("gcp", "confidential_space_root.pem")
    assert CS.intake(b"eyJ.e30.AA", [pem]).collateral == {}


def test_real_claims_of_azure_are_read():
    claims = json.loads(shared_vector("maa", "cvm_token_payload_example.json"))
    found = maa_parse.read_claims(claims, issuer=claims["iss"])
    assert found.facts.vm_id == "2dedc52a-6832-46ce-9910-e8c9980bf5a7"
    assert found.facts.hardware.id_key.hex().startswith("cd7cee16")
    assert not found.debug


def test_a_real_token_of_azure_is_read_and_not_believed_without_its_key():
    raw = shared_vector("maa", "sev_snp_jwt.txt")
    token = parse_token(raw.strip(), what="token")
    found = maa_parse.read_claims(json.loads(token.payload), issuer="")
    assert found.facts.hardware.tcb == {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}
    # Another instance's real keys: vouched for, and not those that signed this.
    keys = shared_vector("maa", "maa_certs_response.json")
    at = dt.datetime(2025, 4, 8, 5, 0, tzinfo=dt.UTC)
    issuer = "https://sharedweu.weu.test.attest.azure.net"
    verifier = MAA.verifier.trusting(trust_key_set(keys, issuer=issuer, fetched_at=at))
    with pytest.raises(IntegrityError) as refused:
        verifier.verify(MAA.intake(raw, [keys]), at=at)
    assert refused.value.code == "token.key"
    assert MAA.collateral_requests(MAA.intake(raw, []))[0].url == f"{issuer}/certs"


def test_a_real_token_about_an_enclave_is_no_token_about_a_machine():
    decoder = json.JSONDecoder()
    text = shared_vector("maa", "sgx_token_decoded.json").decode()
    _, end = decoder.raw_decode(text)
    claims, _ = decoder.raw_decode(text[end:].lstrip())
    with pytest.raises(EvidenceRefusedError) as refused:
        maa_parse.read_claims({"x-ms-attestation-type": claims["tee"]}, issuer="")
    assert refused.value.code == "maa.tee"


def test_a_real_key_set_leaves_out_a_key_that_is_too_short():
    keys = parse_key_set(shared_vector("maa", "maa_certs_response.json"))
    assert len(keys) == 4
    assert all(key.key_size == 2048 for key in keys.values())


def test_a_real_document_is_recognised_in_every_form():
    raw = shared_vector("nitro", "evervault_valid.cose")
    for form in (raw, base64.b64encode(raw), raw.hex().encode()):
        assert NITRO.recognises(form)
