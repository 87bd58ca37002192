# SPDX-License-Identifier: Apache-2.0
"""How long a verifier takes for evidence of processors: ``python bench/processors.py``.

``CASES`` names each case and makes the call to measure, so that other benchmarks can
collect them. Evidence is signed below our own roots (RSA of 2048 bits where AMD has
4096); with real evidence beside the checkout, that is measured too.
"""

from __future__ import annotations

import datetime as dt
import functools
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier  # noqa: E402
from cleanroom.attestation.platforms.sev_snp import KINDS as SNP_KINDS  # noqa: E402
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier  # noqa: E402
from cleanroom.attestation.platforms.tdx.parse import TDX_TEE  # noqa: E402
from cleanroom.attestation.platforms.tdx.structure import verify_structure  # noqa: E402
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier  # noqa: E402
from tests.support import azure_forge, dcap_forge, snp_forge  # noqa: E402

SHARED = ROOT.parent / "shared" / "vectors" / "sev-snp"
REAL_FILES = ("oak_genoa_report.bin", "oak_genoa_vcek.der", "genoa_ask_ark.pem")
REAL_AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ROUNDS = 200

Call = Callable[[], object]


def snp() -> Call:
    """One SEV-SNP report with its chain."""
    verifier = SnpVerifier(pins=snp_forge.all_pins())
    return functools.partial(verifier.verify, snp_forge.make_item(), at=snp_forge.AT)


def real_snp() -> Call:
    """One real SEV-SNP report; asks for the shared vectors."""
    report, *files = (SHARED.joinpath(name).read_bytes() for name in REAL_FILES)
    (kind,) = SNP_KINDS
    return functools.partial(kind.verifier.verify, kind.intake(report, files), at=REAL_AT)


def tdx_structure() -> Call:
    """One TDX quote by our verifier alone."""
    pins = dcap_forge.intel().pins
    quote = dcap_forge.make_quote()
    return functools.partial(verify_structure, quote, tee=TDX_TEE, pins=pins, at=dcap_forge.AT)


def tdx() -> Call:
    """One TDX quote with collateral by both verifiers."""
    verifier = TdxVerifier(pins=dcap_forge.intel().pins)
    return functools.partial(verifier.verify, dcap_forge.make_item(), at=dcap_forge.AT)


def azure() -> Call:
    """One Azure confidential VM on SEV-SNP."""
    verifier = AzureSnpVerifier(pins=snp_forge.all_pins())
    return functools.partial(verifier.verify, azure_forge.Machine().item(), at=azure_forge.AT)


CASES: Mapping[str, Callable[[], Call]] = {
    "snp": snp,
    "tdx-structure": tdx_structure,
    "tdx": tdx,
    "snp-azure-vtpm": azure,
} | ({"snp-real": real_snp} if SHARED.is_dir() else {})


def measured(call: Call, *, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median milliseconds of processor and of clock; the first run is left out."""
    call()
    taken = []
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        taken.append((time.process_time() - processor, time.perf_counter() - wall))
    processors, walls = zip(*taken, strict=True)
    return 1000 * statistics.median(processors), 1000 * statistics.median(walls)


def main() -> None:
    """Print one line a case."""
    print(f"Python {platform.python_version()}, cryptography {version('cryptography')}")
    for name, make in CASES.items():
        processor, wall = measured(make())
        print(f"{name:16} {processor:6.2f} ms of processor, {wall:6.2f} ms of clock")


if __name__ == "__main__":
    main()
