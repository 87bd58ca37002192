# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.attestation.binding import Channel, bind32, bind64
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.facts import AzureFacts
from cleanroom.attestation.platform import Carried
from cleanroom.attestation.trust import DEFAULT_TRUST, TrustStore, trust_for
from cleanroom.attestation.verifier import require_bound, verify_evidence
from cleanroom.errors import EvidenceRefusedError, MalformedError
from tests.support.attested_runs import NOW, RUNNER, make_evidence, make_profile, make_runtime
from tests.support.platforms import LaxVerifier, carried, make_claims

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
GOOD = make_evidence(RUNTIME)
TRUST = trust_for(make_profile())
AZURE = AzureFacts(
    vm_id="", secure_boot=True, console=False, interactive_console=False, tpm_persisted=True
)


def test_genuine_evidence_of_a_trusted_platform_gives_its_claims():
    claims = verify_evidence(GOOD, binding=BINDING, at=NOW, trust=TRUST)
    assert (claims.machine.platform, claims.machine.runner) == ("simulated", RUNNER)
    assert claims.devices == ()


def test_verifying_twice_gives_the_same_claims():
    first, second = (verify_evidence(GOOD, binding=BINDING, at=NOW, trust=TRUST) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_binding_that_is_not_whole_is_refused_before_the_platform_is_looked_up(length):
    with pytest.raises(MalformedError, match="^binding:"):
        verify_evidence(GOOD, binding=bytes(length), at=NOW, trust=DEFAULT_TRUST)


@pytest.mark.parametrize("platform", ["sev-snp", "simulate", "simulated-2"])
def test_an_unknown_platform_fails_closed_before_its_report_is_parsed(platform):
    evidence = replace(GOOD, platform=platform, report=b"")
    with pytest.raises(EvidenceRefusedError, match=f"^platform: found {platform}, agreed simul"):
        verify_evidence(evidence, binding=BINDING, at=NOW, trust=TRUST)


def test_the_default_store_refuses_simulated_evidence():
    with pytest.raises(
        EvidenceRefusedError, match="^platform: found simulated, agreed (?!.*simulated)"
    ):
        verify_evidence(GOOD, binding=BINDING, at=NOW, trust=DEFAULT_TRUST)


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"carried": carried(bytes(64))}, "binding"),
        ({"carried": carried(BINDING)[:0]}, "platform"),
        ({"carried": (replace(carried(BINDING)[0], found=BINDING[:32]),)}, "binding"),
        ({"carried": (replace(carried(BINDING)[0], found=BINDING + b"\0"),)}, "binding"),
        ({"carried": carried(BINDING, place="host_data")}, "platform"),
        ({"carried": (replace(carried(BINDING)[0], channel=Channel.TPM),)}, "platform"),
        ({"carried": carried(BINDING), "platform": "tdx"}, "platform"),
        ({"carried": carried(BINDING), "confidential": False}, "platform"),
        ({"carried": carried(BINDING), "facts": (AZURE,)}, "platform"),
    ],
)
def test_a_platform_that_forgot_a_check_is_caught(claims, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}:"):
        verify_lax(LaxVerifier(platform="sev-snp", confidential=True, claims=claims))


def test_a_verifier_that_declares_no_place_binds_nothing_and_is_refused():
    lax = LaxVerifier(platform="sev-snp", confidential=True, claims={"carried": ()}, carriers={})
    with pytest.raises(EvidenceRefusedError, match="^platform: found claims of sev-snp in another"):
        verify_lax(lax)


def test_claims_without_a_bound_place_speak_of_no_run():
    free = Carried(place="nonce", channel=Channel.FREE, found=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^binding: sev-snp carries none"):
        require_bound(make_claims(carried=(free,)), BINDING)


def test_a_free_place_is_neither_declared_nor_compared():
    free = Carried(place="nonce", channel=Channel.FREE, found=b"theirs")
    claims = {"carried": (*carried(BINDING), free)}
    verify_lax(LaxVerifier(platform="sev-snp", confidential=True, claims=claims))


def test_a_platform_whose_claims_agree_passes():
    lax = LaxVerifier(platform="sev-snp", confidential=True, claims={"carried": carried(BINDING)})
    assert verify_lax(lax).machine.platform == "sev-snp"


GPU_ITEM = EvidenceItem(platform="nvidia-gpu", report=b"", collateral={})
CPU = LaxVerifier(platform="sev-snp", confidential=True, claims={"carried": carried(BINDING)})


def gpu_verifier(found: bytes) -> LaxVerifier:
    place = Carried(place="nonce", channel=Channel.GPU, found=found)
    return LaxVerifier(
        platform="nvidia-gpu",
        confidential=True,
        claims={"carried": (place,)},
        carriers={"nonce": Channel.GPU},
    )


def test_a_device_counts_only_with_this_runs_nonce_under_its_own_label():
    good = verify_lax(CPU, gpu_verifier(bind32(Channel.GPU, BINDING)), items=(GPU_ITEM, GPU_ITEM))
    assert [device.platform for device in good.devices] == ["nvidia-gpu"] * 2
    other = bind64(make_runtime(run="run-00000002").raw)
    for found in (
        bind32(Channel.TPM, BINDING),
        bind32(Channel.GPU, other),
        bind32(Channel.GPU, BINDING)[:31],
        bind32(Channel.GPU, BINDING) + b"\0",
        BINDING,
        BINDING[:32],
        bytes(32),
    ):
        with pytest.raises(EvidenceRefusedError, match="^binding: nvidia-gpu nonce"):
            verify_lax(CPU, gpu_verifier(found), items=(GPU_ITEM,))


@pytest.mark.parametrize("platform", ["sev-snp", "simulated", "nvidia-switch"])
def test_a_device_must_be_of_a_trusted_kind_of_device(platform):
    item = replace(GPU_ITEM, platform=platform)
    with pytest.raises(EvidenceRefusedError, match=f"^device: found {platform}, agreed nvidia-gpu"):
        verify_lax(CPU, gpu_verifier(bind32(Channel.GPU, BINDING)), items=(item,))


def test_a_device_never_vouches_for_a_machine():
    gpu = gpu_verifier(bind32(Channel.GPU, BINDING))
    with pytest.raises(EvidenceRefusedError, match="^platform: found nvidia-gpu, agreed sev-snp"):
        verify_evidence(
            Evidence.of(GPU_ITEM),
            binding=BINDING,
            at=NOW,
            trust=TrustStore(verifiers=(CPU,), devices=(gpu,)),
        )


def test_a_simulated_machine_brings_no_devices():
    with pytest.raises(EvidenceRefusedError, match="^device: found nvidia-gpu, agreed none"):
        verify_evidence(replace(GOOD, devices=(GPU_ITEM,)), binding=BINDING, at=NOW, trust=TRUST)


def verify_lax(machine, *devices, items=()):
    return verify_evidence(
        replace(GOOD, platform="sev-snp", devices=items),
        binding=BINDING,
        at=NOW,
        trust=TrustStore(verifiers=(machine,), devices=devices),
    )
