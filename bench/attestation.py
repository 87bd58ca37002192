# SPDX-License-Identifier: Apache-2.0
"""Measure what a broker waits for when it judges evidence.

``python bench/attestation.py`` from the repository root prints one line a kind. Each
verification is timed in turn with one ECDSA P-384 verification of the same process, in
processor time: the ratio says how much is ours, whatever else the machine does. *first*
pays for every signature of every certificate; *again* is what a process pays that judged
a certificate of the same issuers before (a run's second GPU, a broker's second run).

Forged evidence is signed below our own roots and has the size of a real one: 64
measurements, two manifests of 64 entries. Real evidence is measured where it lies beside
the checkout, the quote of a software TPM where ``swtpm`` is installed.
"""

from __future__ import annotations

import datetime as dt
import functools
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from bench.measure import machine  # noqa: E402
from cleanroom.attestation.binding import bind64  # noqa: E402
from cleanroom.attestation.certificates import forget_issued  # noqa: E402
from cleanroom.attestation.evidence import EvidenceItem  # noqa: E402
from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier  # noqa: E402
from cleanroom.attestation.platforms.confidential_space.verify import (  # noqa: E402
    ConfidentialSpaceVerifier,
)
from cleanroom.attestation.platforms.maa.verify import MaaVerifier  # noqa: E402
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier  # noqa: E402
from cleanroom.attestation.platforms.nvidia_gpu.manifest import forget_manifests  # noqa: E402
from cleanroom.attestation.platforms.nvidia_gpu.nras import NrasVerifier  # noqa: E402
from cleanroom.attestation.platforms.sev_snp import KINDS as SNP_KINDS  # noqa: E402
from cleanroom.attestation.platforms.sev_snp.vek import forget_veks  # noqa: E402
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier  # noqa: E402
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier  # noqa: E402
from cleanroom.attestation.platforms.tpm.algorithms import Hash  # noqa: E402
from cleanroom.attestation.platforms.tpm.parse import PcrSelection  # noqa: E402
from cleanroom.attestation.platforms.vtpm_software.collect import (  # noqa: E402
    SoftwareTpmCollector,
)
from cleanroom.attestation.registry import STAND_ALONE  # noqa: E402
from cleanroom.kernel.clock import system_clock  # noqa: E402
from tests.support import (  # noqa: E402
    azure_forge,
    dcap_forge,
    nitro_forge,
    nvidia_forge,
    real_devices,
    snp_forge,
    test_pki,
    token_forge,
)
from tests.support.attested_runs import make_runtime  # noqa: E402
from tests.support.shared_vectors import VECTORS  # noqa: E402

