# SPDX-License-Identifier: Apache-2.0
"""An operator builds one machine out of genuine parts of several.

Threats: T-04 (a modified runner), T-05 (replayed evidence). Processor and GPU are
forged below our own roots, so every part is as genuine as a real one; only what
binds them to one run can tell them apart.
"""

from dataclasses import replace

import pytest

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import Channel, bind32, bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence, parse_evidence
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier
from cleanroom.attestation.result import Status
from cleanroom.attestation.trust import TrustStore, trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.attestation_terms import Unrestricted, Waived
from cleanroom.errors import CleanroomError, EvidenceRefusedError
from cleanroom.kernel.digest import Digest
from tests.support import nvidia_forge, snp_forge
from tests.support.attested_machines import GPU_CLAUSE, SNP_CLAUSE
from tests.support.attested_runs import MAX_AGE, make_profile, make_runtime
from tests.support.nvidia_forge import make_report

THREATS = ("T-04", "T-05")
STORE = TrustStore(
    verifiers=(SnpVerifier(pins=snp_forge.all_pins()),),
    devices=(nvidia_forge.make_verifier(),),
)
DRIVER, VBIOS = nvidia_forge.driver_rim(), nvidia_forge.vbios_rim()
ALONE = make_runtime()
AT = snp_forge.AT
NO_LIST = Waived(reason="no list in this test")


def gpu_item(nonce):
    return nvidia_forge.make_item(
        report=make_report(nonce=nonce), driver_rim=DRIVER, vbios_rim=VBIOS
    )


def gpu_identity():
    item = gpu_item(bind32(Channel.GPU, bind64(ALONE.raw)))
    claims = STORE.devices[0].verify(item, at=AT)
    return claims.facts[0].identity


GPU = gpu_identity()
RUNTIME = make_runtime(gpus=(GPU,))
BINDING = bind64(RUNTIME.raw)
NONCE = bind32(Channel.GPU, BINDING)
LEAST = {"fmc": 0, "bootloader": 1, "tee": 0, "snp": 1, "microcode": 1}
PROFILE = make_profile(
    platforms=frozenset({"snp"}),
    max_collateral_age=MAX_AGE,
    clauses=(
        replace(
            SNP_CLAUSE,
            launch=frozenset({b"M" * 48}),
            minimum_tcb={"Genoa": LEAST},
            chip_ids=frozenset({snp_forge.chip_id(Product.GENOA)}),
            host_data=frozenset({b"H" * 32}),
            revocation=NO_LIST,
        ),
        replace(
            GPU_CLAUSE,
            driver_rims=frozenset({Digest.of(DRIVER)}),
            vbios_rims=frozenset({Digest.of(VBIOS)}),
            serials=Unrestricted(),
            revocation=NO_LIST,
        ),
    ),
)


def machine(report_data=BINDING, **fields):
    return snp_forge.make_item(report_data=report_data, **fields)


def broker(evidence, *, runtime=RUNTIME, profile=PROFILE):
    """Do with the bytes on the wire what every owner's broker does."""
    genuine = verify_evidence(
        parse_evidence(encode_evidence(evidence)),
        binding=bind64(runtime.raw),
        at=AT,
        trust=trust_for(profile, store=STORE),
    )
    return appraise(genuine, profile=profile, runtime=runtime, at=AT)


def test_the_honest_machine_with_its_gpu_gets_through():
    result = broker(Evidence.of(machine(), devices=(gpu_item(NONCE),)))
    assert result.status is Status.WARNING
    assert result.devices[0].identity == GPU.spki_sha256


OTHER = bind64(make_runtime(run="run-00000002", gpus=(GPU,)).raw)
WRONG_NONCES = {
    "label of a TPM": bind32(Channel.TPM, BINDING),
    "label of a token": bind32(Channel.TOKEN, BINDING),
    "no label": BINDING[:32],
    "second half": BINDING[32:],
    "another run": bind32(Channel.GPU, OTHER),
    "the run without its GPU": bind32(Channel.GPU, bind64(ALONE.raw)),
    "zero": bytes(32),
    "reversed": bind32(Channel.GPU, BINDING)[::-1],
    "truncated and padded": bind32(Channel.GPU, BINDING)[:31] + b"\0",
}


