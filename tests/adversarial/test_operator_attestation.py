# SPDX-License-Identifier: Apache-2.0
"""An operator with root outside the enclave tries to be given keys anyway.

Threats: T-04 (a modified runner), T-05 (replayed evidence), T-21 (simulation
passed off as a real platform).
"""

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import cleanroom
from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import encode_evidence, parse_evidence
from cleanroom.attestation.measurement import measure_runner
from cleanroom.attestation.platforms.simulated import root
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_data import GpuIdentity, parse_runtime_data
from cleanroom.attestation.trust import DEFAULT_TRUST, TrustStore, trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.errors import EvidenceRefusedError, IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import (
    NOW,
    OTHER_RUNNER,
    RUNNER,
    make_debug_evidence,
    make_evidence,
    make_profile,
    make_runtime,
)
from tests.support.platforms import LaxVerifier, carried

THREATS = ("T-04", "T-05", "T-21")
PROFILE = make_profile()
REAL_PROFILE = make_profile(platforms=frozenset({"sev-snp"}))


def broker(evidence, runtime, *, profile=PROFILE, at=NOW, store=DEFAULT_TRUST):
    """Do with the bytes on the wire what every owner's broker does."""
    received = parse_runtime_data(runtime.raw)
    claims = verify_evidence(
        parse_evidence(encode_evidence(evidence)),
        binding=bind64(received.raw),
        at=at,
        trust=trust_for(profile, store=store),
    )
    return appraise(claims, profile=profile, runtime=received, at=at)


def test_the_honest_runner_gets_through():
    runtime = make_runtime()
    assert broker(make_evidence(runtime), runtime).measurement == RUNNER


def test_t04_a_runner_that_nobody_agreed_to_is_refused_by_its_measurement():
    runtime = make_runtime(runner=OTHER_RUNNER)
    with pytest.raises(EvidenceRefusedError, match="^measurement:"):
        broker(make_evidence(runtime, measurement=OTHER_RUNNER), runtime)


def test_t04_a_modified_runner_that_names_the_agreed_one_in_its_runtime_data_is_refused():
    runtime = make_runtime(runner=RUNNER)
    with pytest.raises(EvidenceRefusedError, match="^measurement:"):
        broker(make_evidence(runtime, measurement=OTHER_RUNNER), runtime)


def test_t04_an_agreed_runner_that_speaks_for_another_one_is_refused():
    runtime = make_runtime(runner=OTHER_RUNNER)
    with pytest.raises(EvidenceRefusedError, match="^measurement: the runner names"):
        broker(make_evidence(runtime), runtime)


def test_t04_an_empty_list_of_measurements_accepts_nobody():
    runtime = make_runtime()
    with pytest.raises(EvidenceRefusedError, match="agreed none"):
        broker(make_evidence(runtime), runtime, profile=make_profile(measurements=frozenset()))


def test_t04_a_runner_in_debug_mode_is_refused():
    runtime = make_runtime()
    with pytest.raises(EvidenceRefusedError, match="^debug:"):
        broker(make_debug_evidence(runtime), runtime)


def test_t04_keys_swapped_in_the_runtime_data_break_the_binding():
    runtime = make_runtime()
    swapped = make_runtime(hpke_key=b"e" * 1216)
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        broker(make_evidence(runtime), swapped)


def test_t04_a_gpu_that_no_evidence_proves_is_refused():
    gpu = GpuIdentity(leaf_serial="0a", spki_sha256=Digest.of(b"gpu"))
    runtime = make_runtime(gpus=(gpu,))
    with pytest.raises(EvidenceRefusedError, match="^gpus:"):
        broker(make_evidence(runtime), runtime)


