# SPDX-License-Identifier: Apache-2.0
"""Requests to a key broker and its unsigned answers, as bytes.

The same bytes go over a Unix socket and over HTTP. Each reader checks the size
first, then the shape, and converts nothing: see ``docs/protocol/broker-http.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    ReleaseRequest,
)
from cleanroom.contract.bundle import decode_bundle, encode_bundle
from cleanroom.contract.statement_wire import StateStepWire, step_from_wire, step_to_json
from cleanroom.contract.types import LINEAGE, NAME, RUN, require_form
from cleanroom.envelope.dsse import Envelope, parse_envelope, to_json
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.clock import format_time, parse_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import (
    MAX_BUNDLE_BYTES,
    MAX_ENVELOPE_BYTES,
    MAX_EVIDENCE_BYTES,
    MAX_RECEIPT_BYTES,
    MAX_RUNTIME_DATA_BYTES,
    MAX_STATE_ENTRY_BYTES,
    MIB,
)
from cleanroom.kernel.strict_base64 import decode_base64, decode_long_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

MAX_SMALL_REQUEST_BYTES = 4096
MAX_RELEASE_REQUEST_BYTES = (
    4 * (MAX_BUNDLE_BYTES + MAX_RUNTIME_DATA_BYTES + MAX_EVIDENCE_BYTES) // 3 + 4096
)
MAX_COMMIT_HEAD_BYTES = 2 * MAX_RECEIPT_BYTES
MAX_COMMIT_REQUEST_BYTES = MAX_COMMIT_HEAD_BYTES + 1 + MAX_STATE_ENTRY_BYTES
MAX_STATUS_BYTES = 1 * MIB
MAX_COMMITS_BYTES = 64 * MIB
# What a history holds is asked for in one request, unless it is longer or larger than this.
MAX_ENTRIES_AT_ONCE = 256
MAX_ENTRIES_REQUEST_BYTES = 128 * MAX_ENTRIES_AT_ONCE
MAX_ENTRIES_BYTES = MAX_STATE_ENTRY_BYTES + 32 * MAX_ENTRIES_AT_ONCE
ENTRIES_BYTES_AT_ONCE = 16 * MIB
NONCE_BYTES = 32


class _ChallengeRequestWire(WireModel):
    format: Literal["cleanroom.challenge-request.v0"]
    contract: str
    run: str


class _ChallengeWire(WireModel):
    format: Literal["cleanroom.challenge.v0"]
    party: str
    nonce: str
    expires: str


class _ReleaseRequestWire(WireModel):
    format: Literal["cleanroom.release-request.v0"]
    bundle: str
    runtime_data: str
    evidence: str


class _CommitRequestWire(WireModel):
    format: Literal["cleanroom.commit-request.v0"]
    run: str
    receipt: dict[str, Any]
    lineages: list[StateStepWire]
    entry: str
    owners: list[str]


class _CommitsWire(WireModel):
    format: Literal["cleanroom.commits.v0"]
    commits: list[dict[str, Any]]


class _EntriesRequestWire(WireModel):
    format: Literal["cleanroom.entries-request.v0"]
    entries: list[str]


class _EntriesWire(WireModel):
    format: Literal["cleanroom.entries.v0"]
    sizes: list[int]


class _StatusWire(WireModel):
    format: Literal["cleanroom.broker-status.v0"]
    party: str
    document: str
    epoch: str
    time: str
    log_size: int
    heads: dict[str, str]


# What the public description of a broker's places is made of.
CHALLENGE_REQUEST, CHALLENGE = _ChallengeRequestWire, _ChallengeWire
RELEASE_REQUEST, COMMITS, STATUS = _ReleaseRequestWire, _CommitsWire, _StatusWire
ENTRIES_REQUEST = _EntriesRequestWire


def encode_challenge_request(request: ChallengeRequest) -> bytes:
    """Write a request for a nonce."""
    return canonical_json(
        {
            "format": "cleanroom.challenge-request.v0",
            "contract": str(request.contract),
            "run": request.run,
        }
    )


def decode_challenge_request(data: bytes) -> ChallengeRequest:
    """Read a request for a nonce.

    Raises:
        MalformedError: Not of this shape.
    """
    what = "challenge request"
    value = parse_json(data, what=what, limit=MAX_SMALL_REQUEST_BYTES)
    wire = validate_shape(_ChallengeRequestWire, value, what=what)
    return ChallengeRequest(
        contract=Digest.parse(wire.contract, what=f"{what} contract"),
        run=require_run(wire.run, what=what),
    )


def encode_challenge(challenge: Challenge) -> bytes:
    """Write a nonce."""
    return canonical_json(
        {
            "format": "cleanroom.challenge.v0",
            "party": challenge.party,
            "nonce": encode_base64(challenge.nonce),
            "expires": format_time(challenge.expires),
        }
    )


def decode_challenge(data: bytes) -> Challenge:
    """Read a nonce.

    Raises:
        MalformedError: Not of this shape, or a nonce of another length.
    """
    value = parse_json(data, what="challenge", limit=MAX_SMALL_REQUEST_BYTES)
    wire = validate_shape(_ChallengeWire, value, what="challenge")
    nonce = decode_base64(wire.nonce, what="challenge nonce")
    if len(nonce) != NONCE_BYTES:
        raise MalformedError(f"challenge nonce: not {NONCE_BYTES} bytes", code="broker.nonce-form")
    return Challenge(
        party=wire.party, nonce=nonce, expires=parse_time(wire.expires, what="challenge expiry")
    )


def encode_release_request(request: ReleaseRequest) -> bytes:
    """Write a request for keys."""
    return canonical_json(
        {
            "format": "cleanroom.release-request.v0",
            "bundle": encode_base64(encode_bundle(request.bundle)),
            "runtime_data": encode_base64(request.runtime_data),
            "evidence": encode_base64(request.evidence),
        }
    )


def decode_release_request(data: bytes) -> ReleaseRequest:
    """Read a request for keys; nothing in it is verified.

    Raises:
        MalformedError: Not of this shape.
    """
    what = "release request"
    value = parse_json(data, what=what, limit=MAX_RELEASE_REQUEST_BYTES)
    wire = validate_shape(_ReleaseRequestWire, value, what=what)
    return ReleaseRequest(
        bundle=decode_bundle(decode_long_base64(wire.bundle, what=f"{what} bundle")),
        runtime_data=decode_base64(wire.runtime_data, what=f"{what} runtime data"),
        evidence=decode_base64(wire.evidence, what=f"{what} evidence"),
    )


def encode_commit_request(request: CommitRequest) -> bytes:
    """Write a request for a countersignature: a line of JSON, then the sealed entry."""
    head: dict[str, JSONValue] = {
        "format": "cleanroom.commit-request.v0",
        "run": request.run,
        "receipt": to_json(request.receipt),
        "lineages": [step_to_json(step) for step in request.lineages],
        "entry": "none" if request.entry is None else "follows",
        "owners": list(request.owners),
    }
    return canonical_json(head) + b"\n" + (request.entry or b"")


def decode_commit_request(
    data: bytes, *, entry_limit: int = MAX_STATE_ENTRY_BYTES
) -> CommitRequest:
    """Read a request for a countersignature; nothing in it is verified.

    Raises:
        MalformedError: Not of this shape, or an entry where none was announced.
    """
    what = "commit request"
    head, newline, entry = data.partition(b"\n")
    value = parse_json(head, what=what, limit=MAX_COMMIT_HEAD_BYTES)
    wire = validate_shape(_CommitRequestWire, value, what=what)
    if not newline or wire.entry != ("follows" if entry else "none"):
        raise MalformedError(
            f"{what}: the entry does not follow as announced", code="broker.entry-form"
        )
    if len(entry) > entry_limit:
        raise MalformedError(f"{what}: state entry over its limit", code="format.oversize")
    return CommitRequest(
        run=require_run(wire.run, what=what),
        receipt=parse_envelope(wire.receipt, what="receipt", limit=MAX_RECEIPT_BYTES),
        lineages=tuple(step_from_wire(step, what=what) for step in wire.lineages),
        entry=entry or None,
        owners=tuple(wire.owners),
    )


def encode_commits(commits: Sequence[Envelope]) -> bytes:
    """Write commits that moved one lineage, oldest first."""
    return canonical_json(
        {"format": "cleanroom.commits.v0", "commits": [to_json(item) for item in commits]}
    )


def decode_commits(data: bytes) -> tuple[Envelope, ...]:
    """Read commits; verify each with ``statements.verify_commit``.

    Raises:
        MalformedError: Not of this shape.
    """
    what = "commits"
    value = parse_json(data, what=what, limit=MAX_COMMITS_BYTES)
    wire = validate_shape(_CommitsWire, value, what=what)
    return tuple(parse_envelope(item, what=what, limit=MAX_ENVELOPE_BYTES) for item in wire.commits)


def encode_entries_request(digests: Sequence[Digest]) -> bytes:
    """Write a request for state entries."""
    return canonical_json(
        {
            "format": "cleanroom.entries-request.v0",
            "entries": [str(digest) for digest in digests],
        }
    )


def decode_entries_request(data: bytes) -> tuple[Digest, ...]:
    """Read which state entries are asked for, each once.

    Raises:
        MalformedError: Not of this shape, none, too many, or one of them twice.
    """
    what = "entries request"
    value = parse_json(data, what=what, limit=MAX_ENTRIES_REQUEST_BYTES)
    wire = validate_shape(_EntriesRequestWire, value, what=what)
    digests = tuple(Digest.parse(text, what=what) for text in wire.entries)
    if not 1 <= len(digests) <= MAX_ENTRIES_AT_ONCE or len(set(digests)) < len(digests):
        raise MalformedError(
            f"{what}: not 1 to {MAX_ENTRIES_AT_ONCE} entries, each once", code="broker.entries-form"
        )
    return digests


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Write state entries: a line of JSON with their sizes, then one after the other."""
    sizes: list[JSONValue] = [len(entry) for entry in entries]
    head = canonical_json({"format": "cleanroom.entries.v0", "sizes": sizes})
    return b"".join((head, b"\n", *entries))


