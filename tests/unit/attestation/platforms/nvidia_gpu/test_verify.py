# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from types import SimpleNamespace

import pytest
from cryptography import x509

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import NoManifest
from cleanroom.attestation.platform import Carried, Undated
from cleanroom.attestation.platforms.nvidia_gpu.firmware_id import firmware_id
from cleanroom.attestation.platforms.nvidia_gpu.root import GPU, SWITCH
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.nvidia_forge import (
    DRIVER,
    DRIVER_VALUES,
    FWID,
    NONCE,
    VBIOS,
    all_answers,
    chain_pem,
    composite_device_id,
    device_chain,
    dice_tcb_info,
    driver_rim,
    make_item,
    make_manifest,
    make_report,
    make_verifier,
    manifest_body,
    measurement,
    opaque,
    rim_chain,
    spki,
    vbios_rim,
)
from tests.support.test_pki import AT, NOT_AFTER, issue

VERIFIER = make_verifier()
RIMS = {"driver_rim": driver_rim(), "vbios_rim": vbios_rim()}


def verify(item=None, *, at=AT, verifier=VERIFIER, **collateral):
    return verifier.verify(item or make_item(**collateral), at=at)


def of(chain, **changes):
    """Make evidence of another device, whole in itself."""
    return make_item(report=make_report(chain, **changes), chain=chain_pem(chain))


def test_a_genuine_gpu_says_which_it_is_and_what_it_runs():
    claims = verify(**RIMS)
    (facts,) = claims.facts
    assert (facts.architecture, facts.driver, facts.vbios) == ("hopper", DRIVER, VBIOS.lower())
    assert facts.identity.spki_sha256 == Digest.of(spki(device_chain()[0]))
    assert facts.identity.leaf_serial == f"{device_chain()[0].certificate.serial_number:x}"
    assert (facts.driver_rim, facts.vbios_rim) == (Digest.of(driver_rim()), Digest.of(vbios_rim()))
    assert (facts.mode, facts.firmware_id, facts.revocation) == ("single", True, "unknown")
    assert claims.carried == (Carried(place="nonce", channel=Channel.GPU, found=NONCE),)
    assert claims.issued_at == Undated()
    assert {item.name: item.expires_at for item in claims.collateral} == {
        "driver-rim": NOT_AFTER,
        "vbios-rim": NOT_AFTER,
    }
    # Index 36 is skipped while the decoder is off.
    assert "4 compared with driver-rim, vbios-rim" in [check.found for check in claims.checks]


def test_the_verifier_declares_what_its_claims_carry():
    claims = verify()
    assert VERIFIER.platform == claims.platform == GPU
    assert VERIFIER.confidential
    assert VERIFIER.nonce_place in VERIFIER.carriers
    assert tuple(map(type, claims.facts)) == VERIFIER.facts


def test_without_manifests_no_firmware_is_claimed():
    (facts,) = verify().facts
    assert facts.driver_rim == facts.vbios_rim == NoManifest()
    assert str(facts.driver_rim) == "none"


@pytest.mark.parametrize(
    ("collateral", "found"),
    [
        ({"chain": None}, "found none"),
        ({"crl": b""}, "found chain, crl"),
        ({"ocsp_100": b""}, "ocsp-100"),
    ],
)
def test_collateral_is_closed(collateral, found):
    item = make_item(**{key: value for key, value in collateral.items() if value is not None})
    if collateral.get("chain", b"") is None:
        item.collateral.pop("chain")
    with pytest.raises(MalformedError, match=found) as refused:
        verify(item)
    assert refused.value.code == "nvidia.collateral"


def test_a_switch_has_no_driver_manifest():
    item = make_item(SWITCH, **RIMS)
    with pytest.raises(MalformedError) as refused:
        verify(item, verifier=make_verifier(SWITCH))
    assert refused.value.code == "nvidia.collateral"


def test_the_chain_may_end_in_the_zeros_of_a_buffer():
    assert verify(chain=chain_pem(device_chain()) + bytes(9))


def test_a_root_that_the_device_brings_is_not_believed():
    with pytest.raises(IntegrityError, match="^nvidia device root: found"):
        verify(of(device_chain(root="own root")))


def test_the_pinned_root_behind_an_own_chain_is_not_believed():
    chain = (*device_chain(root="own root")[:-1], device_chain()[-1])
    with pytest.raises(IntegrityError, match="did not sign"):
        verify(of(chain))


@pytest.mark.parametrize("at", [NOT_AFTER + dt.timedelta(days=1), AT - dt.timedelta(days=400)])
def test_a_chain_out_of_its_time_is_refused(at):
    with pytest.raises(EvidenceRefusedError, match="^nvidia device: judged at"):
        verify(at=at)


