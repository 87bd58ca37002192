# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of brokers' statements: each kind, and wrong in one way each.

Run ``python -m tests.vectors.broker.generate`` after a change of a format.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cleanroom.contract.released_keys import ReleasedKeys, seal_keys
from cleanroom.contract.state_chain import derive_head, genesis_head, next_head
from cleanroom.contract.statements import (
    Acknowledgement,
    Commit,
    DatasetRelease,
    KeyRelease,
    ReceiverReleases,
    Refusal,
    StateEntry,
    StateStep,
    Uses,
    make_acknowledgement,
    make_commit,
    make_key_release,
    make_refusal,
)
from cleanroom.envelope.dsse import sign_statement, to_json
from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from tests.support.keys import derive, signing_key
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
SEALED = DIRECTORY / "sealed-keys.base64"
NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
KEY = signing_key("vector broker")
RUN_SEED = derive("vector run")
LINEAGE = "hospital.patients"
ENTRY = Digest.of(b"sealed state entry")
OTHER = Digest.of(b"something else")
RUN = "run-00000001"
KEYS = ReleasedKeys(
    keys={LINEAGE: derive("vector data key")},
    shares={"hospital": derive("vector share"), "hospital+insurer": derive("vector share 2")},
)

RELEASE = KeyRelease(
    party="hospital",
    epoch="0123456789abcdef" * 2,
    contract=Digest.of(b"contract"),
    query=Digest.of(b"query"),
    run_request=Digest.of(b"run request"),
    run=RUN,
    runtime_data=Digest.of(b"runtime data"),
    evidence=Digest.of(b"evidence"),
    nonce=derive("vector nonce"),
    appraisal={"eat_profile": "tag:github.com,2023:veraison/ear", "iat": 1795348800},
    datasets=(
        DatasetRelease(
            lineage=LINEAGE,
            version=Digest.of(b"dataset"),
            number=2,
            key_id="ab" * 16,
            head=derive_head(LINEAGE, [ENTRY]),
            entries=(StateEntry(digest=ENTRY, owners=("hospital", "insurer")),),
        ),
    ),
    owners=("hospital", "insurer"),
    uses=Uses(used=1, limit=5),
    releases=(
        ReceiverReleases(lineage=LINEAGE, receiver="insurer", used=1, limit=9),
        ReceiverReleases(lineage=LINEAGE, receiver="*", used=1, limit=9),
    ),
    released_at=NOW,
    expires=NOW + dt.timedelta(minutes=11),
    sealed=b"",
)
COMMIT = Commit(
    party="hospital",
    epoch=RELEASE.epoch,
    run=RUN,
    runtime_data=RELEASE.runtime_data,
    receipt=Digest.of(b"receipt"),
    result=Digest.of(b"result"),
    lineages=(
        StateStep(
            lineage=LINEAGE,
            previous=genesis_head(LINEAGE),
            next=next_head(genesis_head(LINEAGE), ENTRY),
        ),
    ),
    entry=ENTRY,
    committed_at=NOW,
)
REFUSAL = Refusal(
    party="hospital",
    run=RUN,
    code="broker.nonce-used",
    message="nonce: already used by another release",
    refused_at=NOW,
)
ACKNOWLEDGEMENT = Acknowledgement(
    party="hospital",
    epoch=RELEASE.epoch,
    kind="revocation",
    document=Digest.of(b"revocation"),
    acknowledged_at=NOW,
)
Make = Callable[[Any], bytes]
KINDS: Mapping[str, tuple[Any, Make]] = {
    "key-release": (RELEASE, make_key_release),
    "commit": (COMMIT, make_commit),
    "refusal": (REFUSAL, make_refusal),
    "acknowledgement": (ACKNOWLEDGEMENT, make_acknowledgement),
}


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic except for the sealing, which is kept in a file."""
    made: dict[str, Vector] = {}
    for kind in KINDS:
        made |= {f"{kind}-{name}": vector for name, vector in _statements(kind)}
    made |= {f"keys-{name}": vector for name, vector in _keys()}
    return made


def _body(kind: str, payload: bytes, *, signer: str = "vector broker") -> dict[str, Any]:
    return {
        "kind": kind,
        "party": "hospital",
        "broker_key": encode_base64(KEY.public_key().public_bytes_raw()),
        "envelope": to_json(sign_statement(payload, signing_key(signer))),
    }


def _reworded(kind: str, payload: bytes, **changes: Any) -> bytes:
    said = parse_statement(payload, predicate_type=f"urn:cleanroom:{kind}:v0", what="statement")
    subjects = changes.pop("subjects", said.subjects)
    return make_statement(
        subjects=subjects,
        predicate_type=said.predicate_type,
        predicate={**said.predicate, **changes},
    )


def _statements(kind: str) -> Iterator[tuple[str, Vector]]:
    value, make = KINDS[kind]
    good = make(value)
    payloads = {
        "good": ("success", "as a broker signs it", good),
        "other-party": (
            "IntegrityError statement.party",
            "in another party's name",
            make(dataclasses.replace(value, party="insurer")),
        ),
        "other-subject": (
            "IntegrityError statement.subject",
            "about other bytes",
            _reworded(kind, good, subjects={"runtime-data": OTHER}),
        ),
        "unknown-key": (
            "MalformedError format.shape",
            "with a key that nobody knows",
            _reworded(kind, good, more=1),
        ),
        "other-version": (
            "MalformedError format.shape",
            "of a version that is not known",
            _reworded(kind, good, format=f"cleanroom.{kind}.v9"),
        ),
    }
    for name, (expect, comment, payload) in payloads.items():
        yield name, Vector(expect=expect, comment=comment, body=_body(kind, payload))
    yield (
        "other-key",
        Vector(
            expect="IntegrityError dsse.key",
            comment="signed by somebody else",
            body=_body(kind, good, signer="somebody else"),
        ),
    )
    if kind == "key-release":
        dataset = dataclasses.replace(value.datasets[0], entries=())
        hidden = make(dataclasses.replace(value, datasets=(dataset,)))
        yield (
            "hidden-entry",
            Vector(
                expect="IntegrityError digest.mismatch",
                comment="a history that does not lead to its head",
                body=_body(kind, hidden),
            ),
        )


def _keys() -> Iterator[tuple[str, Vector]]:
    sealed = dataclasses.replace(RELEASE, sealed=decode_base64(SEALED.read_text(), what="sealed"))
    wrong = "IntegrityError identity.sealed"
    for name, expect, comment, release, seed in (
        ("good", "success", "opens inside the runner", sealed, RUN_SEED),
        ("other-runner", wrong, "another runner's key", sealed, derive("another run")),
        ("other-run", wrong, "under another run id",
         dataclasses.replace(sealed, run="run-00000002"), RUN_SEED),
        ("later-expiry", wrong, "with a later expiry",
         dataclasses.replace(sealed, expires=NOW + dt.timedelta(days=1)), RUN_SEED),
        ("flipped", wrong, "one bit of the sealed keys changed",
         dataclasses.replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])),
         RUN_SEED),
    ):  # fmt: skip
        body = _body("key-release", make_key_release(release)) | {
            "kind": "keys",
            "hpke_seed": encode_base64(seed),
            "keys": {name: encode_base64(key) for name, key in KEYS.keys.items()},
            "shares": {name: encode_base64(share) for name, share in KEYS.shares.items()},
        }
        yield name, Vector(expect=expect, comment=comment, body=body)


def seal_anew() -> None:
    """Seal the keys again; sealing is random, so its bytes are kept in a file."""
    runner = ReceivingKey.from_seed(RUN_SEED)
    sealed = seal_keys(KEYS, release=RELEASE, hpke_key=runner.public_bytes).sealed
    SEALED.write_text(encode_base64(sealed))


if __name__ == "__main__":
    seal_anew()
    write_vectors(DIRECTORY, vectors())
