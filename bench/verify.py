# SPDX-License-Identifier: Apache-2.0
"""Measure what an auditor and a broker wait for: verification and logging.

``python bench/verify.py`` from the repository root prints one line a measure, each beside
one Ed25519 verification of the same process, which is what most of the time is made of.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

import cleanroom  # noqa: E402
from cleanroom.attestation.appraisal import appraise  # noqa: E402
from cleanroom.attestation.binding import bind64  # noqa: E402
from cleanroom.attestation.evidence import encode_evidence, parse_evidence  # noqa: E402
from cleanroom.attestation.measurement import measure_runner  # noqa: E402
from cleanroom.attestation.runtime_data import parse_runtime_data  # noqa: E402
from cleanroom.attestation.trust import trust_for  # noqa: E402
from cleanroom.attestation.verifier import verify_evidence  # noqa: E402
from cleanroom.ledger.audit import audit_log  # noqa: E402
from cleanroom.ledger.inclusion import verify_entry  # noqa: E402
from cleanroom.ledger.log import TileLog  # noqa: E402
from cleanroom.receipt.verify import verify_receipt  # noqa: E402
from tests.support.attested_runs import NOW, make_evidence, make_profile, make_runtime  # noqa: E402
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY  # noqa: E402
from tests.support.receipt_forge import Forge  # noqa: E402

ENTRIES = 600
START_UP = "import cleanroom.receipt.verify"


def milliseconds(work: Callable[[], object], *, repeat: int) -> float:
    """Return the median time of one call; the first is not counted."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def one_signature() -> Callable[[], object]:
    """Verify one Ed25519 signature: the baseline."""
    key = Ed25519PrivateKey.generate()
    signature, public = key.sign(b"message"), key.public_key()
    return lambda: public.verify(signature, b"message")


def evidence_line() -> Callable[[], object]:
    """Go from wire bytes to an attestation result, as a broker does."""
    runtime, profile = make_runtime(), make_profile()
    wire = encode_evidence(make_evidence(runtime))

    def work() -> None:
        received = parse_runtime_data(runtime.raw)
        claims = verify_evidence(
            parse_evidence(wire), binding=bind64(received.raw), at=NOW, trust=trust_for(profile)
        )
        appraise(claims, profile=profile, runtime=received, at=NOW)

    return work


def receipt_line() -> Callable[[], object]:
    """Verify a whole receipt of two owners against a room in memory."""
    forge = Forge()
    data, room, trust = forge.receipt(), forge.room, forge.documents.pins
    return lambda: verify_receipt(data, room=room, trust=trust)


def start_up(code: str) -> Callable[[], object]:
    """Start an interpreter that runs one line."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def measure_log(directory: Path) -> list[tuple[str, float]]:
    """Append durably, prove, verify and audit."""
    with TileLog(directory, origin=ORIGIN, key=KEY) as log:
        append = milliseconds(lambda: log.append(b"x" * 72), repeat=ENTRIES)
        prove = milliseconds(lambda: log.logged(ENTRIES // 3), repeat=50)
        logged = log.logged(ENTRIES // 3)

    def check() -> None:
        verify_entry(
            b"x" * 72,
            index=logged.index,
            proof=logged.proof,
            checkpoint=logged.checkpoint,
            origin=ORIGIN,
            public_key=PUBLIC_KEY,
        )

    audit = milliseconds(
        lambda: audit_log(directory, origin=ORIGIN, public_key=PUBLIC_KEY), repeat=10
    )
    return [
        ("log: append one entry, durable", append),
        (f"log: prove one of {ENTRIES} entries", prove),
        ("log: verify checkpoint and proof", milliseconds(check, repeat=200)),
        (f"log: audit {ENTRIES} entries", audit),
    ]


def measures() -> list[tuple[str, float]]:
    """Run everything once."""
    package = Path(cleanroom.__file__).parent
    versions = {"cryptography": version("cryptography")}
    with tempfile.TemporaryDirectory() as directory:
        logs = measure_log(Path(directory) / "log")
    return [
        ("one Ed25519 verification", milliseconds(one_signature(), repeat=500)),
        ("evidence to attestation result", milliseconds(evidence_line(), repeat=200)),
        ("receipt, all steps, offline", milliseconds(receipt_line(), repeat=20)),
        *logs,
        (
            "measure this runner",
            milliseconds(
                lambda: measure_runner(package, distributions=versions, python_version="3.11"),
                repeat=10,
            ),
        ),
        ("start-up: bare interpreter", milliseconds(start_up("pass"), repeat=7)),
        ("start-up: with the verifier", milliseconds(start_up(START_UP), repeat=7)),
    ]


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    results = measures()
    baseline = results[0][1]
    for name, taken in results:
        print(f"{name:36} {taken:9.3f} ms {taken / baseline:9.1f} x")


if __name__ == "__main__":
    main()