def test_t04_one_changed_byte_of_the_installed_package_is_another_runner(tmp_path):
    package = tmp_path / "cleanroom"
    shutil.copytree(
        Path(cleanroom.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    honest = measure_runner(package, distributions={}, python_version="3.11.7")
    verifier = package / "attestation" / "verifier.py"
    verifier.write_bytes(verifier.read_bytes() + b"#")
    assert measure_runner(package, distributions={}, python_version="3.11.7") != honest


@pytest.mark.parametrize(
    "change",
    [
        {"run": "run-00000002"},
        {"contract": Digest.of(b"another contract")},
        {"query": Digest.of(b"another query")},
        {"run_request": Digest.of(b"another request")},
        {"sign_key": b"t" * 32},
        {"nonces": {"hospital": b"n" * 32, "insurer": b"x" * 32}},
        {"nonces": {"hospital": b"n" * 32}},
        {"nonces": {"hospital": b"m" * 32, "insurer": b"n" * 32}},
    ],
)
def test_t05_evidence_of_one_run_serves_no_other(change):
    evidence = make_evidence(make_runtime())
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        broker(evidence, make_runtime(**change))


@pytest.mark.parametrize("seconds", [-301, 301, 86400, -86400])
def test_t05_evidence_kept_for_later_or_made_in_advance_is_refused(seconds):
    runtime = make_runtime()
    with pytest.raises(EvidenceRefusedError, match="^evidence age:"):
        broker(make_evidence(runtime), runtime, at=NOW + dt.timedelta(seconds=seconds))


def test_t05_a_fresh_time_cannot_be_written_into_an_old_report():
    runtime = make_runtime()
    old = make_evidence(runtime, issued_at=NOW - dt.timedelta(days=1))
    fresh = make_evidence(runtime)
    report = old.report[:20] + fresh.report[20:28] + old.report[28:]
    with pytest.raises(IntegrityError, match="^simulated report:"):
        broker(replace(old, report=report), runtime)


def test_t05_a_platform_that_forgets_to_compare_the_binding_is_caught():
    runtime = make_runtime()
    replayed = bind64(make_runtime(run="run-00000002").raw)
    lax = LaxVerifier(platform="sev-snp", confidential=True, claims={"carried": carried(replayed)})
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        broker(
            replace(make_evidence(runtime), platform="sev-snp"),
            runtime,
            profile=REAL_PROFILE,
            store=TrustStore(verifiers=(lax,), devices=()),
        )


def test_t21_simulated_evidence_is_refused_where_a_real_platform_was_agreed():
    runtime = make_runtime()
    lax = LaxVerifier(platform="sev-snp", confidential=True)
    with pytest.raises(EvidenceRefusedError, match="^platform: found simulated, agreed sev-snp"):
        broker(
            make_evidence(runtime),
            runtime,
            profile=REAL_PROFILE,
            store=TrustStore(verifiers=(lax,), devices=()),
        )


def test_t21_simulated_evidence_under_a_real_name_is_refused():
    runtime = make_runtime()
    disguised = replace(make_evidence(runtime), platform="sev-snp")
    for profile in (PROFILE, REAL_PROFILE):
        with pytest.raises(EvidenceRefusedError, match="^platform: found sev-snp"):
            broker(disguised, runtime, profile=profile)


def test_t21_a_contract_cannot_slip_simulation_in_beside_a_real_platform():
    runtime = make_runtime()
    mixed = make_profile(platforms=frozenset({"sev-snp", "simulated"}))
    with pytest.raises(EvidenceRefusedError, match="^platform: found simulated beside others"):
        broker(make_evidence(runtime), runtime, profile=mixed)


def test_t21_claims_of_a_simulation_are_not_accepted_by_a_mixed_contract_either():
    runtime = make_runtime()
    claims = verify_evidence(
        make_evidence(runtime), binding=bind64(runtime.raw), at=NOW, trust=trust_for(PROFILE)
    )
    mixed = make_profile(platforms=frozenset({"sev-snp", "simulated"}))
    with pytest.raises(EvidenceRefusedError, match="^platform: simulated is not confidential"):
        appraise(claims, profile=mixed, runtime=runtime, at=NOW)


def test_t21_a_verdict_about_simulation_is_never_affirming_and_always_loud():
    runtime = make_runtime()
    result = broker(make_evidence(runtime), runtime)
    ear = result.to_ear()["submods"]["runner"]
    assert result.status is Status.CONTRAINDICATED
    assert ear["ear.status"] == "contraindicated"
    assert ear["ear.trustworthiness-vector"]["hardware"] == 97
    assert "NOT CONFIDENTIAL" in ear["cleanroom.banner"]


def test_t21_anybody_can_forge_simulated_evidence_and_the_verdict_says_so():
    runtime = make_runtime()
    assert root.published_key().public_key().public_bytes_raw() in root.published_root()
    assert "anybody can forge" in broker(make_evidence(runtime), runtime).banner


def test_t21_the_default_store_holds_no_platform_that_protects_nothing():
    assert all(verifier.confidential for verifier in DEFAULT_TRUST.verifiers)
    with pytest.raises(RefusedError):
        DEFAULT_TRUST.verifier_for("simulated")
