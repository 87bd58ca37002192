# SPDX-License-Identifier: Apache-2.0
"""Measure what a broker waits for when it judges evidence.

``python bench/attestation.py`` from the repository root prints one line a kind: the
median processor time of many verifications of forged evidence below our own roots, which do exactly
the work that a vendor's do, beside one ECDSA P-384 verification of the same process.
The quote of a software TPM is measured where ``swtpm`` is installed.
"""

from __future__ import annotations

import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from cleanroom.attestation.binding import bind64  # noqa: E402
from cleanroom.attestation.evidence import EvidenceItem  # noqa: E402
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier  # noqa: E402
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier  # noqa: E402
from cleanroom.attestation.platforms.tpm.algorithms import Hash  # noqa: E402
from cleanroom.attestation.platforms.tpm.parse import PcrSelection  # noqa: E402
from cleanroom.attestation.platforms.vtpm_software.collect import (  # noqa: E402
    SoftwareTpmCollector,
)
from cleanroom.attestation.registry import STAND_ALONE  # noqa: E402
from cleanroom.kernel.clock import system_clock  # noqa: E402
from tests.support import dcap_forge, nvidia_forge, snp_forge, test_pki  # noqa: E402
from tests.support.attested_runs import make_runtime  # noqa: E402

REPEAT = 200
Case = tuple[str, float, Callable[[], object]]


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median processor time of one call; the first few are not counted."""
    for _ in range(5):
        work()
    times = []
    for _ in range(REPEAT):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000


def cases() -> Iterator[Case]:
    """List every kind with its aim in milliseconds."""
    snp, item = SnpVerifier(pins=snp_forge.all_pins()), snp_forge.make_item()
    yield "SEV-SNP report, certificate, chain", 2, lambda: snp.verify(item, at=snp_forge.AT)
    tdx, quote = TdxVerifier(pins=dcap_forge.intel().pins), _without_collateral()
    yield "TDX quote, our structural verifier", 2, lambda: tdx.verify(quote, at=dcap_forge.AT)
    gpu = nvidia_forge.make_verifier()
    report = nvidia_forge.make_item(
        driver_rim=nvidia_forge.driver_rim(), vbios_rim=nvidia_forge.vbios_rim()
    )
    yield "NVIDIA report and both manifests", 10, lambda: gpu.verify(report, at=test_pki.AT)
    if shutil.which("swtpm"):
        yield "software TPM quote", 5, _software_quote()


def _without_collateral() -> EvidenceItem:
    return replace(dcap_forge.make_item(), collateral={})


def _software_quote() -> Callable[[], object]:
    selection = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({0, 7, 14}))
    collector = SoftwareTpmCollector(selection=selection, register=14, events=())
    item = collector.collect(binding=bind64(make_runtime().raw))
    verifier = next(kind.verifier for kind in STAND_ALONE if kind.name == "vtpm-software")
    at = system_clock()
    return lambda: verifier.verify(item, at=at)


def main() -> None:
    """Print versions, the baseline, and one line a kind."""
    key = test_pki.ec_key("bench")
    signature, public = key.sign(b"m", ec.ECDSA(hashes.SHA384())), key.public_key()
    one = milliseconds(lambda: public.verify(signature, b"m", ec.ECDSA(hashes.SHA384())))
    print(f"Python {platform.python_version()}, cryptography {version('cryptography')}")
    print(f"{'one ECDSA P-384 verification':<40} {one:8.2f} ms")
    for name, aim, work in cases():
        print(f"{name:<40} {milliseconds(work):8.2f} ms   aim {aim} ms")


if __name__ == "__main__":
    main()
