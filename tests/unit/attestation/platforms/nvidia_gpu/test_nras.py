# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu import FOREIGN
from cleanroom.attestation.platforms.nvidia_gpu.nras import (
    MAX_DEVICES,
    NrasVerifier,
    parse_detached,
)
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.test_pki import AT
from tests.support.token_forge import (
    NONCE,
    NOW,
    NRAS_ISSUER,
    detached,
    device_claims,
    ec_set,
    rsa_set,
    sign_token,
    signing_ec,
    signing_rsa,
    vouch,
)

VERIFIER = NrasVerifier().trusting(vouch(ec_set(), NRAS_ISSUER))
(KIND, _) = FOREIGN


def verify(report=None, *, document=None, at=AT, verifier=VERIFIER):
    document = ec_set() if document is None else document
    item = EvidenceItem(
        platform="nras-eat",
        report=detached() if report is None else report,
        collateral={"key-set": document},
    )
    return verifier.verify(item, at=at)


def of_device(**changes):
    return detached({"GPU-0": device_claims(**changes)})


def test_a_genuine_token_says_what_the_service_found():
    claims = verify()
    (facts,) = claims.facts
    assert (facts.device, facts.model, facts.driver) == ("4711", "gh100 a01 gsp brom", "570.1")
    assert (facts.vbios, facts.secure_boot) == ("96.00.ab", True)
    assert [item.found for item in claims.carried] == [NONCE]
    assert not claims.debug


def test_the_verifier_declares_what_its_claims_carry():
    claims = verify()
    assert VERIFIER.platform == claims.platform == KIND.name
    assert VERIFIER.confidential is claims.confidential is False
    assert VERIFIER.carriers == {item.place: item.channel for item in claims.carried}
    assert VERIFIER.nonce_place in VERIFIER.carriers
    assert tuple(map(type, claims.facts)) == VERIFIER.facts


def test_several_devices_are_all_read():
    report = detached(
        {
            "GPU-0": device_claims(),
            "GPU-1": device_claims(ueid="4712", secboot=False),
            "SWITCH-0": device_claims(switch=True),
        }
    )
    (facts,) = verify(report).facts
    assert facts.device == "4711, 4712"
    assert facts.vbios == "96.00.ab, 96.10.55.00.01"
    assert facts.driver == "570.1"
    assert not facts.secure_boot


def test_a_switch_alone_has_no_driver():
    (facts,) = verify(detached({"SWITCH-0": device_claims(switch=True)})).facts
    assert (facts.driver, facts.vbios) == ("", "96.10.55.00.01")


def test_nobody_is_believed_by_default():
    with pytest.raises(IntegrityError) as refused:
        verify(verifier=NrasVerifier())
    assert refused.value.code == "token.key-set"


def test_keys_that_the_attester_brings_are_not_believed():
    with pytest.raises(IntegrityError) as refused:
        verify(detached(key=signing_rsa()), document=rsa_set())
    assert refused.value.code == "token.key-set"


def test_a_devices_token_may_not_be_exchanged():
    other = sign_token(device_claims(ueid="4713"), signing_ec()).decode()
    with pytest.raises(IntegrityError, match="not those that the overall") as refused:
        verify(detached(shown={"GPU-0": other}))
    assert refused.value.code == "nras.devices"


def test_a_device_may_not_be_added_or_left_out():
    other = sign_token(device_claims(ueid="4713"), signing_ec()).decode()
    left_out = json.loads(detached({"GPU-0": device_claims(), "GPU-1": device_claims()}))
    del left_out[1]["GPU-1"]
    for report in (detached(shown={"GPU-1": other}), json.dumps(left_out).encode()):
        with pytest.raises(IntegrityError) as refused:
            verify(report)
        assert refused.value.code == "nras.devices"


def test_a_devices_token_is_signed_by_itself():
    forged = sign_token(device_claims(), signing_rsa(), algorithm="ES384").decode()
    with pytest.raises(IntegrityError, match="the signature does not match"):
        verify(detached(shown={"GPU-0": forged}))


def test_the_services_word_about_the_nonce_is_not_asked_for():
    changes = {"eat_nonce": "00" * 32, "x-nvidia-gpu-attestation-report-nonce-match": True}
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(of_device(**changes))
    assert refused.value.code == "nras.nonce"


@pytest.mark.parametrize("nonce", [None, "", "00" * 31, "00" * 33, "zz" * 32])
def test_a_nonce_has_its_full_length(nonce):
    with pytest.raises(MalformedError):
        verify(detached(eat_nonce=nonce))


@pytest.mark.parametrize("result", ["fail", "not-run", "absent", ""])
def test_measurements_that_failed_are_refused(result):
    with pytest.raises(EvidenceRefusedError, match="agreed success") as refused:
        verify(of_device(measres=result))
    assert refused.value.code == "nras.result"


def test_an_overall_result_of_false_is_refused():
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(detached(**{"x-nvidia-overall-att-result": False}))
    assert refused.value.code == "nras.result"
    with pytest.raises(MalformedError):
        verify(detached(**{"x-nvidia-overall-att-result": "true"}))


@pytest.mark.parametrize("state", ["enabled", "disabled-since-boot", ""])
def test_anything_but_disabled_is_debug_mode(state):
    assert verify(of_device(dbgstat=state)).debug


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (detached(iss="https://nras.attestation-stg.nvidia.com"), "token.issuer"),
        (of_device(iss="https://evil.example"), "token.issuer"),
        (detached(exp=NOW), "token.expired"),
        (of_device(exp=NOW), "token.expired"),
        (of_device(nbf=NOW + 100), "token.not-yet-valid"),
    ],
)
def test_each_token_is_in_its_time_and_by_its_issuer(report, code):
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(report)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "name",
    [
        "measres",
        "dbgstat",
        "secboot",
        "hwmodel",
        "ueid",
        "x-nvidia-gpu-driver-version",
        "x-nvidia-gpu-vbios-version",
    ],
)
def test_no_claim_may_be_missing(name):
    with pytest.raises(MalformedError, match="^nras token"):
        verify(of_device(**{name: None}))


def test_submodules_must_be_named():
    with pytest.raises(MalformedError):
        verify(detached(submods=None))
    with pytest.raises(IntegrityError):
        verify(detached(submods={}))


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [["JWT", "x"]],
        ["JWT", {"GPU-0": "x"}],
        [["JWT"], {"GPU-0": "x"}],
        [["CWT", "x"], {"GPU-0": "x"}],
        [["JWT", 1], {"GPU-0": "x"}],
        [["JWT", "x"], {}],
        [["JWT", "x"], []],
        [["JWT", "x"], {"GPU-0": 1}],
        [["JWT", "x"], {"NIC-0": "x"}],
        [["JWT", "x"], {f"GPU-{number}": "x" for number in range(MAX_DEVICES + 1)}],
    ],
)
def test_another_structure_is_malformed(value):
    with pytest.raises(MalformedError, match="^nras token: found ") as refused:
        parse_detached(json.dumps(value).encode())
    assert refused.value.code == "nras.malformed"


def test_strangers_files_become_evidence():
    report = json.dumps(json.loads(detached()), indent=2).encode()
    assert KIND.recognises(report)
    assert not KIND.recognises(b"[]")
    assert KIND.intake(report, [ec_set()]).collateral == {"key-set": ec_set()}
    (request,) = KIND.collateral_requests(KIND.intake(report, []))
    assert request.url == f"{NRAS_ISSUER}/.well-known/jwks.json"