ROUNDS = 100
SIGNATURES = 5  # verifications of the baseline in one timing, so that the clock's step is small
MEASUREMENTS = 64
OF_THE_DRIVER = 40  # the rest are the VBIOS's; a real pair shares them likewise
REAL_SNP = ("oak_genoa_report.bin", "oak_genoa_vcek.der", "genoa_ask_ark.pem")
REAL_SNP_AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of evidence.

    Attributes:
        name: What is verified.
        reach: Milliseconds to stay below, or 0 where none was set.
        make: Makes the evidence and returns one whole verification of it.
    """

    name: str
    reach: int
    make: Callable[[], Work]


def cases() -> Iterator[Case]:
    """List every kind that can be measured here."""
    yield Case(name="SEV-SNP report, certificate, chain", reach=2, make=_snp)
    yield Case(name="Azure VM on SEV-SNP", reach=0, make=_azure)
    yield Case(name="TDX quote, our structural verifier", reach=2, make=_tdx_structure)
    yield Case(name="TDX quote, collateral, both verifiers", reach=0, make=_tdx)
    yield Case(name="NVIDIA report, both manifests", reach=10, make=_nvidia)
    yield Case(name="NVIDIA report alone", reach=0, make=_nvidia_alone)
    yield Case(name="Nitro document", reach=0, make=_nitro)
    yield Case(name="Confidential Space token", reach=0, make=_confidential_space)
    yield Case(name="Microsoft Azure Attestation token", reach=0, make=_maa)
    yield Case(name="NVIDIA remote token, one device", reach=0, make=_nras)
    if shutil.which("swtpm"):
        yield Case(name="software TPM quote", reach=5, make=_software_quote)
    if VECTORS.is_dir():
        yield Case(name="real SEV-SNP (Genoa)", reach=2, make=_real_snp)
        yield Case(name="real NVIDIA (H100), both manifests", reach=10, make=_real_nvidia)


def one_signature() -> Work:
    """Verify one ECDSA P-384 signature: the baseline."""
    key = test_pki.ec_key("baseline")
    signature, public = key.sign(b"message", ec.ECDSA(hashes.SHA384())), key.public_key()
    return lambda: public.verify(signature, b"message", ec.ECDSA(hashes.SHA384()))


def _snp() -> Work:
    verifier = SnpVerifier(pins=snp_forge.all_pins())
    return functools.partial(verifier.verify, snp_forge.make_item(), at=snp_forge.AT)


def _real_snp() -> Work:
    report, *files = (VECTORS.joinpath("sev-snp", name).read_bytes() for name in REAL_SNP)
    (kind,) = SNP_KINDS
    return functools.partial(kind.verifier.verify, kind.intake(report, files), at=REAL_SNP_AT)


def _azure() -> Work:
    verifier = AzureSnpVerifier(pins=snp_forge.all_pins())
    return functools.partial(verifier.verify, azure_forge.Machine().item(), at=azure_forge.AT)


def _tdx_structure() -> Work:
    verifier = TdxVerifier(pins=dcap_forge.intel().pins)
    item = replace(dcap_forge.make_item(), collateral={})
    return functools.partial(verifier.verify, item, at=dcap_forge.AT)


def _tdx() -> Work:
    verifier = TdxVerifier(pins=dcap_forge.intel().pins)
    return functools.partial(verifier.verify, dcap_forge.make_item(), at=dcap_forge.AT)


def _nvidia() -> Work:
    values = {index: nvidia_forge.measurement(index) for index in range(1, MEASUREMENTS + 1)}
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
    report = nvidia_forge.make_report(measurements=values)
    item = nvidia_forge.make_item(report=report, **rims)
    return functools.partial(nvidia_forge.make_verifier().verify, item, at=test_pki.AT)


def _nvidia_alone() -> Work:
    item = nvidia_forge.make_item()
    return functools.partial(nvidia_forge.make_verifier().verify, item, at=test_pki.AT)


def _real_nvidia() -> Work:
    item = real_devices.complete_device()
    at = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    return functools.partial(real_devices.GPU.verifier.verify, item, at=at)


def _nitro() -> Work:
    verifier = NitroVerifier(root=nitro_forge.nitro_chain()[-1].pin)
    return functools.partial(verifier.verify, nitro_forge.make_item(), at=test_pki.AT)


def _confidential_space() -> Work:
    chain = token_forge.token_chain()
    verifier = ConfidentialSpaceVerifier(root=chain[-1].pin)
    token = token_forge.sign_token(
        token_forge.cs_claims(), token_forge.signing_rsa(), kid=None, x5c=token_forge.x5c(chain)
    )
    item = EvidenceItem(platform=verifier.platform, report=token, collateral={})
    return functools.partial(verifier.verify, item, at=test_pki.AT)


def _maa() -> Work:
    keys = token_forge.rsa_set()
    verifier = MaaVerifier().trusting(token_forge.vouch(keys, token_forge.MAA_ISSUER))
    token = token_forge.sign_token(token_forge.maa_claims(), token_forge.signing_rsa())
    item = EvidenceItem(platform=verifier.platform, report=token, collateral={"key-set": keys})
    return functools.partial(verifier.verify, item, at=test_pki.AT)


def _nras() -> Work:
    keys = token_forge.ec_set()
    verifier = NrasVerifier().trusting(token_forge.vouch(keys, token_forge.NRAS_ISSUER))
    item = EvidenceItem(
        platform=verifier.platform, report=token_forge.detached(), collateral={"key-set": keys}
    )
    return functools.partial(verifier.verify, item, at=test_pki.AT)


def _software_quote() -> Work:
    selection = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({0, 7, 14}))
    collector = SoftwareTpmCollector(selection=selection, register=14, events=())
    item = collector.collect(binding=bind64(make_runtime().raw))
    verifier = next(kind.verifier for kind in STAND_ALONE if kind.name == "vtpm-software")
    return functools.partial(verifier.verify, item, at=system_clock())


def _processor_time(work: Work, *, times: int = 1) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) * 1000 / times


def measured(work: Work, baseline: Work, *, first: bool) -> tuple[float, float, float]:
    """Return median and least milliseconds, and the median ratio to the baseline in turn."""
    work()
    taken, ratios = [], []
    for _ in range(ROUNDS):
        if first:
            for forget in (forget_issued, forget_manifests, forget_veks):
                forget()
        taken.append(_processor_time(work))
        ratios.append(taken[-1] / _processor_time(baseline, times=SIGNATURES))
    return statistics.median(taken), min(taken), statistics.median(ratios)


def main() -> None:
    """Print the baseline and one line a kind."""
    baseline = one_signature()
    median, least, _ = measured(baseline, baseline, first=False)
    print(f"one ECDSA P-384 verification: median {median:.2f} ms, least {least:.2f} ms")
    print(f"{'median (least) ms, signatures':<40} {'first':>22} {'again':>22}  reach")
    for case in cases():
        work = case.make()
        columns = [
            "{:6.2f} ({:5.2f}) {:6.1f}".format(*measured(work, baseline, first=first))
            for first in (True, False)
        ]
        reach = f"{case.reach} ms" if case.reach else ""
        print(f"{case.name:<40} {columns[0]:>22} {columns[1]:>22}  {reach}")
    print(", ".join(f"{name} {value}" for name, value in machine().items()))


if __name__ == "__main__":
    main()