def test_an_authority_does_not_answer_for_a_device():
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        verify(of(device_chain()[1:]))


@pytest.mark.parametrize(
    ("chip", "kind", "architecture"),
    [("GH100", GPU, "hopper"), ("GB100", GPU, "blackwell"), ("LS_10", SWITCH, "ls10")],
)
def test_each_chip_is_its_kind(chip, kind, architecture):
    item = of(device_chain(chip))
    (facts,) = verify(item, verifier=make_verifier(kind)).facts
    assert facts.architecture == architecture
    assert facts.driver == ("" if kind == SWITCH else DRIVER)
    with pytest.raises(EvidenceRefusedError, match=f"found {chip}, agreed ") as refused:
        verify(item, verifier=make_verifier(GPU if kind == SWITCH else SWITCH))
    assert refused.value.code == "nvidia.kind"


@pytest.mark.parametrize("chip", ["CX7", "GH", "XGH100"])
def test_another_product_below_the_same_root_is_refused(chip):
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(of(device_chain(chip)))
    assert refused.value.code == "nvidia.chip"


@pytest.mark.parametrize("at", [4, 35, 60, 2000])
def test_request_and_response_are_signed_together(at):
    report = bytearray(make_report(measurements={n: measurement(n) for n in range(1, 65)}))
    report[at] ^= 1
    with pytest.raises((IntegrityError, MalformedError)) as refused:
        verify(make_item(report=bytes(report)))
    assert refused.value.code in {"attestation.signature", "nvidia.measurement"}


def test_another_devices_signature_does_not_match():
    with pytest.raises(IntegrityError, match="^nvidia report: the signature"):
        verify(make_item(report=make_report(device_chain("GH200"))))


def test_firmware_is_compared_with_the_certificate():
    with pytest.raises(IntegrityError) as refused:
        verify(of(device_chain(), fields=opaque(f20=bytes(48))))
    assert refused.value.code == "nvidia.firmware-id"
    (facts,) = verify(of(device_chain(), fields=opaque(f20=None))).facts
    assert not facts.firmware_id


def test_two_forms_of_one_firmware_must_agree():
    from_another = {
        "2.23.133.5.4.1": composite_device_id(),
        "2.23.133.5.4.1.1": dice_tcb_info(bytes(48)),
    }
    certificate = SimpleNamespace(extensions=unknown(from_another))
    with pytest.raises(MalformedError, match="found 2 in the certificate, agreed one"):
        firmware_id(certificate)
    same = from_another | {"2.23.133.5.4.1.1": dice_tcb_info()}
    assert firmware_id(SimpleNamespace(extensions=unknown(same))) == FWID


def unknown(values):
    return [
        SimpleNamespace(oid=oid, value=x509.UnrecognizedExtension(oid, value))
        for oid, value in ((x509.ObjectIdentifier(name), data) for name, data in values.items())
    ]


@pytest.mark.parametrize("chip", ["GB100", "GB20B", "GB202"])
def test_a_blackwells_manifests_are_of_the_chip_that_its_report_names(chip):
    chain = device_chain(chip)
    rims = {"driver_rim": driver_rim(product="GB102")}
    report = make_report(chain, fields=opaque(f35=b"GB102\0"))
    verify(make_item(report=report, chain=chain_pem(chain), **rims))
    other = make_report(chain, fields=opaque(f35=b"GB103\0"))
    with pytest.raises(EvidenceRefusedError, match="found GB102 .*, agreed GB103 ") as refused:
        verify(make_item(report=other, chain=chain_pem(chain), **rims))
    assert refused.value.code == "nvidia.manifest-version"


def test_a_switchs_manifest_may_leave_out_the_dash_of_its_chip():
    chain = device_chain("LS_10")
    rim = vbios_rim(product="LS10")
    item = make_item(
        "nvidia-switch", report=make_report(chain), chain=chain_pem(chain), vbios_rim=rim
    )
    (facts,) = verify(item, verifier=make_verifier(SWITCH)).facts
    assert facts.vbios_rim == Digest.of(rim)


@pytest.mark.parametrize("critical", [False, True])
def test_blackwell_writes_its_firmware_otherwise(critical):
    chain = device_chain("GB100", oid="2.23.133.5.4.1.1", critical=critical)
    (facts,) = verify(of(chain)).facts
    assert facts.firmware_id


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.23.133.5.4.1", b"\x30\x00"),
        ("2.23.133.5.4.1", composite_device_id(FWID[:-1])),
        ("2.23.133.5.4.1", composite_device_id() + b"\0"),
        ("2.23.133.5.4.1", composite_device_id().replace(b"\x02\x02\x04\x30", b"\x02\x01\x04\x30")),
        ("2.23.133.5.4.1.1", b"\x30\x00"),
        ("2.23.133.5.4.1.1", b"\x30\x02\xa6\x00"),
        ("2.23.133.5.4.1.1", b"\x30\x04\xa6\x02\x05\x00"),
        ("2.23.133.5.4.1.1", dice_tcb_info(FWID[:-1])),
        ("1.2.3.4", b"\x30\x00"),
    ],
)
def test_a_certificate_without_one_clear_firmware_is_refused(oid, value):
    with pytest.raises(MalformedError, match="^nvidia firmware id: "):
        verify(of(device_chain(oid=oid, value=value)))


