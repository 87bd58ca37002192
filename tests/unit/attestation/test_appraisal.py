# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.appraisal import appraise, profile_digest
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.facts import AzureFacts
from cleanroom.attestation.platform import SelfReported, Undated
from cleanroom.attestation.result import Status, Trust, tier_of
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import GenuineEvidence, verify_evidence
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import (
    MAX_AGE,
    NOW,
    OTHER_RUNNER,
    RUNNER,
    make_debug_evidence,
    make_evidence,
    make_profile,
    make_runtime,
    waived,
)
from tests.support.platforms import carried, genuine, make_claims

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
PROFILE = make_profile()
SECOND = dt.timedelta(seconds=1)
GPU = GpuIdentity(leaf_serial="0a", spki_sha256=Digest.of(b"gpu"))
SIMULATED = verify_evidence(
    make_evidence(RUNTIME), binding=BINDING, at=NOW, trust=trust_for(PROFILE)
).machine
REAL = make_claims(carried=carried(BINDING))
REAL_PROFILE = make_profile(platforms=frozenset({"sev-snp", "tdx"}))


def judge(claims=SIMULATED, *, profile=PROFILE, runtime=RUNTIME, at=NOW):
    evidence = claims if isinstance(claims, GenuineEvidence) else genuine(claims)
    return appraise(evidence, profile=profile, runtime=runtime, at=at)


def test_an_agreed_simulated_runner_is_accepted_and_never_affirmed():
    result = judge()
    assert result.status is Status.CONTRAINDICATED
    assert result.vector == {
        "configuration": Trust.NO_CLAIM,
        "executables": Trust.NO_CLAIM,
        "hardware": Trust.UNRECOGNISED,
    }
    assert result.banner.startswith("SIMULATED - NOT CONFIDENTIAL")


def test_a_result_names_what_was_accepted():
    result = judge()
    assert (result.platform, result.measurement) == ("simulated", RUNNER)
    assert (result.runtime_data, result.binding) == (RUNTIME.digest, BINDING)
    assert (result.issued_at, result.appraised_at) == (format_time(NOW), NOW)
    assert result.policy == profile_digest(PROFILE)
    assert result.debug == "off"


@pytest.mark.parametrize(
    ("change", "claim", "code"),
    [
        ({"carried": carried(bytes(64))}, "binding", "attestation.binding"),
        ({"carried": ()}, "binding", "attestation.unbound"),
        ({"platform": "sev-snp"}, "platform", "attestation.platform"),
        ({"confidential": True}, "platform", "attestation.simulated"),
        ({"issued_at": NOW - MAX_AGE - SECOND}, "evidence age", "attestation.age"),
        ({"issued_at": NOW + MAX_AGE + SECOND}, "evidence age", "attestation.age"),
        ({"runner": OTHER_RUNNER}, "measurement", "attestation.measurement"),
        ({"debug": True}, "debug", "attestation.debug"),
    ],
)
def test_one_wrong_claim_is_refused_by_name(change, claim, code):
    with pytest.raises(EvidenceRefusedError, match=f"^{claim}:") as refused:
        judge(replace(SIMULATED, **change))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "claim", "code"),
    [
        ({"platforms": frozenset()}, "platform", "attestation.platform"),
        ({"platforms": frozenset({"sev-snp"})}, "platform", "attestation.platform"),
        (
            {"platforms": frozenset({"simulated", "sev-snp"})},
            "platform",
            "attestation.simulated-mixed",
        ),
        ({"measurements": frozenset()}, "measurement", "attestation.measurement"),
        ({"measurements": frozenset({OTHER_RUNNER})}, "measurement", "attestation.measurement"),
    ],
)
def test_one_changed_clause_refuses_what_was_accepted(change, claim, code):
    with pytest.raises(EvidenceRefusedError, match=f"^{claim}:") as refused:
        judge(profile=make_profile(**change))
    assert refused.value.code == code


def test_another_platform_that_is_not_confidential_must_stand_alone_as_well():
    software = replace(REAL, platform="vtpm-software", confidential=False)
    alone = make_profile(platforms=frozenset({"vtpm-software"}))
    assert judge(software, profile=alone).status is Status.CONTRAINDICATED
    with pytest.raises(EvidenceRefusedError, match="^platform: vtpm-software is not confidential"):
        judge(software, profile=make_profile(platforms=frozenset({"vtpm-software", "tdx"})))


@pytest.mark.parametrize("issued_at", [NOW - MAX_AGE, NOW, NOW + MAX_AGE])
def test_evidence_is_fresh_up_to_the_agreed_age_in_both_directions(issued_at):
    assert judge(replace(SIMULATED, issued_at=issued_at)).issued_at == format_time(issued_at)


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**5), st.integers(0, 10**5))
def test_a_shorter_age_never_accepts_more(offset, first, second):
    short, long = sorted((first, second))
    claims = replace(SIMULATED, issued_at=NOW + dt.timedelta(seconds=offset))

    def accepted(seconds):
        try:
            judge(claims, profile=make_profile(max_evidence_age=dt.timedelta(seconds=seconds)))
        except EvidenceRefusedError:
            return False
        return True

    assert accepted(long) or not accepted(short)


