# SPDX-License-Identifier: Apache-2.0
"""What a broker remembers, as far as a decision may look: a read-only view.

A decision is a pure function of a request and of this view. It can neither spend
a use nor burn a nonce by looking; only the transaction that records its outcome does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Protocol

from cleanroom.contract.statements import StateEntry
from cleanroom.envelope.dsse import Envelope
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedNonce:
    """A nonce that this broker gave out and no release has used.

    Attributes:
        run: The run it was given for.
        contract: The contract it was given for.
        expires: First moment at which it no longer counts.
    """

    run: str
    contract: Digest
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStatement:
    """A statement as it was signed and recorded; its number is its log index."""

    number: int
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRelease:
    """A key release of this broker.

    Attributes:
        statement: What was answered.
        touched: Every lineage that the run uses, all owners'.
        expires: First moment at which keys and result no longer count.
    """

    statement: RecordedStatement
    touched: frozenset[str]
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCommit:
    """A countersignature of this broker.

    Attributes:
        statement: What was answered.
        runtime_data: The runtime data it was given for.
        receipt: The one receipt of the run.
    """

    statement: RecordedStatement
    runtime_data: Digest
    receipt: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownContract:
    """A contract that was found genuine once; it is known for ever.

    Attributes:
        digest: Its digest.
        file: Exact bytes and signatures.
    """

    digest: Digest
    file: SignedFile


class Standing(Protocol):
    """The broker's memory at one moment, inside one transaction."""

    @property
    def epoch(self) -> str:
        """Life of this memory."""

    @property
    def is_restored(self) -> bool:
        """Whether this memory was put back from a copy, so that it lacks what came after."""

    @property
    def is_allowed(self) -> bool:
        """Whether the owner has signed what is left in this life of the memory."""

    def most(self, subject: str) -> int:
        """Return the count at which a contract's runs or a lineage's releases are spent."""

    def issued(self, nonce: bytes) -> IssuedNonce | None:
        """Return an unused nonce of this broker."""

    def is_used(self, nonce: bytes) -> bool:
        """Tell whether a release has used this nonce."""

    def release(self, run: str, runtime_data: Digest) -> RecordedRelease | None:
        """Return the release to one runtime data of a run."""

    def commit(self, run: str) -> RecordedCommit | None:
        """Return the one commit of a run."""

    def contract(self, digest: Digest) -> KnownContract | None:
        """Return a contract that is known."""

    def predecessor(self, digest: Digest) -> Digest | None:
        """Return the contract that a known one replaced; None if it is unknown or replaced none."""

    def successors(self, digest: Digest) -> tuple[Digest, ...]:
        """Return known contracts that name this one as their predecessor."""

    def uses(self, contracts: Collection[Digest]) -> int:
        """Count the releases under these contracts."""

    def uses_since(self, contracts: Collection[Digest], *, since: dt.datetime, most: int) -> int:
        """Count the releases under these contracts after a moment, of each at most so many."""

    def stops(self) -> frozenset[tuple[str, str]]:
        """Return kind and subject of everything that the owner has stopped."""

    def quota(self, contract: Digest) -> int | None:
        """Return how many releases under a contract the owner gives in a day, if it says."""

    def releases(self, lineage: str, receiver: str) -> int:
        """Count the releases of a lineage to a receiver, or to ``ALL_RECEIVERS``."""

    def touched_together(self) -> frozenset[frozenset[str]]:
        """Return every set of lineages that some recorded release touched."""

    def revocations(self) -> tuple[SignedFile, ...]:
        """Return every revocation that is known."""

    def rejections(self, *, contract: Digest, query: Digest) -> Mapping[str, SignedFile]:
        """Return each approver's latest known rejection of a query."""

    def head(self, lineage: str) -> Digest:
        """Return the head of a lineage's disclosure history."""

    def history(self, lineage: str) -> tuple[StateEntry, ...]:
        """Return a lineage's disclosure history, oldest first."""


class DataKeys(Protocol):
    """Which versions of the owner's datasets have a key; knows no secret."""

    def versions(self, lineage: str) -> tuple[int, ...]:
        """Return the sealed versions, ascending."""

    def key_id(self, lineage: str, version: int) -> str:
        """Return the 32 hexadecimal digits that name a version's key."""
