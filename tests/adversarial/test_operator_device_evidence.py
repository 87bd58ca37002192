# SPDX-License-Identifier: Apache-2.0
"""Evidence made for verifiers that forget one thing, each as one has been seen to (T-04, T-05)."""

import base64
import json
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from cleanroom.attestation.appraise_gpus import appraise_gpus
from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.platforms.nvidia_gpu import KINDS
from cleanroom.attestation.verifier import require_bound
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.attested_machines import ANY, GPU_CLAUSE
from tests.support.evidence_vectors import verify_body
from tests.support.nvidia_forge import (
    DRIVER,
    chain_pem,
    device_chain,
    make_answer,
    make_item,
    make_manifest,
    make_report,
    make_verifier,
    manifest_body,
    measurement,
)
from tests.support.test_pki import AT
from tests.support.vector_files import parse_vector
from tests.vectors.test_device_vectors import ALL

THREATS = ("T-04", "T-05")
REFUSALS = (EvidenceRefusedError, IntegrityError, MalformedError)
BINDING = bytes(range(64))
VERIFIER = make_verifier()

# What a verifier forgot, and the evidence that would get past it.
FORGOTTEN = {
    "the root is ours to name": (
        "nvidia/chain-own-root",
        "nvidia/chain-pinned-root-behind-own",
        "nvidia/manifest-own-root",
        "nitro/chain-own-root",
        "nitro/chain-reversed",
        "tokens/gcp-own-root",
        "tokens/gcp-pinned-root-behind-own",
    ),
    "a leaf issues nothing": (
        "nvidia/chain-authority-as-leaf",
        "nitro/chain-authority-as-leaf",
    ),
    "the algorithm belongs to the key": (
        "tokens/token-alg-none",
        "tokens/token-alg-hs256",
        "nitro/envelope-es256",
        "nitro/envelope-no-algorithm",
        "nvidia/signature-hmac",
    ),
    "keys in evidence are data": (
        "tokens/key-set-own",
        "tokens/key-set-nobody-vouches",
        "tokens/key-set-stale",
        "nitro/envelope-key-in-header",
    ),
    "one key, one value": (
        "nitro/member-twice",
        "tokens/token-claim-twice",
        "nvidia/report-index-twice",
        "nvidia/manifest-index-twice",
    ),
    "lengths are definite": (
        "nitro/envelope-indefinite",
        "nitro/envelope-open-registers",
        "nitro/envelope-open-payload-without-end",
    ),
    "a tag changes the envelope": ("nitro/envelope-tagged",),
    "bytes behind the end": (
        "nvidia/report-trailing",
        "nitro/envelope-trailing",
        "tokens/token-trailing",
    ),
    "the whole nonce, in its place": (
        "nvidia/binding-replayed",
        "nvidia/binding-tpm-channel",
        "nvidia/binding-unlabelled",
        "nitro/binding-half",
        "nitro/binding-swapped",
        "nitro/binding-longer",
        "nitro/binding-in-nonce",
        "tokens/gcp-nonces",
        "tokens/nras-replayed",
        "tokens/maa-unbound",
    ),
    "what is signed is what is read": (
        "nvidia/signature-wrapped",
        "nvidia/signature-twice",
        "nvidia/signature-fragment",
        "nvidia/signature-exclusive-c14n",
        "nvidia/signature-comment",
        "nvidia/signature-entity",
    ),
    "a manifest for something else": (
        "nvidia/manifest-version",
        "nvidia/manifest-product",
        "nvidia/manifest-swapped",
        "nvidia/manifest-overlap",
    ),
    "an empty list of values agrees with everything": ("nvidia/manifest-none-active",),
    "the service's own word about nonce and devices": (
        "tokens/nras-device-nonce",
        "tokens/nras-exchanged",
        "tokens/nras-added",
    ),
    "signed is not approved": ("tokens/nras-overall", "tokens/nras-measurements"),
    "another maker's word": (
        "tokens/maa-issuer",
        "tokens/gcp-key-set-of-another",
        "tokens/gcp-software",
        "nvidia/kind-switch-as-gpu",
        "nvidia/kind-other-product",
    ),
    "yesterday's word": ("tokens/maa-expired", "tokens/maa-lifetime", "nitro/time-after"),
}


@pytest.mark.parametrize("name", [name for names in FORGOTTEN.values() for name in names])
def test_evidence_for_a_verifier_that_forgets_is_refused(name):
    vector = parse_vector(ALL[name])
    assert vector.expect != "success"
    with pytest.raises(REFUSALS):
        verify_body(vector.body)


@pytest.mark.parametrize(
    "name", ["nitro/debug-all", "nitro/debug-one", "tokens/gcp-debug", "tokens/maa-debug"]
)
def test_debug_mode_is_never_silent(name):
    assert verify_body(parse_vector(ALL[name]).body).debug


def test_the_nonce_in_an_unsigned_wrapper_is_not_the_signed_one():
    entry = {
        "arch": "HOPPER",
        "nonce": bind32(Channel.GPU, BINDING).hex(),
        "evidence": base64.b64encode(make_report(nonce=bytes(32))).decode(),
        "certificate": base64.b64encode(chain_pem(device_chain())).decode(),
    }
    item = KINDS[0].intake(json.dumps([entry]).encode(), [])
    with pytest.raises(EvidenceRefusedError, match="made for other runtime data"):
        require_bound(VERIFIER.verify(item, at=AT), BINDING)


def test_a_certificate_on_hold_is_no_good_one():
    answer = make_answer(
        *device_chain()[1:3],
        status=ocsp.OCSPCertStatus.REVOKED,
        reason=x509.ReasonFlags.certificate_hold,
    )
    with pytest.raises(EvidenceRefusedError, match="on hold, agreed good"):
        VERIFIER.verify(make_item(ocsp_0=answer), at=AT)


def test_counting_from_the_wrong_end_agrees_with_nothing():
    # A manifest counts from 0 and SPDM from 1; this one is right for whoever forgets it.
    shifted = make_manifest(manifest_body({4: [measurement(4)]}, version=DRIVER))
    with pytest.raises(EvidenceRefusedError, match="found 5 other than published"):
        VERIFIER.verify(make_item(driver_rim=shifted), at=AT)


def test_a_gpu_whose_firmware_nobody_compared_satisfies_no_contract():
    (facts,) = VERIFIER.verify(make_item(), at=AT).facts

    class Named:
        gpus = (facts.identity,)

    class Agreed:
        clauses = (
            replace(
                GPU_CLAUSE,
                count=1,
                architectures=frozenset({facts.architecture}),
                modes=frozenset({facts.mode}),
                serials=ANY,
            ),
        )

    with pytest.raises(EvidenceRefusedError, match="^gpu driver manifest: found none"):
        appraise_gpus((facts,), profile=Agreed, runtime=Named)