@pytest.mark.parametrize("nonce", WRONG_NONCES.values(), ids=WRONG_NONCES)
def test_t05_a_gpu_that_answered_anything_else_is_refused(nonce):
    with pytest.raises(EvidenceRefusedError, match="^binding: nvidia-gpu"):
        broker(Evidence.of(machine(), devices=(gpu_item(nonce),)))


WRONG_REPORTS = {
    "another run": OTHER,
    "the run without its GPU": bind64(ALONE.raw),
    "half": BINDING[:32] + bytes(32),
    "halves swapped": BINDING[32:] + BINDING[:32],
    "the GPU's nonce": NONCE + bytes(32),
    "zero": bytes(64),
}


@pytest.mark.parametrize("report_data", WRONG_REPORTS.values(), ids=WRONG_REPORTS)
def test_t05_a_processor_that_signed_anything_else_is_refused(report_data):
    with pytest.raises(EvidenceRefusedError, match="^binding: snp"):
        broker(Evidence.of(machine(report_data), devices=(gpu_item(NONCE),)))


def test_t04_a_gpu_that_the_runtime_data_does_not_name_is_refused():
    nonce = bind32(Channel.GPU, bind64(ALONE.raw))
    evidence = Evidence.of(machine(bind64(ALONE.raw)), devices=(gpu_item(nonce),))
    with pytest.raises(EvidenceRefusedError, match="^gpus:"):
        broker(evidence, runtime=ALONE)


@pytest.mark.parametrize("count", [0, 2])
def test_t04_a_gpu_left_out_or_shown_twice_is_refused(count):
    with pytest.raises(EvidenceRefusedError, match="^gpus:"):
        broker(Evidence.of(machine(), devices=(gpu_item(NONCE),) * count))


def test_t04_parts_in_each_others_places_are_refused():
    with pytest.raises(EvidenceRefusedError, match="^platform: found nvidia-gpu"):
        broker(Evidence.of(gpu_item(NONCE), devices=(machine(),)))
    with pytest.raises(EvidenceRefusedError, match="^device: found snp"):
        broker(Evidence.of(machine(), devices=(machine(),)))
    renamed = replace(gpu_item(NONCE), platform="snp")
    with pytest.raises(CleanroomError):
        broker(Evidence.of(renamed, devices=(gpu_item(NONCE),)))


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"policy": 0x3001F | 1 << 19}, "debug"),
        ({"policy": 0x3001F | 1 << 18}, "snp migration"),
        ({"vmpl": 3}, "snp vmpl"),
        ({"measurement": b"X" * 48}, "snp launch"),
        ({"host_data": b"X" * 32}, "snp host data"),
        ({"platform_info": 0x05}, "snp alias check"),
        ({"committed_build": b"\x00\x37\x01"}, "snp committed firmware"),
    ],
)
def test_t04_one_field_that_the_contract_does_not_accept_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}:"):
        broker(Evidence.of(machine(**change), devices=(gpu_item(NONCE),)))


def test_t04_a_product_that_is_denied_by_default_is_refused():
    item = snp_forge.make_item(Product.MILAN, report_data=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^snp product: found Milan, agreed Genoa"):
        broker(Evidence.of(item, devices=(gpu_item(NONCE),)))


def test_t04_firmware_below_the_agreed_is_refused_component_by_component():
    snp = next(iter(PROFILE.clauses))
    for component in ("bootloader", "snp", "microcode"):
        least = {"Genoa": LEAST | {component: 255}}
        clauses = (replace(snp, minimum_tcb=least), PROFILE.clauses[1])
        with pytest.raises(EvidenceRefusedError, match=f"^snp tcb {component}:"):
            broker(
                Evidence.of(machine(), devices=(gpu_item(NONCE),)),
                profile=replace(PROFILE, clauses=clauses),
            )


def test_t04_a_gpu_whose_manifests_were_left_out_is_refused():
    bare = nvidia_forge.make_item(report=make_report(nonce=NONCE))
    with pytest.raises(EvidenceRefusedError, match="^gpu driver manifest: found none"):
        broker(Evidence.of(machine(), devices=(bare,)))
