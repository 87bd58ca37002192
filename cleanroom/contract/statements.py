# SPDX-License-Identifier: Apache-2.0
"""Make and verify the statements of key brokers.

``make_*`` returns the exact bytes that a broker signs; ``verify_*`` returns the
value, and only after the signature of the party's pinned broker key held. No
other module reads these predicates, so there is one reading of them.
"""

from __future__ import annotations

from cleanroom.contract.state_chain import derive_head
from cleanroom.contract.statement_shapes import (
    ALL_RECEIVERS,
    Acknowledgement,
    Commit,
    DatasetRelease,
    KeyRelease,
    LoggedStatement,
    ReceiverReleases,
    Refusal,
    StateEntry,
    StateStep,
    Uses,
)
from cleanroom.contract.statement_wire import (
    acknowledgement_from_json,
    acknowledgement_to_json,
    commit_from_json,
    commit_to_json,
    key_release_from_json,
    key_release_to_json,
    refusal_from_json,
    refusal_to_json,
)
from cleanroom.envelope.dsse import Envelope, verify_envelope
from cleanroom.envelope.statement import Statement, make_statement, parse_statement
from cleanroom.errors import IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_NAME

__all__ = [
    "ALL_RECEIVERS",
    "Acknowledgement",
    "Commit",
    "DatasetRelease",
    "KeyRelease",
    "LoggedStatement",
    "ReceiverReleases",
    "Refusal",
    "StateEntry",
    "StateStep",
    "Uses",
    "log_leaf",
    "make_acknowledgement",
    "make_commit",
    "make_key_release",
    "make_refusal",
    "verify_acknowledgement",
    "verify_commit",
    "verify_key_release",
    "verify_refusal",
]

KEY_RELEASE = "urn:cleanroom:key-release:v0"
REFUSAL = "urn:cleanroom:refusal:v0"
COMMIT = "urn:cleanroom:commit:v0"
ACKNOWLEDGEMENT = "urn:cleanroom:acknowledgement:v0"


def log_leaf(payload: bytes) -> bytes:
    """Return the log leaf of a statement: its digest as a line.

    The log is public and for ever; the digest of a statement tells nothing.
    """
    return f"{Digest.of(payload)}\n".encode("ascii")


def make_key_release(release: KeyRelease) -> bytes:
    """Return the statement bytes of a key release."""
    return make_statement(
        subjects={"runtime-data": release.runtime_data},
        predicate_type=KEY_RELEASE,
        predicate=key_release_to_json(release),
    )


def make_refusal(refusal: Refusal) -> bytes:
    """Return the statement bytes of a refusal; its subject is the run's name."""
    return make_statement(
        subjects={"run": Digest.of(refusal.run.encode("utf-8"))},
        predicate_type=REFUSAL,
        predicate=refusal_to_json(refusal),
    )


def make_commit(commit: Commit) -> bytes:
    """Return the statement bytes of a commit."""
    return make_statement(
        subjects={"receipt": commit.receipt},
        predicate_type=COMMIT,
        predicate=commit_to_json(commit),
    )


def make_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """Return the statement bytes of an acknowledgement."""
    return make_statement(
        subjects={"document": acknowledgement.document},
        predicate_type=ACKNOWLEDGEMENT,
        predicate=acknowledgement_to_json(acknowledgement),
    )


def verify_key_release(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "key release"
) -> KeyRelease:
    """Return the key release that this party's broker signed.

    Raises:
        MalformedError: Not a key release of this version.
        IntegrityError: Another key signed it, it speaks for another party, its
            subject is not its runtime data, or a head does not follow from its entries.
    """
    statement = _verified(envelope, KEY_RELEASE, broker_key, what=what)
    release = key_release_from_json(statement.predicate, what=what)
    _require_party(release.party, party, what=what)
    _require_subject(statement, "runtime-data", release.runtime_data, what=what)
    for dataset in release.datasets:
        # A broker that hides an entry would let the difference rule forget it.
        derived = derive_head(dataset.lineage, [entry.digest for entry in dataset.entries])
        derived.require(dataset.head, what=f"{what} head of {dataset.lineage[:MAX_NAME]}")
    return release


def verify_refusal(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "refusal"
) -> Refusal:
    """Return the refusal that this party's broker signed.

    Raises:
        MalformedError: Not a refusal of this version.
        IntegrityError: Another key signed it, or it speaks for another party or run.
    """
    statement = _verified(envelope, REFUSAL, broker_key, what=what)
    refusal = refusal_from_json(statement.predicate, what=what)
    _require_party(refusal.party, party, what=what)
    _require_subject(statement, "run", Digest.of(refusal.run.encode("utf-8")), what=what)
    return refusal


def verify_commit(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "commit"
) -> Commit:
    """Return the countersignature that this party's broker signed.

    Raises:
        MalformedError: Not a commit of this version.
        IntegrityError: Another key signed it, it speaks for another party, or its
            subject is not its receipt.
    """
    statement = _verified(envelope, COMMIT, broker_key, what=what)
    commit = commit_from_json(statement.predicate, what=what)
    _require_party(commit.party, party, what=what)
    _require_subject(statement, "receipt", commit.receipt, what=what)
    return commit


def verify_acknowledgement(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "acknowledgement"
) -> Acknowledgement:
    """Return the acknowledgement that this party's broker signed.

    Raises:
        MalformedError: Not an acknowledgement of this version.
        IntegrityError: Another key signed it, it speaks for another party, or its
            subject is not its document.
    """
    statement = _verified(envelope, ACKNOWLEDGEMENT, broker_key, what=what)
    acknowledgement = acknowledgement_from_json(statement.predicate, what=what)
    _require_party(acknowledgement.party, party, what=what)
    _require_subject(statement, "document", acknowledgement.document, what=what)
    return acknowledgement


def _verified(
    envelope: Envelope, predicate_type: str, broker_key: bytes, *, what: str
) -> Statement:
    payload = verify_envelope(envelope, broker_key, what=what)
    return parse_statement(payload, predicate_type=predicate_type, what=what)


def _require_party(found: str, expected: str, *, what: str) -> None:
    # Two parties could be talked into publishing one broker key.
    if found != expected:
        raise IntegrityError(
            f"{what}: found the word of {found[:MAX_NAME]!r}, expected that of {expected!r}",
            code="statement.party",
        )


def _require_subject(statement: Statement, name: str, digest: Digest, *, what: str) -> None:
    if dict(statement.subjects) != {name: digest}:
        raise IntegrityError(
            f"{what}: the subject is not the {name} that it speaks of", code="statement.subject"
        )
