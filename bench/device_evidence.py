# SPDX-License-Identifier: Apache-2.0
"""Measure how long evidence of devices and clouds takes to verify.

``python bench/device_evidence.py`` prints one line a kind, each beside one ECDSA P-384
verification of the same process, which is what most of the time is made of. Evidence
is our own, in the size that real devices have: 64 measurements, two manifests of 64
entries. :func:`cases` gives the same work to other benchmarks.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from bench.measure import machine  # noqa: E402
from cleanroom.attestation.evidence import EvidenceItem  # noqa: E402
from cleanroom.attestation.platforms.confidential_space.verify import (  # noqa: E402
    ConfidentialSpaceVerifier,
)
from cleanroom.attestation.platforms.maa.verify import MaaVerifier  # noqa: E402
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier  # noqa: E402
from cleanroom.attestation.platforms.nvidia_gpu.nras import NrasVerifier  # noqa: E402
from tests.support import nitro_forge, nvidia_forge, token_forge  # noqa: E402
from tests.support.test_pki import AT, ec_key  # noqa: E402

Work = Callable[[], object]
MEASUREMENTS = 64
OF_THE_DRIVER = 40  # the rest are the VBIOS's; a real pair shares them likewise
LIMIT_MS = {"nvidia-gpu, report and both manifests": 10.0}


def cases() -> Mapping[str, Work]:
    """Return each kind's name and one whole verification of it."""
    return {
        "nvidia-gpu, report and both manifests": _nvidia(manifests=True),
        "nvidia-gpu, report alone": _nvidia(manifests=False),
        "nitro": _nitro(),
        "gcp-cs-jwt, below the root": _confidential_space(),
        "maa-jwt": _maa(),
        "nras-eat, one device": _nras(),
    }


def one_signature() -> Work:
    """Verify one ECDSA P-384 signature: the baseline."""
    key = ec_key("baseline")
    signature, public = key.sign(b"message", ec.ECDSA(hashes.SHA384())), key.public_key()
    return lambda: public.verify(signature, b"message", ec.ECDSA(hashes.SHA384()))


def _nvidia(*, manifests: bool) -> Work:
    values = {index: nvidia_forge.measurement(index) for index in range(1, MEASUREMENTS + 1)}
    report = nvidia_forge.make_report(measurements=values)
    rims = {
        name: nvidia_forge.make_manifest(
            nvidia_forge.manifest_body(
                {index - 1: [values[index]] for index in indices}, version=version, spare=99
            )
        )
        for name, indices, version in (
            ("driver_rim", range(1, OF_THE_DRIVER + 1), nvidia_forge.DRIVER),
            ("vbios_rim", range(OF_THE_DRIVER + 1, MEASUREMENTS), nvidia_forge.VBIOS),
        )
    }
    item = nvidia_forge.make_item(report=report, **(rims if manifests else {}))
    verifier = nvidia_forge.make_verifier()
    return lambda: verifier.verify(item, at=AT)


def _nitro() -> Work:
    verifier = NitroVerifier(root=nitro_forge.nitro_chain()[-1].pin)
    item = nitro_forge.make_item()
    return lambda: verifier.verify(item, at=AT)


def _confidential_space() -> Work:
    chain = token_forge.token_chain()
    verifier = ConfidentialSpaceVerifier(root=chain[-1].pin)
    token = token_forge.sign_token(
        token_forge.cs_claims(), token_forge.signing_rsa(), kid=None, x5c=token_forge.x5c(chain)
    )
    item = EvidenceItem(platform=verifier.platform, report=token, collateral={})
    return lambda: verifier.verify(item, at=AT)


def _maa() -> Work:
    keys = token_forge.rsa_set()
    verifier = MaaVerifier().trusting(token_forge.vouch(keys, token_forge.MAA_ISSUER))
    token = token_forge.sign_token(token_forge.maa_claims(), token_forge.signing_rsa())
    item = EvidenceItem(platform=verifier.platform, report=token, collateral={"key-set": keys})
    return lambda: verifier.verify(item, at=AT)


def _nras() -> Work:
    keys = token_forge.ec_set()
    verifier = NrasVerifier().trusting(token_forge.vouch(keys, token_forge.NRAS_ISSUER))
    item = EvidenceItem(
        platform=verifier.platform, report=token_forge.detached(), collateral={"key-set": keys}
    )
    return lambda: verifier.verify(item, at=AT)


def _milliseconds(work: Work, *, repeat: int) -> tuple[float, float]:
    """Return the median and the least processor time of one call; the first is not counted."""
    work()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times), min(times)


def main() -> None:
    """Print one line a kind."""
    baseline, _ = _milliseconds(one_signature(), repeat=200)
    print(f"one ECDSA P-384 verification: {baseline:.2f} ms of processor time")
    for name, work in cases().items():
        median, least = _milliseconds(work, repeat=50)
        limit = f", reach {LIMIT_MS[name]:.0f}" if name in LIMIT_MS else ""
        times = f"median {median:.2f} ms, least {least:.2f} ms"
        print(f"{name}: {times}{limit}, {median / baseline:.1f} signatures")
    print(", ".join(f"{name} {value}" for name, value in machine().items()))


if __name__ == "__main__":
    main()