def decode_entries(data: bytes) -> tuple[bytes, ...]:
    """Read state entries; compare each with the digest that was asked for.

    Raises:
        MalformedError: Not of this shape, or other sizes than announced.
    """
    what = "entries"
    head, newline, rest = data.partition(b"\n")
    value = parse_json(head, what=what, limit=MAX_ENTRIES_REQUEST_BYTES)
    sizes = validate_shape(_EntriesWire, value, what=what).sizes
    if not newline or any(size < 0 for size in sizes) or sum(sizes) != len(rest):
        raise MalformedError(
            f"{what}: not of the sizes that were announced", code="broker.entries-form"
        )
    starts = accumulate(sizes, initial=0)
    return tuple(rest[start : start + size] for start, size in zip(starts, sizes, strict=False))


def encode_status(status: BrokerStatus) -> bytes:
    """Write how a broker is."""
    return canonical_json(
        {
            "format": "cleanroom.broker-status.v0",
            "party": status.party,
            "document": str(status.document),
            "epoch": status.epoch,
            "time": format_time(status.time),
            "log_size": status.log_size,
            "heads": {lineage: str(head) for lineage, head in status.heads.items()},
        }
    )


def decode_status(data: bytes) -> BrokerStatus:
    """Read how a broker is.

    Raises:
        MalformedError: Not of this shape.
    """
    what = "broker status"
    value = parse_json(data, what=what, limit=MAX_STATUS_BYTES)
    wire = validate_shape(_StatusWire, value, what=what)
    return BrokerStatus(
        party=require_form(wire.party, NAME, what=f"{what} party", agreed="a party's name"),
        document=Digest.parse(wire.document, what=f"{what} document"),
        epoch=wire.epoch,
        time=parse_time(wire.time, what=f"{what} time"),
        log_size=wire.log_size,
        heads={
            require_form(lineage, LINEAGE, what=f"{what} lineage", agreed="owner.table"): (
                Digest.parse(head, what=f"{what} head")
            )
            for lineage, head in wire.heads.items()
        },
    )


def require_run(run: str, *, what: str) -> str:
    """Return a run id that is one.

    Raises:
        MalformedError: Another form; the text is not quoted.
    """
    return require_form(run, RUN, what=f"{what} run", agreed="a run id")
