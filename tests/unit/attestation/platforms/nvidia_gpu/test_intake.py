# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest
from cryptography.x509 import ocsp

from cleanroom.attestation.completing import complete
from cleanroom.attestation.platforms.nvidia_gpu import KINDS, intake
from cleanroom.errors import MalformedError
from tests.support.nvidia_forge import (
    all_answers,
    chain_pem,
    device_chain,
    driver_rim,
    make_item,
    make_report,
    make_verifier,
    opaque,
    rim_chain,
    vbios_rim,
)
from tests.support.test_pki import AT

GPU, SWITCH = KINDS
REPORT = make_report()
CHAIN = chain_pem(device_chain())


def as_json(*devices):
    return json.dumps(
        [
            {
                "arch": "HOPPER",
                "nonce": "00",
                "evidence": encode(report),
                "certificate": encode(chain),
            }
            for report, chain in devices
        ]
    ).encode()


def encode(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("form", [REPORT, REPORT.hex().encode(), encode(REPORT).encode() + b"\n"])
def test_a_report_may_be_raw_or_text(form):
    assert GPU.recognises(form)
    item = GPU.intake(form, [CHAIN])
    assert (item.platform, item.report, item.collateral) == ("nvidia-gpu", REPORT, {"chain": CHAIN})


def test_the_json_of_nvidias_tools_is_read():
    data = as_json((REPORT, CHAIN))
    assert GPU.recognises(data)
    item = SWITCH.intake(data, [])
    assert (item.platform, item.report, item.collateral) == (
        "nvidia-switch",
        REPORT,
        {"chain": CHAIN},
    )
    alone = json.dumps(json.loads(data)[0]).encode()
    assert GPU.intake(alone, []).report == REPORT


def test_the_request_of_nvidias_service_is_read_and_its_nonce_is_not():
    listed = json.loads(as_json((REPORT, CHAIN)))
    request = json.dumps({"nonce": "ff" * 32, "arch": "HOPPER", "evidence_list": listed}).encode()
    assert (GPU.recognises(request), SWITCH.recognises(request)) == (True, False)
    assert GPU.intake(request, []) == GPU.intake(json.dumps(listed).encode(), [])
    two = json.dumps({"evidence_list": listed * 2}).encode()
    with pytest.raises(MalformedError, match="^nvidia evidence: found 2 devices, agreed one"):
        GPU.intake(two, [])


@pytest.mark.parametrize(
    "data", [as_json(), as_json((b"", b""), (b"", b"")), b"[1]", b'{"evidence": 1}']
)
def test_json_of_no_single_device_is_refused(data):
    with pytest.raises(MalformedError, match="^nvidia evidence"):
        GPU.intake(data, [])


def test_files_are_sorted_by_what_they_are():
    answers = list(all_answers([device_chain(), rim_chain()]).values())
    service = json.dumps({"id": "x", "rim": encode(driver_rim())}).encode()
    files = [vbios_rim(), answers[0], service, *answers[1:], encode(CHAIN).encode()]
    item = GPU.intake(REPORT, files)
    assert item.collateral["driver-rim"] == driver_rim()
    assert item.collateral["vbios-rim"] == vbios_rim()
    assert item.collateral["chain"] == CHAIN
    claims = make_verifier().verify(item, at=AT)
    assert claims.facts[0].revocation == "checked"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([CHAIN, CHAIN + b"\n"], "found two of chain"),
        ([driver_rim(), driver_rim() + b"\n"], "found two of driver-rim"),
        ([b"what"], "neither chain, manifest nor OCSP answer"),
        ([b"{}"], "nvidia manifest"),
    ],
)
def test_files_that_cannot_be_placed_are_refused(files, found):
    with pytest.raises(MalformedError, match=found):
        GPU.intake(REPORT, files)


def test_what_is_missing_is_asked_for_at_nvidias_own_addresses():
    requests = {item.name: item for item in GPU.collateral_requests(make_item())}
    base = "https://rim.attestation.nvidia.com/v1/rim/"
    assert requests["driver-rim"].url == f"{base}NV_GPU_DRIVER_GH100_570.01.02"
    assert requests["vbios-rim"].url == f"{base}NV_GPU_VBIOS_1010_0200_882_9600AB0001"
    asked = ocsp.load_der_ocsp_request(requests["ocsp-0"].body)
    assert asked.serial_number == device_chain()[1].certificate.serial_number
    assert asked.hash_algorithm.name == "sha384"
    assert set(requests) == {"driver-rim", "vbios-rim", "ocsp-0", "ocsp-1", "ocsp-2"}


