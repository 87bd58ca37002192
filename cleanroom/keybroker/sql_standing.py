# SPDX-License-Identifier: Apache-2.0
"""Read a broker's memory from its tables, inside one transaction."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from cleanroom.contract.state_chain import genesis_head
from cleanroom.contract.statement_wire import commit_from_json
from cleanroom.contract.statements import COMMIT, StateEntry
from cleanroom.envelope.dsse import Envelope, parse_envelope
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.envelope.statement import parse_statement
from cleanroom.errors import KeyRefusedError
from cleanroom.kernel.clock import format_time, parse_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.keybroker import asking, questions
from cleanroom.keybroker.database import damaged
from cleanroom.keybroker.standing import (
    IssuedNonce,
    KnownContract,
    RecordedCommit,
    RecordedRelease,
    RecordedStatement,
)

REJECTION = "rejection"
REVOCATION = "revocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStanding:
    """The :class:`~cleanroom.keybroker.standing.Standing` of one transaction.

    Attributes:
        connection: Inside the transaction.
    """

    connection: sa.Connection
    # No transaction that decides begins a life, so one question serves all that it decides.
    _life: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def epoch(self) -> str:
        """Life of this memory: the last epoch that began."""
        found: str = self._last_epoch().identifier
        return found

    @property
    def is_restored(self) -> bool:
        """Whether this memory was put back from a copy, so that it lacks what came after."""
        found: int = self._last_epoch().number
        return found > 1

    @property
    def is_allowed(self) -> bool:
        """Whether the owner has signed what is left in this life of the memory."""
        return self._count(questions.ALLOWANCES_OF, asked=self.epoch) > 0

    def is_taken(self, allowance: Digest) -> bool:
        """Tell whether this very allowance was taken before."""
        return self._count(questions.ALLOWANCE, asked=allowance.raw) > 0

    def most(self, subject: str) -> int:
        """Return the count at which a contract's runs or a lineage's releases are spent."""
        found: int | None = self._one(questions.MOST, subject)
        # What the owner's allowance does not name is spent.
        return 0 if found is None else found

    def commits_of(self, lineage: str, *, start: int, most: int) -> tuple[Envelope, ...]:
        """Return commits of this broker that moved a lineage, oldest first.

        Args:
            lineage: Whose history, any owner's.
            start: How many of them to leave out.
            most: How many to return.
        """
        numbers = (found.statement for found in asking.rows(self.connection, questions.COMMITS))
        told = (self.statement(number).envelope for number in numbers)
        moving = (envelope for envelope in told if moves(envelope, lineage))
        return tuple(islice(moving, start, start + most))

    @property
    def statement_count(self) -> int:
        """How many statements were ever recorded; the next one's number."""
        last: int | None = asking.value(self.connection, questions.LAST_STATEMENT)
        return 0 if last is None else last + 1

    def leaves(self, numbers: range) -> list[bytes]:
        """Return the log leaves of recorded statements, in their order.

        Args:
            numbers: Ascending, without gaps.
        """
        asked = {"start": numbers.start, "stop": numbers.stop}
        found = [row.leaf for row in asking.rows(self.connection, questions.LEAVES, asked)]
        if len(found) != len(numbers):
            raise damaged()
        return found

    def leaf(self, number: int) -> bytes:
        """Return the log leaf of a recorded statement."""
        found: bytes = asking.required(self.connection, questions.LEAF, {"asked": number})
        return found

    def statement(self, number: int) -> RecordedStatement:
        """Return a recorded statement."""
        data: bytes = asking.required(self.connection, questions.ENVELOPE, {"asked": number})
        return RecordedStatement(number=number, envelope=read_envelope(data))

    def issued(self, nonce: bytes) -> IssuedNonce | None:
        """Return an unused nonce of this broker."""
        row = asking.row(self.connection, questions.NONCE, {"asked": nonce})
        if row is None:
            return None
        return IssuedNonce(
            run=row.run, contract=Digest(row.contract), expires=parse_time(row.expires)
        )

    def outstanding_nonces(self) -> int:
        """Count the nonces that no release has used and nobody has swept away."""
        return self._count(questions.NONCES)

    def is_used(self, nonce: bytes) -> bool:
        """Tell whether a release has used this nonce."""
        return self._count(questions.NONCES_USED, asked=nonce) > 0

    def release(self, run: str, runtime_data: Digest) -> RecordedRelease | None:
        """Return the release to one runtime data of a run."""
        row = asking.row(
            self.connection, questions.RELEASE, {"run": run, "runtime_data": runtime_data.raw}
        )
        if row is None:
            return None
        return RecordedRelease(
            statement=self.statement(row.statement),
            touched=frozenset(json.loads(row.touched)),
            expires=parse_time(row.expires),
        )

    def commit(self, run: str) -> RecordedCommit | None:
        """Return the one commit of a run."""
        row = asking.row(self.connection, questions.COMMIT, {"asked": run})
        if row is None:
            return None
        return RecordedCommit(
            statement=self.statement(row.statement),
            runtime_data=Digest(row.runtime_data),
            receipt=Digest(row.receipt),
        )

    def acknowledgement(self, document: Digest) -> RecordedStatement | None:
        """Return the acknowledgement of a document."""
        number: int | None = self._one(questions.ACKNOWLEDGEMENT, document.raw)
        return None if number is None else self.statement(number)

    def contract(self, digest: Digest) -> KnownContract | None:
        """Return a contract that is known."""
        row = asking.row(self.connection, questions.CONTRACT, {"asked": digest.raw})
        return None if row is None else KnownContract(digest=digest, file=_file(row))

    def contracts(self) -> dict[Digest, SignedFile]:
        """Return every contract that is known."""
        rows = asking.rows(self.connection, questions.CONTRACTS)
        return {Digest(row.digest): _file(row) for row in rows}

    def predecessor(self, digest: Digest) -> Digest | None:
        """Return the contract that a known one replaced; None if it is unknown or replaced none."""
        raw: bytes | None = self._one(questions.PREDECESSOR, digest.raw)
        return None if raw is None else Digest(raw)

    def successors(self, digest: Digest) -> tuple[Digest, ...]:
        """Return known contracts that name this one as their predecessor."""
        rows = asking.rows(self.connection, questions.SUCCESSORS, {"asked": digest.raw})
        return tuple(Digest(row.digest) for row in rows)

    def uses(self, contracts: Collection[Digest]) -> int:
        """Count the releases under these contracts."""
        # One question each: a line of contracts is short, and the question stays the same.
        return sum(self._last(questions.USES, asked=digest.raw) for digest in set(contracts))

    def uses_since(self, contracts: Collection[Digest], *, since: dt.datetime, most: int) -> int:
        """Count the releases under these contracts after a moment, of each at most so many."""
        moment = format_time(since)
        return sum(
            self._count(questions.USES_SINCE, asked=digest.raw, since=moment, most=most)
            for digest in set(contracts)
        )

    def stops(self) -> frozenset[tuple[str, str]]:
        """Return kind and subject of everything that the owner has stopped."""
        rows = asking.rows(self.connection, questions.STOPS)
        return frozenset((row.kind, row.subject) for row in rows)

    def quota(self, contract: Digest) -> int | None:
        """Return how many releases under a contract the owner gives in a day, if it says."""
        found: int | None = self._one(questions.QUOTA, contract.raw)
        return found

    def releases(self, lineage: str, receiver: str) -> int:
        """Count the releases of a lineage to a receiver, or to ``ALL_RECEIVERS``."""
        return self._last(questions.RELEASES, lineage=lineage, receiver=receiver)

    def touched_together(self) -> frozenset[frozenset[str]]:
        """Return every set of lineages that some recorded release touched."""
        rows = asking.rows(self.connection, questions.TOUCHED)
        return frozenset(frozenset(json.loads(row.lineages)) for row in rows)

    def is_withdrawn(self, document: Digest) -> bool:
        """Tell whether this very rejection or revocation is known."""
        return self._count(questions.WITHDRAWN, asked=document.raw) > 0

    def withdrawal_count(self, party: str) -> int:
        """Count the rejections and revocations that are known of a party."""
        return self._count(questions.WITHDRAWALS_OF, asked=party)

    def revocations(self) -> tuple[SignedFile, ...]:
        """Return every revocation that is known."""
        rows = asking.rows(self.connection, questions.REVOCATIONS, {"kind": REVOCATION})
        return tuple(_file(row) for row in rows)

    def rejections(self, *, contract: Digest, query: Digest) -> Mapping[str, SignedFile]:
        """Return each approver's latest known rejection of a query."""
        rows = asking.rows(
            self.connection,
            questions.REJECTIONS,
            {"kind": REJECTION, "contract": contract.raw, "query": query.raw},
        )
        return {row.party: _file(row) for row in rows}

    def head(self, lineage: str) -> Digest:
        """Return the head of a lineage's disclosure history."""
        raw: bytes | None = self._one(questions.HEAD, lineage)
        return genesis_head(lineage) if raw is None else Digest(raw)

    def heads(self) -> dict[str, Digest]:
        """Return the head of every lineage that has released something."""
        rows = asking.rows(self.connection, questions.HEADS)
        return {row.lineage: Digest(row.head) for row in rows}

    def history(self, lineage: str) -> tuple[StateEntry, ...]:
        """Return a lineage's disclosure history, oldest first."""
        rows = asking.rows(self.connection, questions.HISTORY, {"asked": lineage})
        return tuple(
            StateEntry(digest=Digest(row.entry), owners=tuple(json.loads(row.owners)))
            for row in rows
        )

    def entry(self, digest: Digest) -> bytes | None:
        """Return a sealed state entry."""
        found: bytes | None = self._one(questions.ENTRY, digest.raw)
        return found

    def known_entry(self, digest: Digest) -> bytes:
        """Return a sealed state entry that is here.

        Raises:
            KeyRefusedError: No such entry was committed here.
        """
        found = self.entry(digest)
        if found is None:
            raise KeyRefusedError(
                "state entry: no such entry here",
                code="broker.entry-unknown",
                hint="ask the broker of an owner whose history names it",
            )
        return found

    def _last_epoch(self) -> Any:  # noqa: ANN401 - a row
        if not self._life:
            found = asking.row(self.connection, questions.LIFE)
            if found is None:
                raise damaged()
            self._life.append(found)
        return self._life[0]

    def _count(self, question: sa.Select[int], **asked: object) -> int:
        found: int = asking.required(self.connection, question, asked)
        return found

    def _last(self, question: sa.Select[int], **asked: object) -> int:
        found: int | None = asking.value(self.connection, question, asked)
        return 0 if found is None else found

    def _one(self, question: sa.Select[Any], asked: str | bytes) -> Any | None:  # noqa: ANN401
        return asking.value(self.connection, question, {"asked": asked})


def moves(envelope: Envelope, lineage: str) -> bool:
    """Tell whether a commit that this broker signed moved a lineage's history."""
    what = "recorded commit"
    statement = parse_statement(envelope.payload, predicate_type=COMMIT, what=what)
    commit = commit_from_json(statement.predicate, what=what)
    return any(step.lineage == lineage and step.next != step.previous for step in commit.lineages)


def read_envelope(data: bytes) -> Envelope:
    """Read an envelope that this broker wrote."""
    return parse_envelope(data, what="recorded statement", limit=MAX_ENVELOPE_BYTES)


def _file(row: sa.Row[tuple[object, ...]]) -> SignedFile:
    signatures: dict[str, str] = json.loads(row.signatures)
    return SignedFile(
        data=row.document,
        signatures={
            party: decode_base64(text, what="recorded signature")
            for party, text in signatures.items()
        },
    )