def test_the_runner_that_the_guest_names_must_be_the_one_that_was_measured():
    runtime = make_runtime(runner=OTHER_RUNNER)
    claims = replace(SIMULATED, carried=carried(bind64(runtime.raw)))
    both = make_profile(measurements=frozenset({RUNNER, OTHER_RUNNER}))
    with pytest.raises(EvidenceRefusedError, match="^measurement: the runner names") as refused:
        judge(claims, runtime=runtime, profile=both)
    assert refused.value.code == "attestation.runner"


def test_gpus_that_no_evidence_proves_are_refused():
    runtime = make_runtime(gpus=(GPU,))
    with pytest.raises(EvidenceRefusedError, match="^gpus:"):
        judge(replace(SIMULATED, carried=carried(bind64(runtime.raw))), runtime=runtime)


def test_facts_that_no_clause_speaks_of_are_refused():
    azure = AzureFacts(
        vm_id="", secure_boot=True, console=False, interactive_console=False, tpm_persisted=True
    )
    with pytest.raises(EvidenceRefusedError, match="^sev-snp: the contract has no clause"):
        judge(replace(REAL, facts=(azure,)), profile=REAL_PROFILE)


def test_an_image_that_was_measured_may_name_an_agreed_runner():
    judge(replace(REAL, runner=SelfReported()), profile=REAL_PROFILE)
    runtime = make_runtime(runner=OTHER_RUNNER)
    claims = replace(REAL, runner=SelfReported(), carried=carried(bind64(runtime.raw)))
    with pytest.raises(EvidenceRefusedError, match="^measurement: found"):
        judge(claims, runtime=runtime, profile=REAL_PROFILE)


def test_evidence_without_a_clock_is_as_fresh_as_its_nonces():
    result = judge(replace(REAL, issued_at=Undated()), profile=REAL_PROFILE)
    assert result.issued_at == "with the nonces"


def test_waived_debug_is_accepted_and_written_with_its_reason():
    runtime = RUNTIME
    profile = make_profile(debug=waived("trial of the pipeline"))
    claims = verify_evidence(
        make_debug_evidence(runtime), binding=BINDING, at=NOW, trust=trust_for(profile)
    ).machine
    result = judge(claims, profile=profile)
    assert result.debug == "waived: trial of the pipeline"
    assert "DEBUG MODE" in result.banner


def test_a_waiver_leaves_no_mark_on_a_runner_without_debug():
    assert judge(profile=make_profile(debug=waived("trial"))).debug == "off"


def test_a_confidential_platform_is_affirmed():
    result = judge(REAL, profile=REAL_PROFILE)
    assert result.status is Status.AFFIRMING
    assert result.banner == ""
    assert result.vector == {
        "configuration": Trust.APPROVED,
        "executables": Trust.APPROVED_AT_BOOT,
        "hardware": Trust.APPROVED,
    }


def test_a_confidential_platform_in_waived_debug_mode_is_a_warning_only():
    profile = replace(REAL_PROFILE, debug=waived("trial"))
    assert judge(replace(REAL, debug=True), profile=profile).status is Status.WARNING


def test_the_ear_of_a_simulated_runner_says_what_other_relying_parties_read():
    ear = judge().to_ear()
    canonical_json(ear)
    assert ear["eat_profile"] == "tag:github.com,2023:veraison/ear"
    assert ear["iat"] == int(NOW.timestamp())
    assert ear["ear.verifier-id"] == {"build": "attestation-v0", "developer": "cleanroom"}
    runner = ear["submods"]["runner"]
    assert runner["ear.status"] == "contraindicated"
    assert runner["ear.trustworthiness-vector"]["hardware"] == 97
    assert runner["ear.appraisal-policy-id"].endswith(str(profile_digest(PROFILE)))
    assert runner["cleanroom.measurement"] == str(RUNNER)
    assert runner["cleanroom.runtime-data"] == str(RUNTIME.digest)
    assert runner["cleanroom.issued-at"] == "2026-11-22T12:00:00Z"
    assert runner["cleanroom.debug"] == "off"
    assert runner["cleanroom.platform"] == "simulated"
    assert runner["cleanroom.banner"].startswith("SIMULATED")


def test_the_same_judgement_gives_the_same_bytes():
    assert canonical_json(judge().to_ear()) == canonical_json(judge().to_ear())


@pytest.mark.parametrize(
    "change",
    [
        {"platforms": frozenset({"tdx"})},
        {"measurements": frozenset({OTHER_RUNNER})},
        {"debug": waived("trial")},
        {"max_evidence_age": MAX_AGE + SECOND},
    ],
)
def test_every_clause_is_part_of_the_policy_digest(change):
    assert profile_digest(make_profile(**change)) != profile_digest(PROFILE)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ([], Status.NONE),
        ([Trust.NO_CLAIM], Status.NONE),
        ([Trust.NO_CLAIM, Trust.APPROVED], Status.AFFIRMING),
        ([Trust.APPROVED, Trust.APPROVED_AT_BOOT], Status.AFFIRMING),
        ([Trust.APPROVED, Trust.KNOWN_WEAKNESS], Status.WARNING),
        ([Trust.UNRECOGNISED, Trust.APPROVED], Status.CONTRAINDICATED),
    ],
)
def test_a_result_is_as_good_as_its_worst_claim(claims, status):
    assert tier_of({str(at): claim for at, claim in enumerate(claims)}) is status