def test_whoever_signed_a_manifest_is_asked_about_once_it_is_there():
    answers = all_answers([device_chain(), rim_chain()])
    served = {"driver-rim": driver_rim(), "vbios-rim": vbios_rim()} | answers
    rounds = []

    def ask(requests):
        rounds.append([request.name for request in requests])
        return [served[request.name] for request in requests]

    item = complete(GPU, make_item(), ask)
    assert rounds[0] == ["driver-rim", "vbios-rim", "ocsp-0", "ocsp-1", "ocsp-2"]
    # Both manifests are signed below the same authorities, which are asked about once.
    assert rounds[1] == ["ocsp-3", "ocsp-4", "ocsp-5"]
    assert len(rounds) == 2
    assert make_verifier().verify(item, at=AT).facts[0].revocation == "checked"
    assert GPU.collateral_requests(item) == ()


def test_what_nobody_answers_is_asked_for_once():
    asked = []

    def ask(requests):
        asked.extend(requests)
        return [driver_rim()] if len(asked) == len(requests) else []

    item = complete(GPU, make_item(), ask)
    assert item.collateral.keys() == {"chain", "driver-rim"}
    assert len({(request.url, request.body) for request in asked}) == len(asked)


def test_the_same_file_twice_is_one_all_the_same():
    assert GPU.intake(REPORT, [CHAIN, driver_rim(), CHAIN, driver_rim()]).collateral == {
        "chain": CHAIN,
        "driver-rim": driver_rim(),
    }


def test_a_pinned_root_may_stand_beside_a_chain_and_adds_nothing(monkeypatch):
    root = device_chain()[-1]
    with pytest.raises(MalformedError, match="found two of chain"):
        GPU.intake(REPORT, [CHAIN, root.pem])
    monkeypatch.setattr(intake, "_ROOTS", frozenset({root.pin}))
    assert GPU.intake(REPORT, [root.pem, CHAIN]).collateral == {"chain": CHAIN}


def test_blackwells_driver_has_another_name():
    chain = device_chain("GB100")
    item = make_item(report=make_report(chain), chain=chain_pem(chain))
    assert GPU.collateral_requests(item)[0].url.endswith("NV_GPU_CC_DRIVER_GB100_570.01.02")


def test_a_blackwells_report_says_which_member_of_its_family_it_is():
    chain = device_chain("GB100")
    report = make_report(chain, fields=opaque(f35=b"GB102\0\0\0"))
    item = make_item(report=report, chain=chain_pem(chain))
    assert GPU.collateral_requests(item)[0].url.endswith("NV_GPU_CC_DRIVER_GB102_570.01.02")


def test_a_switch_asks_for_its_bios_and_for_revocation():
    chain = device_chain("LS_10")
    item = make_item("nvidia-switch", report=make_report(chain), chain=chain_pem(chain))
    requests = SWITCH.collateral_requests(item)
    assert "/NV_SWITCH_BIOS_" in requests[0].url
    assert [each.name for each in requests] == [
        "vbios-rim",
        "ocsp-0",
        "ocsp-1",
        "ocsp-2",
    ]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"text", b"\x12\xe0"])
def test_other_files_are_not_recognised(data):
    assert not GPU.recognises(data)
    assert not SWITCH.recognises(data)


def test_each_device_is_recognised_as_its_kind():
    switch = make_report(fields=opaque(f3=None))
    forms = (
        (REPORT, switch),
        (as_json((REPORT, CHAIN)), as_json((switch, CHAIN)).replace(b"HOPPER", b"LS10")),
    )
    for gpu_form, switch_form in forms:
        assert (GPU.recognises(gpu_form), SWITCH.recognises(gpu_form)) == (True, False)
        assert (GPU.recognises(switch_form), SWITCH.recognises(switch_form)) == (False, True)
    # One that does not parse is refused as what most of them are.
    assert (GPU.recognises(REPORT[:99]), SWITCH.recognises(REPORT[:99])) == (True, False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_alone_lacks_its_certificates_and_is_told_so(kind):
    item = intake.make_item(kind.name, REPORT, [])
    match = f"^{kind.name} evidence: found a report without its certificates, agreed both"
    with pytest.raises(MalformedError, match=match):
        kind.collateral_requests(item)
