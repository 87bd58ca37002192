# SPDX-License-Identifier: Apache-2.0
"""Measure what an auditor and a broker wait for: verification and logging.

Each beside one Ed25519 verification of the same process, which is what most of the time is
made of.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import cleanroom
from bench.measure import Case, Report, Settings, Taken, Work, compare
from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import encode_evidence, parse_evidence
from cleanroom.attestation.measurement import measure_runner
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.ledger.audit import audit_log
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.log import TileLog
from cleanroom.receipt.verify import verify_receipt
from tests.support.attested_runs import NOW, make_evidence, make_profile, make_runtime
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY
from tests.support.receipt_forge import Forge

ROOT = Path(__file__).parents[1]
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


def measure_verify(settings: Settings) -> Report:
    """Measure everything beside one signature; start-up beside the bare interpreter."""
    one = one_signature()
    works = {
        "evidence to attestation result": (evidence_line(), 200),
        "receipt, all steps, offline": (receipt_line(), 20),
        "measure this runner": (_measured, 10),
    }
    cases = [
        _each(name, work, one, settings=settings, repeat=repeat)
        for name, (work, repeat) in works.items()
    ]
    bare, verifier = start_up("pass"), start_up(START_UP)
    ways = {"bare interpreter": bare, "with the verifier": verifier}
    cases.append(compare("start-up", ways, times=settings.times))
    with tempfile.TemporaryDirectory() as directory:
        figures = dict(measure_log(Path(directory) / "log"))
    return Report(
        title="verify",
        data=f"A receipt of two owners; a log of {ENTRIES} entries.",
        cases=tuple(cases),
        figures={name: f"{taken:.3f} ms" for name, taken in figures.items()},
    )


def _each(name: str, work: Work, one: Work, *, settings: Settings, repeat: int) -> Case:
    def shared(taken: Taken) -> Taken:
        return Taken(wall=taken.wall / repeat, processor=taken.processor / repeat)

    ways = {"one Ed25519 verification": _repeated(one, repeat), "ours": _repeated(work, repeat)}
    case = compare(name, ways, times=settings.times)
    return replace(case, runs={way: tuple(map(shared, runs)) for way, runs in case.runs.items()})


def _repeated(work: Work, times: int) -> Work:
    def repeated() -> None:
        for _ in range(times):
            work()

    return repeated


def _measured() -> object:
    package = Path(cleanroom.__file__).parent
    versions = {"cryptography": version("cryptography")}
    return measure_runner(package, distributions=versions, python_version="3.11")
