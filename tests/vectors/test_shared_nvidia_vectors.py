# SPDX-License-Identifier: Apache-2.0
"""Real devices, manifests and tokens: each ends as its maker, or its forger, meant it to."""

import datetime as dt
import itertools
from dataclasses import replace

import pytest

from cleanroom.attestation.certificates import fingerprint, load_pem_certificates
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu import FOREIGN
from cleanroom.attestation.platforms.nvidia_gpu.manifest import signers_of, verify_manifest
from cleanroom.attestation.platforms.nvidia_gpu.root import ISSUED, RIM_ROOT
from cleanroom.attestation.tokens.keys import trust_key_set
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from tests.support.real_devices import (
    AT,
    DRIVER_RIM,
    GPU,
    NAMES,
    SWITCH,
    VBIOS_RIM,
    complete_device,
    manifest,
    real_device,
)
from tests.support.shared_vectors import shared_vector

KINDS = {kind.name: kind for kind in (GPU, SWITCH)}
(TOKEN, _) = FOREIGN
PRODUCTION = "https://nras.attestation.nvidia.com"
STAGING = "https://nras.attestation-stg.nvidia.com"


@pytest.mark.parametrize("name", NAMES)
def test_every_real_device_verifies_to_nvidias_root(name):
    item, nonce = real_device(name)
    claims = KINDS[item.platform].verifier.verify(item, at=AT)
    assert [place.found for place in claims.carried] == [nonce]
    (facts,) = claims.facts
    assert facts.architecture == ("ls10" if item.platform == SWITCH.name else "hopper")
    # Drivers of 535 and 545, and switches, name no firmware.
    assert facts.firmware_id is (name not in {"ccc", "sdk"} and item.platform == GPU.name)
    assert (facts.mode == "protected-pcie") is facts.driver.startswith("590")


def test_both_manifests_agree_with_the_complete_device():
    claims = GPU.verifier.verify(complete_device(), at=AT)
    assert "32 compared with driver-rim, vbios-rim" in [check.found for check in claims.checks]


@pytest.mark.parametrize(
    ("name", "change", "error", "code"),
    [
        (
            "vbios-rim",
            "nvtrust_vbios_rim_1010_0200_882_96005E0001.swidtag",
            EvidenceRefusedError,
            "nvidia.measurement",
        ),
        (
            "vbios-rim",
            "sdk_vbios_rim_96005E0001_mismatch.xml",
            EvidenceRefusedError,
            "nvidia.measurement",
        ),
        (
            "vbios-rim",
            "nvtrust_vbios_rim_1010_0200_882_960074001A.swidtag",
            EvidenceRefusedError,
            "nvidia.manifest-version",
        ),
        ("vbios-rim", DRIVER_RIM, EvidenceRefusedError, "nvidia.manifest-version"),
        (
            "driver-rim",
            "sdk_driver_rim_550.144.03.xml",
            EvidenceRefusedError,
            "nvidia.manifest-version",
        ),
        ("driver-rim", "sdk_driver_rim_bad_signature.xml", IntegrityError, "attestation.signature"),
        ("driver-rim", "sdk_driver_rim_bad_chain.xml", IntegrityError, "digest.mismatch"),
        (
            "driver-rim",
            "sdk_driver_rim_535.86.09_mismatch.xml",
            IntegrityError,
            "nvidia.manifest-digest",
        ),
    ],
)
def test_every_manifest_of_another_kind_is_refused_for_its_reason(name, change, error, code):
    item = complete_device()
    changed = replace(item, collateral={**item.collateral, name: manifest(change)})
    with pytest.raises(error) as refused:
        GPU.verifier.verify(changed, at=AT)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "at", [dt.datetime(2025, 7, 1, tzinfo=dt.UTC), dt.datetime(2023, 6, 1, tzinfo=dt.UTC)]
)
def test_manifests_count_while_their_signers_certificate_does(at):
    with pytest.raises(EvidenceRefusedError, match="^nvidia manifest: judged at"):
        GPU.verifier.verify(complete_device(), at=at)


@pytest.mark.parametrize(
    ("name", "version", "active"),
    [
        (DRIVER_RIM, "545.00", 21),
        (VBIOS_RIM, "96.00.5e.00.01", 12),
        ("nvtrust_vbios_rim_1010_0200_882_960074001A.swidtag", "96.00.74.00.1a", 12),
        ("sdk_driver_rim_550.144.03.xml", "550.144.03", 21),
        ("trustee_rim.b64", "96.00.74.00.1c", 12),
    ],
)
def test_every_real_manifest_verifies(name, version, active):
    found = verify_manifest(manifest(name), root=RIM_ROOT, at=AT)
    assert (found.version, len(found.active)) == (version, active)


def test_every_pair_that_the_code_knows_is_really_signed():
    devices = [
        load_pem_certificates(real_device(name)[0].collateral["chain"], what=name)
        for name in ("sdk", "nvtrust_ppcie_switch_evidence.json/0")
    ]
    manifests = [signers_of(manifest(name)) for name in (DRIVER_RIM, "trustee_rim.b64")]
    signed = set()
    for child, issuer in itertools.chain(*map(itertools.pairwise, (*devices, *manifests))):
        child.verify_directly_issued_by(issuer)
        signed.add((fingerprint(child), fingerprint(issuer)))
    assert signed >= ISSUED


def test_a_chain_of_another_device_is_refused():
    item, other = real_device("ccc")[0], real_device("nvtrust")[0]
    with pytest.raises(IntegrityError, match="^nvidia report: the signature"):
        GPU.verifier.verify(replace(item, collateral=other.collateral), at=AT)


def real_token(name, *, issuer, seconds):
    keys = shared_vector("nvidia", "nras_jwks_recovered.json")
    at = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    verifier = TOKEN.verifier.trusting(trust_key_set(keys, issuer=issuer, fetched_at=at))
    item = TOKEN.intake(shared_vector("nvidia", name), [keys])
    assert isinstance(item, EvidenceItem)
    return verifier, item, at


@pytest.mark.parametrize(
    ("name", "issuer", "seconds", "vbios"),
    [
        ("sdk_hopper_nras_detached_eat.json", PRODUCTION, 1749601858, "96.00.9f.00.01"),
        ("sdk_switch_nras_detached_eat.json", STAGING, 1751155060, "96.10.55.00.01"),
    ],
)
def test_every_real_token_verifies_by_a_key_vouched_for(name, issuer, seconds, vbios):
    verifier, item, at = real_token(name, issuer=issuer, seconds=seconds)
    claims = verifier.verify(item, at=at)
    assert claims.facts[0].vbios == vbios
    assert claims.carried[0].found.hex().startswith("931d8dd0")
    with pytest.raises(EvidenceRefusedError) as late:
        verifier.verify(item, at=at + dt.timedelta(hours=1))
    assert late.value.code == "token.expired"
    with pytest.raises(IntegrityError) as unknown:
        TOKEN.verifier.verify(item, at=at)
    assert unknown.value.code == "token.key-set"
