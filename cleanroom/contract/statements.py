# SPDX-License-Identifier: Apache-2.0
"""Make and verify the statements of key brokers.

``make_*`` returns the exact bytes that a broker signs; ``verify_*`` returns the
value, and only after the signature of the party's pinned broker key held. No
other module reads these predicates, so there is one reading of them.
"""

from __future__ import annotations

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
from cleanroom.envelope.dsse import Envelope

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


def log_leaf(payload: bytes) -> bytes:
    """Return the log leaf of a statement: its digest as a line."""
    raise NotImplementedError(payload)


def make_key_release(release: KeyRelease) -> bytes:
    """Return the statement bytes of a key release."""
    raise NotImplementedError(release)


def make_refusal(refusal: Refusal) -> bytes:
    """Return the statement bytes of a refusal."""
    raise NotImplementedError(refusal)


def make_commit(commit: Commit) -> bytes:
    """Return the statement bytes of a commit."""
    raise NotImplementedError(commit)


def make_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """Return the statement bytes of an acknowledgement."""
    raise NotImplementedError(acknowledgement)


def verify_key_release(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "key release"
) -> KeyRelease:
    """Return the key release that this party's broker signed."""
    raise NotImplementedError(envelope, party, broker_key, what)


def verify_refusal(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "refusal"
) -> Refusal:
    """Return the refusal that this party's broker signed."""
    raise NotImplementedError(envelope, party, broker_key, what)


def verify_commit(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "commit"
) -> Commit:
    """Return the countersignature that this party's broker signed."""
    raise NotImplementedError(envelope, party, broker_key, what)


def verify_acknowledgement(
    envelope: Envelope, *, party: str, broker_key: bytes, what: str = "acknowledgement"
) -> Acknowledgement:
    """Return the acknowledgement that this party's broker signed."""
    raise NotImplementedError(envelope, party, broker_key, what)
