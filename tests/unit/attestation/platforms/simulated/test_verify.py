# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.platforms.simulated import KINDS, root
from cleanroom.attestation.platforms.simulated.collect import PLATFORM, collect
from cleanroom.attestation.platforms.simulated.verify import SimulatedVerifier
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import NOW, RUNNER, make_evidence, make_runtime, sign_report

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
GOOD = make_evidence(RUNTIME)
VERIFIER = SimulatedVerifier(root=root.ROOT_PIN)


def verify(evidence, *, at=NOW, verifier=VERIFIER):
    claims = verifier.verify(evidence, at=at)
    require_declared(verifier, claims)
    return claims


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_genuine_evidence_gives_the_claims_that_were_signed():
    claims = verify(GOOD)
    assert claims.platform == VERIFIER.platform == PLATFORM == "simulated"
    assert claims.runner == RUNNER
    require_bound(claims, BINDING)
    assert claims.issued_at == NOW
    assert claims.debug is False
    assert claims.facts == ()
    assert VERIFIER.nonce_place in VERIFIER.carriers


def test_no_simulated_claim_is_ever_confidential():
    assert verify(GOOD).confidential is False
    assert VERIFIER.confidential is False
    assert verify(GOOD).details == {"root": "SIMULATED - NOT CONFIDENTIAL"}


def test_the_pin_is_of_the_published_root_and_of_no_other():
    assert Digest.of(root.published_root()) == root.ROOT_PIN
    assert root.published_root().startswith(b"SIMULATED - NOT CONFIDENTIAL\0")
    assert len(root.published_root()) == root.ROOT_BYTES


def test_a_root_that_the_attester_supplies_is_data_not_trust():
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    supplied = root.ROOT_NAME + b"\0" + key.public_key().public_bytes_raw()
    report = GOOD.report[:128] + key.sign(GOOD.report[:128])
    with pytest.raises(IntegrityError, match="^simulated root:") as refused:
        verify(replace(GOOD, report=report, collateral={"root": supplied}))
    assert refused.value.code == "digest.mismatch"


def test_another_pin_refuses_the_published_root():
    with pytest.raises(IntegrityError, match="^simulated root:"):
        verify(GOOD, verifier=SimulatedVerifier(root=Digest.of(b"another root")))


@pytest.mark.parametrize(
    "collateral",
    [{}, {"root": root.published_root(), "crl": b""}, {"roots": root.published_root()}],
)
def test_collateral_must_be_the_root_and_nothing_else(collateral):
    with pytest.raises(MalformedError, match="^simulated evidence:") as refused:
        verify(replace(GOOD, collateral=collateral))
    assert refused.value.code == "simulated.collateral"


@pytest.mark.parametrize("data", [b"", root.published_root()[:-1], root.published_root() + b"\0"])
def test_a_root_of_another_length_is_refused(data):
    with pytest.raises(MalformedError, match="^simulated root:") as refused:
        verify(replace(GOOD, collateral={"root": data}))
    assert refused.value.code == "simulated.root-length"


@pytest.mark.parametrize(
    "at",
    [root.NOT_BEFORE - dt.timedelta(seconds=1), root.NOT_AFTER],
)
def test_the_root_is_refused_outside_its_time(at):
    with pytest.raises(EvidenceRefusedError, match="^simulated root:") as refused:
        verify(GOOD, at=at)
    assert refused.value.code == "attestation.root-expired"


@pytest.mark.parametrize("at", [root.NOT_BEFORE, root.NOT_AFTER - dt.timedelta(seconds=1)])
def test_the_root_is_accepted_up_to_the_ends_of_its_time(at):
    assert verify(GOOD, at=at).runner == RUNNER


def test_every_changed_byte_of_the_fields_or_the_signature_breaks_the_signature():
    for at in (*range(23, 28), *range(28, 60), *range(60, 124), *range(128, 192)):
        with pytest.raises(IntegrityError, match="^simulated report:") as refused:
            verify(replace(GOOD, report=flipped(GOOD.report, at)))
        assert refused.value.code == "attestation.signature"


def test_a_debug_bit_set_after_signing_breaks_the_signature():
    with pytest.raises(IntegrityError, match="^simulated report:"):
        verify(replace(GOOD, report=flipped(GOOD.report, 19)))


def test_genuine_evidence_of_another_run_is_refused():
    other = make_evidence(make_runtime(run="run-00000002"))
    with pytest.raises(EvidenceRefusedError, match="^binding:") as refused:
        require_bound(verify(other), BINDING)
    assert refused.value.code == "attestation.binding"


def test_a_resigned_report_is_as_good_as_any_because_the_key_is_published():
    assert verify(sign_report(GOOD.report[:128])).runner == RUNNER


@pytest.mark.parametrize("length", [0, 63, 65])
def test_evidence_is_collected_over_a_whole_binding_only(length):
    with pytest.raises(MalformedError, match="^binding:"):
        collect(binding=bytes(length), measurement=RUNNER, issued_at=NOW)


def test_a_strangers_files_become_evidence():
    (kind,) = KINDS
    assert kind.recognises(GOOD.report)
    assert not kind.recognises(GOOD.report[1:])
    assert verify(kind.intake(GOOD.report, ())) == verify(GOOD)
    assert verify(kind.intake(GOOD.report, (root.published_root(),))) == verify(GOOD)
    assert kind.collateral_requests(GOOD) == ()
    assert kind.name == PLATFORM
    with pytest.raises(MalformedError, match="^simulated evidence:"):
        kind.intake(GOOD.report, (b"", b""))
