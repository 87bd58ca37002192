# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of signed documents: one scenario a file, its outcome in the first line.

Run ``write(Path("tests/vectors/documents"))`` to write them again; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from cleanroom.contract.revocation import RevocationKind
from cleanroom.contract.templates import templates
from tests.support.room_documents import build_room

# Scenario: what is replaced by what, and the outcome for ever.
_CHANGES = {
    "contract-receiver-stranger": (
        'receivers = ["insurer"]',
        'receivers = ["mallory"]',
        "contract.party",
    ),
    "contract-simulated-and-real": (
        '["simulated"]',
        '["sev-snp", "simulated"]',
        "contract.simulated",
    ),
    "contract-expires-first": ("expires = 2027", "expires = 2025", "contract.times"),
    "contract-unknown-clause": (
        "max_runs = 100",
        "max_runs = 100\nmore = 1",
        "contract.unknown-key",
    ),
    "contract-float": ("max_runs = 100", "max_runs = 100.0", "toml.float"),
    "policy-key-meets-literal": (
        '["admitted", "ward"]',
        '["patient_id"]',
        "policy.compare",
    ),
    "policy-threshold-of-two": ("units = 10\n\n# The", "units = 2\n\n# The", "policy.value"),
    "policy-measure-without-bounds": (', upper = "20000"', "", "policy.bounds"),
    "dataset-part-outside": (
        "parts/1-00000.part",
        "../../secret",
        "dataset.part-name",
    ),
    "query-code-outside": ('"query.sql"', '"../query.sql"', "query.value"),
    "query-parameter-without-domain": ('["north", "south"]', "[]", "query.value"),
    "approval-sequence-zero": ("sequence = 1", "sequence = 0", "approval.value"),
    "run-parameter-true": ("born = 1960", "born = true", "run.type"),
    "revocation-query-by-name": (
        'kind = "dataset"',
        'kind = "query"',
        "revocation.subject",
    ),
}


def vectors() -> dict[str, bytes]:
    """Return every vector by file name."""
    valid = _valid()
    found = {f"{kind}-valid.toml": _vector("accepted", data) for kind, data in valid.items()}
    found["policy-public-valid.toml"] = _vector("accepted", templates()["policy-public.toml"])
    for name, (old, new, code) in _CHANGES.items():
        data = valid[name.partition("-")[0]]
        found[f"{name}.toml"] = _vector(f"MalformedError {code}", data.replace(*_encoded(old, new)))
    return found


def write(directory: Path) -> None:
    """Write every vector into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in vectors().items():
        (directory / name).write_bytes(data)


def _vector(outcome: str, data: bytes) -> bytes:
    return f"# expect: {outcome}\n".encode() + data


def _encoded(old: str, new: str) -> tuple[bytes, bytes]:
    return old.encode(), new.encode()


def _valid() -> dict[str, bytes]:
    room = build_room()
    agreed = room.bundle.agreement
    withdrawn = room.revocation(
        "hospital", kind=RevocationKind.DATASET, subject="hospital.patients"
    )
    return {
        "contract": agreed.contract.data,
        "policy": agreed.policies["hospital.encounters"].data,
        "dataset": agreed.datasets["hospital.patients"].data,
        "query": room.bundle.query.data,
        "approval": room.bundle.approvals["hospital"].data,
        "run": room.bundle.run.data,
        "revocation": withdrawn.data,
    }