def test_a_critical_extension_that_nobody_knows_is_refused():
    with pytest.raises(MalformedError, match="unknown critical extension 1.2.3.4"):
        verify(of(device_chain(oid="1.2.3.4", value=b"\x05\x00", critical=True)))


@pytest.mark.parametrize(
    ("name", "document", "found"),
    [
        ("driver_rim", driver_rim("570.01.03"), "found GH100 570.01.03, agreed GH100 570.01.02"),
        ("driver_rim", driver_rim(product="GB100"), "found GB100 570.01.02, agreed GH100"),
        ("vbios_rim", vbios_rim("96.00.AB.00.02"), "found GH100 96.00.ab.00.02, agreed GH100 96"),
        ("driver_rim", vbios_rim(), "found GH100 96.00.ab.00.01, agreed GH100 570.01.02"),
        ("vbios_rim", driver_rim(), "found GH100 570.01.02, agreed GH100 96.00.ab.00.01"),
    ],
)
def test_a_manifest_of_another_version_or_chip_is_refused(name, document, found):
    with pytest.raises(EvidenceRefusedError, match=found) as refused:
        verify(**{name: document})
    assert refused.value.code == "nvidia.manifest-version"


@pytest.mark.parametrize("index", [1, 2, 4, 5])
def test_a_measurement_that_was_not_published_is_named(index):
    values = {number: measurement(number) for number in range(1, 9)} | {index: b"x" * 48}
    item = make_item(report=make_report(measurements=values), **RIMS)
    with pytest.raises(EvidenceRefusedError, match=f"found {index} other than") as refused:
        verify(item)
    assert refused.value.code == "nvidia.measurement"


def test_any_published_alternative_will_do_but_no_prefix_of_one():
    values = {number: measurement(number) for number in range(1, 9)}
    assert verify(make_item(report=make_report(measurements=values | {5: bytes(48)}), **RIMS))
    for wrong in (bytes(47), bytes(49)):
        with pytest.raises(EvidenceRefusedError, match="found 5 other"):
            verify(make_item(report=make_report(measurements=values | {5: wrong}), **RIMS))


def test_a_measurement_that_is_left_out_is_wrong():
    values = {number: measurement(number) for number in range(2, 9)}
    with pytest.raises(EvidenceRefusedError, match="found 1 other"):
        verify(make_item(report=make_report(measurements=values), **RIMS))


@pytest.mark.parametrize("status", [b"\xaa", None])
def test_the_video_decoder_counts_unless_it_is_off(status):
    item = make_item(report=make_report(fields=opaque(f11=status)), **RIMS)
    with pytest.raises(EvidenceRefusedError, match="found 36 other"):
        verify(item)


def test_one_manifest_is_compared_by_itself():
    (facts,) = verify(vbios_rim=vbios_rim()).facts
    assert facts.vbios_rim == Digest.of(vbios_rim())
    assert facts.driver_rim == NoManifest()


def test_two_manifests_may_not_speak_of_one_measurement():
    body = manifest_body(DRIVER_VALUES | {0: [measurement(1)]}, version=DRIVER)
    with pytest.raises(EvidenceRefusedError, match="measurement 1 in both") as refused:
        verify(driver_rim=make_manifest(body), vbios_rim=vbios_rim())
    assert refused.value.code == "nvidia.manifest-overlap"


def named(answers):
    return {name.replace("-", "_"): data for name, data in answers.items()}


def test_answers_for_every_certificate_prove_that_none_is_withdrawn():
    answers = all_answers([device_chain(), rim_chain()])
    claims = verify(**RIMS, **named(answers))
    assert claims.facts[0].revocation == "checked"
    assert len(claims.collateral) == 2 + len(answers)
    answers.popitem()
    assert verify(**RIMS, **named(answers)).facts[0].revocation == "unknown"
    device_only = named(all_answers([device_chain()]))
    assert verify(**device_only).facts[0].revocation == "checked"
    assert verify(**RIMS, **device_only).facts[0].revocation == "unknown"


def test_a_leaf_without_one_name_is_refused():
    chain = device_chain()
    leaf = issue("nameless", issuer=chain[1])
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(of((leaf, *chain[1:])))
    assert refused.value.code == "nvidia.chip"
