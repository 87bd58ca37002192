# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.trust import DEFAULT_TRUST, TrustStore, trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.errors import EvidenceRefusedError, MalformedError
from tests.support.attested_runs import NOW, RUNNER, make_evidence, make_profile, make_runtime
from tests.support.platforms import LaxVerifier

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
GOOD = make_evidence(RUNTIME)
TRUST = trust_for(make_profile())


def test_genuine_evidence_of_a_trusted_platform_gives_its_claims():
    claims = verify_evidence(GOOD, binding=BINDING, at=NOW, trust=TRUST)
    assert (claims.platform, claims.measurement) == ("simulated", RUNNER)


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
    with pytest.raises(EvidenceRefusedError, match="^platform: found simulated, agreed none"):
        verify_evidence(GOOD, binding=BINDING, at=NOW, trust=DEFAULT_TRUST)


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"binding": bytes(64)}, "binding"),
        ({"binding": BINDING[:32]}, "binding"),
        ({"binding": BINDING, "platform": "tdx"}, "platform"),
        ({"binding": BINDING, "confidential": False}, "platform"),
    ],
)
def test_a_platform_that_forgot_a_check_is_caught(claims, subject):
    lax = LaxVerifier(platform="sev-snp", confidential=True, claims=claims)
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}:"):
        verify_evidence(
            replace(GOOD, platform="sev-snp"),
            binding=BINDING,
            at=NOW,
            trust=TrustStore(verifiers=(lax,)),
        )


def test_a_platform_whose_claims_agree_passes():
    lax = LaxVerifier(platform="sev-snp", confidential=True, claims={"binding": BINDING})
    claims = verify_evidence(
        replace(GOOD, platform="sev-snp"),
        binding=BINDING,
        at=NOW,
        trust=TrustStore(verifiers=(lax,)),
    )
    assert claims.platform == "sev-snp"
