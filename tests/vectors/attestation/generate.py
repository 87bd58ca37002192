# SPDX-License-Identifier: Apache-2.0
"""Write the attestation vectors: one good run, and each single thing that can be wrong.

Run ``python -m tests.vectors.attestation.generate`` after a change of the format.
A released vector never changes; a new format version gets new ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.attestation.binding import Channel, bind32, bind64
from cleanroom.attestation.platforms.simulated.parse import encode_signed
from cleanroom.attestation.platforms.simulated.root import ROOT_NAME
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import (
    NOW,
    OTHER_RUNNER,
    RUNNER,
    make_debug_evidence,
    make_evidence,
    make_runtime,
    sign_report,
)
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
RUNTIME = make_runtime()
OTHER_RUNTIME = make_runtime(run="run-00000002")
BINDING = bind64(RUNTIME.raw)
EVIDENCE = make_evidence(RUNTIME)
PROFILE: dict[str, Any] = {
    "platforms": ["simulated"],
    "measurements": [str(RUNNER)],
    "debug": "forbidden",
    "max_evidence_age_seconds": 300,
}
GOOD: dict[str, Any] = {
    "evidence": EVIDENCE.to_json(),
    "runtime_data": RUNTIME.raw.decode(),
    "profile": PROFILE,
    "at": format_time(NOW),
}


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made = {"good": _vector("success", "an agreed simulated runner")}
    for source in (_formats, _reports, _roots, _bindings, _clauses, _times):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _vector(expect: str, comment: str, **changes: Any) -> Vector:
    return Vector(expect=expect, comment=comment, body=GOOD | changes)


def _evidence(**changes: Any) -> dict[str, Any]:
    return {"evidence": EVIDENCE.to_json() | changes}


def _report(data: bytes) -> dict[str, Any]:
    return _evidence(report=base64.b64encode(data).decode())


def _runtime(**changes: Any) -> dict[str, Any]:
    document = json.loads(RUNTIME.raw) | changes
    return {"runtime_data": canonical_json(document).decode()}


def _patched(at: int, data: bytes) -> bytes:
    return EVIDENCE.report[:at] + data + EVIDENCE.report[at + len(data) :]


def _formats() -> Iterator[tuple[str, Vector]]:
    malformed = "MalformedError"
    yield (
        "evidence-version",
        _vector(f"{malformed} attestation.version", "unknown format", **_evidence(format="v9")),
    )
    yield (
        "evidence-extra-key",
        _vector(
            f"{malformed} attestation.unknown-key", "one member too many", **_evidence(extra="")
        ),
    )
    missing = {name: value for name, value in EVIDENCE.to_json().items() if name != "collateral"}
    yield (
        "evidence-missing-key",
        _vector(f"{malformed} attestation.missing-key", "no collateral member", evidence=missing),
    )
    yield (
        "evidence-base64-bits",
        _vector(
            f"{malformed} format.base64",
            "a second spelling of the same bytes",
            **_evidence(report="AB==", collateral={}),
        ),
    )
    yield (
        "runtime-not-canonical",
        _vector(
            f"{malformed} attestation.not-canonical",
            "the same members with white space",
            runtime_data=json.dumps(json.loads(RUNTIME.raw)),
        ),
    )
    yield "runtime-float", _vector(
        f"{malformed} json.float", "a float where text belongs",
        runtime_data=RUNTIME.raw.decode().replace('"cleanroom-ra/1"', "1.5"),
    )  # fmt: skip
    yield (
        "runtime-trailing",
        _vector(
            f"{malformed} json.syntax",
            "a byte after the end",
            runtime_data=RUNTIME.raw.decode() + "}",
        ),
    )
    yield (
        "runtime-version",
        _vector(
            f"{malformed} attestation.version", "unknown version", **_runtime(v="cleanroom-ra/2")
        ),
    )
    yield "runtime-short-nonce", _vector(
        f"{malformed} attestation.length", "a nonce of 31 bytes",
        **_runtime(nonces={"hospital": base64.urlsafe_b64encode(bytes(31)).decode().rstrip("=")}),
    )  # fmt: skip
    yield (
        "runtime-no-nonce",
        _vector(f"{malformed} attestation.type", "nobody's nonce", **_runtime(nonces={})),
    )


def _reports() -> Iterator[tuple[str, Vector]]:
    for name, data in (
        ("empty", b""),
        ("truncated", EVIDENCE.report[:-1]),
        ("trailing", EVIDENCE.report + b"\0"),
    ):
        yield (
            f"report-{name}",
            _vector("MalformedError simulated.length", f"report {name}", **_report(data)),
        )
    for name, at, data, expect in (
        ("magic", 0, b"X", "MalformedError simulated.magic"),
        ("version", 15, b"1", "MalformedError simulated.magic"),
        ("unknown-flag", 16, b"\x80", "MalformedError simulated.reserved"),
        ("debug-flag", 19, b"\x01", "IntegrityError attestation.signature"),
        ("year", 20, b"\x01", "MalformedError simulated.time"),
        ("issued-at", 27, b"\x7f", "IntegrityError attestation.signature"),
        ("measurement", 28, OTHER_RUNNER.raw, "IntegrityError attestation.signature"),
        ("report-data", 60, bytes(64), "IntegrityError attestation.signature"),
        ("reserved", 127, b"\x01", "MalformedError simulated.reserved"),
        ("signature-first", 128, bytes(1), "IntegrityError attestation.signature"),
        ("signature-zero", 128, bytes(64), "IntegrityError attestation.signature"),
    ):
        yield (
            f"report-{name}",
            _vector(expect, f"{name} changed after signing", **_report(_patched(at, data))),
        )


def _roots() -> Iterator[tuple[str, Vector]]:
    key = Ed25519PrivateKey.from_private_bytes(b"A" * 32)
    supplied = ROOT_NAME + b"\0" + key.public_key().public_bytes_raw()
    signed = EVIDENCE.report[:128]
    own = sign_report(signed, collateral={"root": supplied}).to_json()
    own["report"] = base64.b64encode(signed + key.sign(signed)).decode()
    yield (
        "root-supplied",
        _vector(
            "IntegrityError digest.mismatch", "a root that the attester made itself", evidence=own
        ),
    )
    yield (
        "root-missing",
        _vector("MalformedError simulated.collateral", "no root", **_evidence(collateral={})),
    )
    yield (
        "root-and-more",
        _vector(
            "MalformedError simulated.collateral",
            "collateral that nobody asked for",
            **_evidence(collateral=EVIDENCE.to_json()["collateral"] | {"crl": ""}),
        ),
    )
    yield "root-truncated", _vector(
        "MalformedError simulated.root-length", "one byte short",
        **_evidence(collateral={"root": base64.b64encode(supplied[:-1]).decode()}),
    )  # fmt: skip


def _bindings() -> Iterator[tuple[str, Vector]]:
    for name, report_data in (
        ("other-run", bind64(OTHER_RUNTIME.raw)),
        ("unlabelled", hashlib.sha512(RUNTIME.raw).digest()),
        ("half", BINDING[:32] + bytes(32)),
        ("swapped-halves", BINDING[32:] + BINDING[:32]),
        ("gpu-channel", bind32(Channel.GPU, BINDING) + bytes(32)),
        ("zero", bytes(64)),
    ):
        signed = encode_signed(
            debug=False, issued_at=NOW, measurement=RUNNER, report_data=report_data
        )
        yield (
            f"binding-{name}",
            _vector(
                "EvidenceRefusedError attestation.binding",
                f"genuinely signed over another binding: {name}",
                evidence=sign_report(signed).to_json(),
            ),
        )
    yield (
        "binding-runtime-swapped",
        _vector(
            "EvidenceRefusedError attestation.binding",
            "good evidence shown with another run's data",
            runtime_data=OTHER_RUNTIME.raw.decode(),
        ),
    )


def _clauses() -> Iterator[tuple[str, Vector]]:
    refused = "EvidenceRefusedError attestation"
    for name, expect, change in (
        ("no-platform", f"{refused}.platform", {"platforms": []}),
        ("real-platform", f"{refused}.platform", {"platforms": ["sev-snp"]}),
        ("mixed", f"{refused}.simulated-mixed", {"platforms": ["sev-snp", "simulated"]}),
        ("no-measurement", f"{refused}.measurement", {"measurements": []}),
        ("other-measurement", f"{refused}.measurement", {"measurements": [str(OTHER_RUNNER)]}),
    ):
        yield f"clause-{name}", _vector(expect, f"clause: {name}", profile=PROFILE | change)
    debug = make_debug_evidence(RUNTIME).to_json()
    yield "debug-forbidden", _vector(f"{refused}.debug", "debug runner", evidence=debug)
    yield (
        "debug-waived",
        _vector(
            "success", "debug runner, waived", evidence=debug, profile=PROFILE | {"debug": "trial"}
        ),
    )
    yield (
        "platform-renamed",
        _vector(
            f"{refused}.platform",
            "simulated evidence that says sev-snp",
            **_evidence(platform="sev-snp"),
        ),
    )
    other = make_runtime(runner=OTHER_RUNNER)
    yield (
        "runner-word",
        _vector(
            f"{refused}.runner",
            "the runtime data names another runner than the platform",
            runtime_data=other.raw.decode(),
            evidence=make_evidence(other).to_json(),
        ),
    )
    gpu = {"leaf_serial": "0a", "spki_sha256": str(Digest.of(b"gpu"))}
    claimed = canonical_json(json.loads(RUNTIME.raw) | {"gpus": [gpu]})
    signed = encode_signed(
        debug=False, issued_at=NOW, measurement=RUNNER, report_data=bind64(claimed)
    )
    yield (
        "gpu-unproven",
        _vector(
            f"{refused}.gpus",
            "a GPU that no evidence proves",
            runtime_data=claimed.decode(),
            evidence=sign_report(signed).to_json(),
        ),
    )


def _times() -> Iterator[tuple[str, Vector]]:
    for name, at, expect in (
        ("oldest", "2026-11-22T12:05:00Z", "success"),
        ("too-old", "2026-11-22T12:05:01Z", "EvidenceRefusedError attestation.age"),
        ("earliest", "2026-11-22T11:55:00Z", "success"),
        ("from-the-future", "2026-11-22T11:54:59Z", "EvidenceRefusedError attestation.age"),
        ("before-root", "2025-12-31T23:59:59Z", "EvidenceRefusedError attestation.root-expired"),
        ("after-root", "2046-01-01T00:00:00Z", "EvidenceRefusedError attestation.root-expired"),
    ):
        yield f"time-{name}", _vector(expect, f"judged at {at}", at=at)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
