# SPDX-License-Identifier: Apache-2.0
import hashlib
import json

import pytest

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.fields import base64url_field
from cleanroom.attestation.pem import pem_of
from cleanroom.attestation.platforms.maa import KINDS
from cleanroom.attestation.platforms.maa.collect import MaaCollector
from cleanroom.attestation.platforms.maa.verify import MaaVerifier
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.test_pki import AT
from tests.support.token_forge import (
    MAA_ISSUER,
    NONCE_TEXT,
    NOW,
    ec_set,
    maa_claims,
    rsa_set,
    sign_token,
    signing_ec,
    signing_rsa,
    vouch,
)

VERIFIER = MaaVerifier().trusting(vouch(rsa_set(), MAA_ISSUER))
BINDING = bytes(range(64))
(KIND,) = KINDS


def item_of(token, document=None):
    document = rsa_set() if document is None else document
    return EvidenceItem(platform="maa-jwt", report=token, collateral={"key-set": document})


def verify(claims=None, *, at=AT, verifier=VERIFIER, **header):
    token = sign_token(maa_claims() if claims is None else claims, signing_rsa(), **header)
    return verifier.verify(item_of(token), at=at)


def test_a_genuine_token_says_what_the_service_saw():
    claims = verify()
    (facts,) = claims.facts
    assert (facts.issuer, facts.tee, facts.secure_boot) == (MAA_ISSUER, "sevsnpvm", True)
    assert facts.vm_id == "2dedc52a-6832-46ce-9910-e8c9980bf5a7"
    assert facts.hardware.launch == b"\xab" * 48
    assert facts.hardware.tcb == {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}
    assert [item.found for item in claims.carried] == [NONCE_TEXT.encode()]
    assert not claims.debug


def test_the_verifier_declares_what_its_claims_carry():
    claims = verify()
    assert VERIFIER.platform == claims.platform == KIND.name
    assert VERIFIER.confidential is claims.confidential is True
    assert VERIFIER.carriers == {item.place: item.channel for item in claims.carried}
    assert VERIFIER.nonce_place in VERIFIER.carriers
    assert tuple(map(type, claims.facts)) == VERIFIER.facts


def test_a_token_of_the_direct_interface_has_its_claims_at_the_top():
    nested = maa_claims()
    claims = nested | nested.pop("x-ms-isolation-tee")
    for name in ("secureboot", "x-ms-azurevm-vmid", "x-ms-compliance-status", "x-ms-runtime"):
        claims.pop(name)
    (facts,) = verify(claims).facts
    assert (facts.vm_id, facts.compliance, facts.secure_boot) == ("", "", False)
    assert verify(claims).carried[0].found == b""


def test_nobody_is_believed_by_default():
    with pytest.raises(IntegrityError) as refused:
        verify(verifier=MaaVerifier())
    assert refused.value.code == "token.key-set"


def test_keys_that_the_attester_brings_are_not_believed():
    token = sign_token(maa_claims(), signing_ec())
    with pytest.raises(IntegrityError) as refused:
        VERIFIER.verify(item_of(token, ec_set()), at=AT)
    assert refused.value.code == "token.key-set"


def test_an_address_in_the_header_changes_nothing():
    assert verify(jku="https://evil.example/certs")


def test_one_services_key_does_not_speak_for_another():
    with pytest.raises(EvidenceRefusedError, match="agreed https://sharedtest") as refused:
        verify(maa_claims(iss="https://sharedother.weu.attest.azure.net"))
    assert refused.value.code == "token.issuer"


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"exp": NOW - 1}, "token.expired"), ({"nbf": NOW + 100}, "token.not-yet-valid")],
)
def test_a_token_out_of_its_time_is_refused(changes, code):
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(maa_claims(**changes))
    assert refused.value.code == code


