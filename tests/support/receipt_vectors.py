# SPDX-License-Identifier: Apache-2.0
"""Writes ``tests/vectors/receipt``: a room, one honest receipt, and lies with their outcome.

Each lie says which step must refuse it and as what, for ever. Run
``python -m tests.support.receipt_vectors`` from the root of the checkout after a
format changed; a released format never changes again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.receipt.model import Answered
from tests.support.receipt_forge import HONEST, Forge, Lies
from tests.support.receipt_room import MemoryRoom

VECTORS = Path(__file__).parents[1] / "vectors" / "receipt"
OTHER = Digest.of(b"something else")
LIES: dict[str, tuple[Lies, str, str]] = {
    "honest": (HONEST, "", ""),
    "stored": (Lies(entry=None), "", ""),
    "foreign-run-key": (Lies(signed_with="mallory"), "signature", "IntegrityError"),
    "foreign-broker-key": (
        Lies(broker_keys={"insurer": "mallory"}),
        "key releases",
        "IntegrityError",
    ),
    "other-nonce": (
        Lies(release={"hospital": {"nonce": b"m" * 32}}),
        "key releases",
        "IntegrityError",
    ),
    "other-parameters": (Lies(body={"parameters": {"since": 1}}), "request", "IntegrityError"),
    "banner-left-out": (Lies(body={"banner": ""}), "attestation", "IntegrityError"),
    "rule-left-out": (Lies(body={"checks": ()}), "rules", "RefusedError"),
    "other-receipt-countersigned": (
        Lies(commit={"hospital": {"receipt": OTHER}}),
        "countersignatures",
        "IntegrityError",
    ),
    "computed-without-entry": (
        Lies(entry=None, body={"answered": Answered.COMPUTED}),
        "history",
        "IntegrityError",
    ),
    "no-inclusion-proof": (
        Lies(commit_log={"insurer": {"proof": ()}}),
        "logs",
        "IntegrityError",
    ),
}


def files() -> dict[Path, bytes]:
    """Return every vector with its bytes."""
    forge = Forge()
    room = [
        {
            "place": place,
            "data": encode_base64(file.data),
            "signatures": {name: sig.decode() for name, sig in file.signatures.items()},
        }
        for (place, _), file in sorted(forge.documents.room.files.items())
    ]
    written = {VECTORS / "room.json": {"contract": str(forge.documents.contract), "files": room}}
    for name, (lies, step, error) in LIES.items():
        receipt = encode_base64(Forge(lies=lies).receipt())
        expect = {"step": step, "error": error}
        written[VECTORS / f"{name}.json"] = {"expect": expect, "receipt": receipt}
    return {path: (json.dumps(value, indent=1) + "\n").encode() for path, value in written.items()}


def load(name: str) -> dict[str, Any]:
    """Read one vector."""
    value: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return value


def load_room() -> tuple[MemoryRoom, Digest]:
    """Read the room, and the digest of its contract."""
    value, room = load("room"), MemoryRoom()
    for item in value["files"]:
        signatures = {name: sig.encode() for name, sig in item["signatures"].items()}
        data = decode_base64(item["data"], what="vector")
        room.put(item["place"], SignedFile(data=data, signatures=signatures))
    return room, Digest.parse(value["contract"])


if __name__ == "__main__":
    VECTORS.mkdir(parents=True, exist_ok=True)
    for path, data in files().items():
        path.write_bytes(data)
