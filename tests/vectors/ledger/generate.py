# SPDX-License-Identifier: Apache-2.0
"""Write the log vectors: entries, proofs and checkpoints, good and wrong in one way each.

Run ``python -m tests.vectors.ledger.generate`` after a change of the format.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.kernel.digest import Digest
from cleanroom.ledger.checkpoint import Checkpoint
from cleanroom.ledger.note import sign_note
from tests.support.logs import (
    KEY,
    ORIGIN,
    PUBLIC_KEY,
    reference_consistency,
    reference_path,
    reference_root,
)
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
ENTRIES = [f"{Digest.of(b'statement %d' % index)}\n".encode() for index in range(11)]
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"O" * 32)
INDEX, SIZE, OLD_SIZE = 4, 11, 6


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    for source in (_entries, _checkpoints, _growth):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _note(*, size: int = SIZE, entries: list[bytes] = ENTRIES) -> bytes:
    root = reference_root(entries[:size])
    return Checkpoint(origin=ORIGIN, size=size, root=root).sign(KEY)


def _proof(hashes: list[bytes]) -> list[str]:
    return [value.hex() for value in hashes]


def _entry(expect: str, comment: str, **changes: Any) -> Vector:
    good = {
        "kind": "entry",
        "origin": ORIGIN,
        "public_key": PUBLIC_KEY.hex(),
        "entry": ENTRIES[INDEX].decode(),
        "index": INDEX,
        "proof": _proof(reference_path(INDEX, ENTRIES)),
        "checkpoint": _note().decode(),
    }
    return Vector(expect=expect, comment=comment, body=good | changes)


def _entries() -> Iterator[tuple[str, Vector]]:
    proof = _proof(reference_path(INDEX, ENTRIES))
    wrong = "IntegrityError ledger.inclusion"
    yield "entry-good", _entry("success", "an entry in a signed tree")
    yield "entry-only", _entry(
        "success", "the only entry of a log", index=0, proof=[], entry=ENTRIES[0].decode(),
        checkpoint=_note(size=1).decode(),
    )  # fmt: skip
    yield "entry-changed", _entry(wrong, "another entry", entry=ENTRIES[5].decode())
    yield "entry-no-newline", _entry(wrong, "one byte less", entry=ENTRIES[INDEX].decode()[:-1])
    yield "entry-neighbour", _entry(wrong, "the index beside it", index=INDEX + 1)
    yield "entry-outside", _entry("MalformedError ledger.index", "no such index", index=SIZE)
    yield "entry-negative", _entry("MalformedError ledger.size", "negative index", index=-1)
    yield "proof-short", _entry(wrong, "proof without its end", proof=proof[:-1])
    yield "proof-long", _entry(wrong, "proof with one hash more", proof=[*proof, proof[0]])
    yield "proof-reordered", _entry(wrong, "two hashes swapped", proof=[*proof[1::-1], *proof[2:]])
    yield "proof-empty", _entry(wrong, "no proof", proof=[])
    yield (
        "proof-hash-length",
        _entry(
            "MalformedError ledger.hash", "a hash of 31 bytes", proof=[proof[0][2:], *proof[1:]]
        ),
    )
    yield "proof-other-tree", _entry(
        wrong, "a proof for the tree one entry before",
        proof=_proof(reference_path(INDEX, ENTRIES[:-1])),
    )  # fmt: skip


def _checkpoints() -> Iterator[tuple[str, Vector]]:
    text, _, line = _note().decode().rpartition("\n\n")
    root = base64.b64encode(reference_root(ENTRIES)).decode()
    witness = sign_note(f"{text}\n", name="witness", key=OTHER_KEY).decode().rpartition("\n\n")[2]
    forged = Checkpoint(origin=ORIGIN, size=SIZE, root=reference_root(ENTRIES)).sign(OTHER_KEY)
    for name, expect, comment, note in (
        ("witnessed", "success", "a witness signed too", f"{text}\n\n{line}{witness}"),
        ("by-other-key", "IntegrityError ledger.unsigned", "same name, other key", forged.decode()),
        ("unsigned", "MalformedError ledger.note", "no signature line", f"{text}\n\n"),
        ("only-witness", "IntegrityError ledger.unsigned", "not the log", f"{text}\n\n{witness}"),
        ("twice", "MalformedError ledger.signature-twice", "key twice", f"{text}\n\n{line * 2}"),
        ("crlf", "MalformedError ledger.control", "carriage returns",
         f"{text}\n\n{line}".replace("\n", "\r\n")),
    ):  # fmt: skip
        yield f"checkpoint-{name}", _entry(expect, comment, checkpoint=note)
    for name, expect, comment, body in (
        ("size", "IntegrityError ledger.signature", "size changed after signing",
         f"{text}\n\n{line}".replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n")),
        ("leading-zero", "MalformedError ledger.checkpoint", "a size with a leading zero",
         _signed(f"{ORIGIN}\n0{SIZE}\n{root}\n")),
        ("extension", "MalformedError ledger.checkpoint", "an extension line",
         _signed(f"{ORIGIN}\n{SIZE}\n{root}\nmore\n")),
        ("other-origin", "IntegrityError ledger.origin", "the text of another log",
         _signed(f"cleanroom/log/v0/insurer\n{SIZE}\n{root}\n")),
        ("short-root", "MalformedError ledger.checkpoint", "a root of 30 bytes",
         _signed(f"{ORIGIN}\n{SIZE}\n{root[:-4]}\n")),
        ("empty-tree", "MalformedError ledger.checkpoint", "a root over no entries",
         _signed(f"{ORIGIN}\n0\n{root}\n")),
    ):  # fmt: skip
        yield f"checkpoint-{name}", _entry(expect, comment, checkpoint=body)


def _signed(text: str) -> str:
    return sign_note(text, name=ORIGIN, key=KEY).decode()


def _growth() -> Iterator[tuple[str, Vector]]:
    rewritten = [*ENTRIES[:2], b"rewritten\n", *ENTRIES[3:]]
    proof = _proof(reference_consistency(OLD_SIZE, ENTRIES))
    good = {
        "kind": "growth",
        "origin": ORIGIN,
        "public_key": PUBLIC_KEY.hex(),
        "old": _note(size=OLD_SIZE).decode(),
        "new": _note().decode(),
        "proof": proof,
    }
    wrong = "IntegrityError ledger.consistency"
    for name, expect, comment, change in (
        ("good", "success", "the log grew", {}),
        ("same", "success", "the log stayed", {"new": good["old"], "proof": []}),
        ("from-empty", "success", "from no entries", {"old": _note(size=0).decode(), "proof": []}),
        ("shrank", wrong, "the log shrank", {"old": good["new"], "new": good["old"]}),
        ("rewritten", wrong, "an old entry was rewritten",
         {"new": _note(entries=rewritten).decode(),
          "proof": _proof(reference_consistency(OLD_SIZE, rewritten))}),
        ("split-view", wrong, "two trees of one size",
         {"old": _note(entries=rewritten).decode(), "proof": []}),
        ("proof-short", wrong, "proof without its end", {"proof": proof[:-1]}),
        ("proof-long", wrong, "one hash more", {"proof": [*proof, proof[0]]}),
        ("proof-empty", wrong, "no proof", {"proof": []}),
        ("needless-proof", wrong, "a proof where none is needed", {"new": good["old"]}),
    ):  # fmt: skip
        yield f"growth-{name}", Vector(expect=expect, comment=comment, body=good | change)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