DOMAIN = {
    "x-ms-attestation-type": "tdxvm",
    "x-ms-compliance-status": "azure-compliant-cvm",
    **{
        f"tdx_{name}": f"{number:02x}" * 48
        for number, name in enumerate(
            (
                "mrtd",
                "rtmr0",
                "rtmr1",
                "rtmr2",
                "rtmr3",
                "mrconfigid",
                "mrowner",
                "mrownerconfig",
                "mrseam",
                "mrsignerseam",
            )
        )
    },
    "tdx_td_attributes_debug": False,
    "attester_tcb_status": "UpToDate",
}


def about_a_domain(**changes):
    tee = {name: item for name, item in (DOMAIN | changes).items() if item is not None}
    return maa_claims(**{"x-ms-isolation-tee": tee})


def test_a_token_about_a_trust_domain_says_its_registers():
    claims = verify(about_a_domain())
    (facts,) = claims.facts
    assert (facts.tee, facts.secure_boot, claims.debug) == ("tdxvm", True, False)
    assert facts.hardware.mrtd == bytes(48)
    assert [register[0] for register in facts.hardware.rtmrs] == [1, 2, 3, 4]
    assert facts.hardware.tcb_status == "UpToDate"
    assert verify(about_a_domain(tdx_td_attributes_debug=True)).debug


@pytest.mark.parametrize("name", sorted(DOMAIN))
def test_no_claim_about_a_domain_may_be_missing(name):
    with pytest.raises(MalformedError, match=f"^maa token claim {name}: "):
        verify(about_a_domain(**{name: None}))


@pytest.mark.parametrize("kind", ["sgx", "azurevm"])
def test_a_token_about_another_machine_is_refused(kind):
    tee = maa_claims()["x-ms-isolation-tee"] | {"x-ms-attestation-type": kind}
    with pytest.raises(EvidenceRefusedError, match=f"found {kind}") as refused:
        verify(maa_claims(**{"x-ms-isolation-tee": tee}))
    assert refused.value.code == "maa.tee"


def test_a_nested_machine_must_be_in_an_azure_machine():
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(maa_claims(**{"x-ms-attestation-type": "sgx"}))
    assert refused.value.code == "maa.tee"


@pytest.mark.parametrize("name", ["bootdebug", "hypervisordebug", "kerneldebug"])
def test_any_debugger_is_debug_mode(name):
    claim = f"x-ms-azurevm-{name}-enabled"
    assert verify(maa_claims(**{claim: True})).debug
    assert not verify(maa_claims(**{claim: False})).debug
    with pytest.raises(MalformedError):
        verify(maa_claims(**{claim: "false"}))


def test_a_debuggable_guest_is_debug_mode():
    assert verify(maa_claims(**{"x-ms-sevsnpvm-is-debuggable": True})).debug


@pytest.mark.parametrize("name", sorted(maa_claims()["x-ms-isolation-tee"]))
def test_no_claim_may_be_missing(name):
    with pytest.raises(MalformedError, match=f"^maa token claim {name}: "):
        verify(
            maa_claims(
                **{
                    "x-ms-isolation-tee": {
                        key: item
                        for key, item in maa_claims()["x-ms-isolation-tee"].items()
                        if key != name
                    }
                }
            )
        )


@pytest.mark.parametrize(
    "runtime",
    [[], {"client-payload": []}, {"client-payload": {}}, {"client-payload": {"nonce": "!"}}],
)
def test_a_nonce_of_another_form_is_refused(runtime):
    with pytest.raises(MalformedError, match="^maa token"):
        verify(maa_claims(**{"x-ms-runtime": runtime}))


def test_a_token_that_was_asked_for_nothing_carries_nothing():
    assert verify(maa_claims(**{"x-ms-runtime": {"keys": []}})).carried[0].found == b""


class Service:
    """Azure's attestation service: checks the hash, and puts the runtime data into a token."""

    def __init__(self, answer=None):
        self.answer = answer
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        if request.method == "GET":
            return rsa_set()
        if self.answer is not None:
            return self.answer
        body = json.loads(request.body)
        report = json.loads(base64url_field(body["report"], what="report"))
        runtime = base64url_field(body["runtimeData"]["data"], what="runtime")
        data = base64url_field(report["SnpReport"], what="report")
        assert data == hashlib.sha256(runtime).digest() + bytes(32)
        self.chain = base64url_field(report["VcekCertChain"], what="chain")
        claims = maa_claims(**{"x-ms-runtime": json.loads(runtime)})
        return json.dumps({"token": sign_token(claims, signing_rsa()).decode()}).encode()


