# SPDX-License-Identifier: Apache-2.0
"""GPUs against their clause and against the runtime data."""

from dataclasses import replace

import pytest

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import Channel, bind64, expected_in
from cleanroom.attestation.facts import NoManifest
from cleanroom.attestation.platform import Carried, CollateralFact
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.contract.attestation_terms import Waived
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import ANY, DAY, GPU, GPU_CLAUSE, RUNTIME
from tests.support.attested_runs import NOW, make_profile, make_runtime
from tests.support.platforms import carried, genuine, make_claims

GPU_RUNTIME = make_runtime(gpus=(GPU.identity,))


def judge_gpus(gpus, clauses, *, runtime=GPU_RUNTIME, collateral=()):
    binding = bind64(runtime.raw)
    nonce = Carried(place="nonce", channel=Channel.GPU, found=expected_in(Channel.GPU, binding))
    devices = [
        make_claims(platform="nvidia-gpu", facts=(gpu,), carried=(nonce,), collateral=collateral)
        for gpu in gpus
    ]
    profile = make_profile(platforms=frozenset({"sev-snp"}), clauses=clauses)
    machine = make_claims(carried=carried(binding))
    return appraise(genuine(machine, *devices), profile=profile, runtime=runtime, at=NOW)


def test_a_machine_with_the_agreed_gpu_is_affirmed():
    result = judge_gpus((GPU,), (GPU_CLAUSE,))
    assert result.status is Status.AFFIRMING
    assert result.to_ear()["submods"]["gpu0"] == {
        "ear.status": "affirming",
        "ear.trustworthiness-vector": {"configuration": 2, "executables": 3, "hardware": 2},
        "cleanroom.device-key": str(GPU.identity.spki_sha256),
    }


def test_a_waiver_is_a_warning_about_the_gpu_as_well():
    clause = replace(GPU_CLAUSE, revocation=Waived(reason="no OCSP here"))
    result = judge_gpus((replace(GPU, revocation="unknown"),), (clause,))
    assert result.to_ear()["submods"]["gpu0"]["ear.status"] == "warning"
    assert "WAIVED gpus revocation: no OCSP here" in result.banner


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"architecture": "blackwell"}, "gpu architecture"),
        ({"mode": "multi"}, "gpu mode"),
        ({"driver_rim": Digest.of(b"x")}, "gpu driver manifest"),
        ({"vbios_rim": Digest.of(b"x")}, "gpu vbios manifest"),
        ({"driver_rim": NoManifest()}, "gpu driver manifest: found none"),
        ({"vbios_rim": NoManifest()}, "gpu vbios manifest: found none"),
        ({"driver_rim": GPU.vbios_rim, "vbios_rim": GPU.driver_rim}, "gpu driver manifest"),
        ({"firmware_id": False}, "gpu firmware id"),
        ({"revocation": "unknown"}, "gpu revocation: found unknown, agreed required"),
    ],
)
def test_one_changed_fact_of_a_gpu_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge_gpus((replace(GPU, **change),), (GPU_CLAUSE,))


def test_a_gpu_beside_those_of_the_runtime_data_is_refused():
    other = replace(GPU, identity=GpuIdentity(leaf_serial="0b", spki_sha256=Digest.of(b"b")))
    for gpus in ((), (other,), (GPU, other), (GPU, GPU), (other, GPU)):
        with pytest.raises(EvidenceRefusedError, match="^gpus:"):
            judge_gpus(gpus, (replace(GPU_CLAUSE, serials=ANY),))


def test_gpus_count_in_the_order_of_the_runtime_data():
    other = replace(GPU, identity=GpuIdentity(leaf_serial="0b", spki_sha256=Digest.of(b"b")))
    both = make_runtime(gpus=(GPU.identity, other.identity))
    clause = replace(GPU_CLAUSE, count=2, serials=ANY)
    judge_gpus((GPU, other), (clause,), runtime=both)
    with pytest.raises(EvidenceRefusedError, match="^gpus:"):
        judge_gpus((other, GPU), (clause,), runtime=both)
    with pytest.raises(EvidenceRefusedError, match="^gpu count: found 2, agreed 1"):
        judge_gpus((GPU, other), (replace(clause, count=1),), runtime=both)
    with pytest.raises(EvidenceRefusedError, match="^gpu serial: found 0b, agreed 0a"):
        judge_gpus((GPU, other), (replace(clause, serials=frozenset({"0a"})),), runtime=both)
    modes = replace(clause, modes=frozenset({"single", "multi"}))
    with pytest.raises(EvidenceRefusedError, match="^gpu modes: found multi, single"):
        judge_gpus((GPU, replace(other, mode="multi")), (modes,), runtime=both)


def test_manifests_that_the_contract_names_by_their_bytes_have_no_age():
    manifest = CollateralFact(
        name="driver-rim",
        digest=GPU.driver_rim,
        issued_at=NOW - 500 * DAY,
        expires_at=NOW + DAY,
    )
    judge_gpus((GPU,), (GPU_CLAUSE,), collateral=(manifest,))
    other = replace(manifest, digest=Digest.of(b"another"))
    with pytest.raises(EvidenceRefusedError, match="^collateral driver-rim:"):
        judge_gpus((GPU,), (GPU_CLAUSE,), collateral=(other,))


def test_a_gpu_without_a_clause_is_refused():
    with pytest.raises(EvidenceRefusedError, match="^gpu count: found 1, agreed none"):
        judge_gpus((GPU,), ())


def test_an_agreed_gpu_that_is_missing_is_refused():
    with pytest.raises(EvidenceRefusedError, match="^gpu count: found 0, agreed 1"):
        judge_gpus((), (GPU_CLAUSE,), runtime=RUNTIME)


def test_a_gpu_of_another_run_is_refused():
    nonce = Carried(
        place="nonce",
        channel=Channel.GPU,
        found=expected_in(Channel.GPU, bind64(RUNTIME.raw)),
    )
    device = make_claims(platform="nvidia-gpu", facts=(GPU,), carried=(nonce,))
    machine = make_claims(carried=carried(bind64(GPU_RUNTIME.raw)))
    profile = make_profile(platforms=frozenset({"sev-snp"}), clauses=(GPU_CLAUSE,))
    with pytest.raises(EvidenceRefusedError, match="^binding: nvidia-gpu nonce"):
        appraise(genuine(machine, device), profile=profile, runtime=GPU_RUNTIME, at=NOW)