class Machine:
    """A processor that reports whatever it is asked to; the host hands out its certificate."""

    platform = "snp"

    def __init__(self, **collateral):
        self.collateral = collateral or {"vek": b"vek", "chain": b"chain"}

    def missing(self):
        return ()

    def collect(self, *, binding):
        return EvidenceItem(platform="snp", report=binding, collateral=self.collateral)


def collector(service, issuer=MAA_ISSUER, machine=None):
    return MaaCollector(issuer=issuer, transport=service, machine=machine or Machine())


def test_a_token_is_collected_over_the_binding():
    service = Service()
    item = collector(service).collect(binding=BINDING)
    assert collector(service).missing() == ()
    assert item.platform == collector(service).platform == "maa-jwt"
    claims = VERIFIER.verify(item, at=AT)
    assert claims.carried[0].found == expected_in(Channel.TOKEN, BINDING)
    assert [request.url.removeprefix(MAA_ISSUER) for request in service.asked] == [
        "/attest/SevSnpVm?api-version=2022-08-01",
        "/certs",
    ]


def test_the_machines_certificates_go_along_if_its_host_shows_them():
    service = Service()
    collector(service).collect(binding=BINDING)
    assert service.chain == pem_of(b"vek") + b"chain"
    collector(service, machine=Machine(other=b"")).collect(binding=BINDING)
    assert service.chain == b""


@pytest.mark.parametrize("suffix", ["net", "us", "cn"])
def test_services_of_every_azure_cloud_have_their_own_address(suffix):
    issuer = f"https://sharedugv.ugv.attest.azure.{suffix}"
    assert collector(Service(), issuer).missing() == ()


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example",
        "https://sharedugv.ugv.attest.azure.com",
        "http://sharedtest.weu.attest.azure.net",
        "https://sharedtest.weu.attest.azure.net.evil.example",
    ],
)
def test_an_address_of_another_form_is_not_asked(issuer):
    service = Service()
    assert "no address" in collector(service, issuer).missing()[0]
    with pytest.raises(MalformedError) as refused:
        collector(service, issuer).collect(binding=BINDING)
    assert refused.value.code == "maa.issuer"
    assert service.asked == []


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"token":1}', b'{"token":"a.b"}'])
def test_an_answer_without_a_token_is_malformed(answer):
    with pytest.raises(MalformedError, match="^maa "):
        collector(Service(answer)).collect(binding=BINDING)


def test_strangers_files_become_evidence():
    token = sign_token(maa_claims(), signing_rsa())
    for form in (token, token + b"\n", json.dumps({"token": token.decode()}).encode()):
        item = KIND.intake(form, [rsa_set()])
        assert item.report == token
        assert item.collateral == {"key-set": rsa_set()}
    assert KIND.intake(token, []).collateral == {}
    (request,) = KIND.collateral_requests(KIND.intake(token, []))
    assert (request.name, request.url) == ("key-set", f"{MAA_ISSUER}/certs")
    with pytest.raises(MalformedError, match="found 2 files"):
        KIND.intake(token, [b"", b""])
    with pytest.raises(MalformedError, match="an object without a token"):
        KIND.intake(b"{}", [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"eyJ.a.b",
        sign_token(maa_claims(iss="https://evil.example"), signing_rsa()),
        sign_token(maa_claims(iss=1), signing_rsa()),
        sign_token(b"[]", signing_rsa()),
        sign_token(b"{", signing_rsa()),
    ],
)
def test_other_tokens_are_not_recognised_and_ask_for_nothing(data):
    assert not KIND.recognises(data)
    assert KIND.collateral_requests(item_of(data)) == ()
    assert KIND.recognises(sign_token(maa_claims(), signing_rsa()))
