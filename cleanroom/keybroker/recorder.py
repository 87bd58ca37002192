# SPDX-License-Identifier: Apache-2.0
"""Write a broker's memory: what was decided, in the transaction that decided it.

Nothing here decides. Each function records one outcome whole, so a crash leaves
all of it or none of it: a use without a statement, or a statement without its
use, cannot exist.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable

import sqlalchemy as sa

from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.contract.contract import Contract
from cleanroom.contract.statements import Commit, KeyRelease, log_leaf
from cleanroom.contract.types import split_lineage
from cleanroom.envelope.dsse import Envelope, to_json
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.keybroker import asking, questions, schema
from cleanroom.keybroker.sql_standing import REJECTION, REVOCATION, SqlStanding
from cleanroom.keybroker.standing import RecordedStatement
from cleanroom.keybroker.withdrawals import GenuineRejection, Withdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A sealed state entry and the owners whose shares open it."""

    digest: Digest
    data: bytes
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """The writing half of one transaction."""

    connection: sa.Connection

    def begin_epoch(self, *, identifier: str, party: str, at: dt.datetime) -> None:
        """Begin the first life of an empty memory."""
        self._add(
            schema.epoch,
            {"number": 1, "identifier": identifier, "party": party, "began_at": format_time(at)},
        )

    def restored(self, *, identifier: str, party: str, at: dt.datetime) -> None:
        """Begin another life of a memory that was put back; what was given out dies."""
        number = self.connection.execute(sa.select(sa.func.max(schema.epoch.c.number))).scalar_one()
        self._add(
            schema.epoch,
            {
                "number": number + 1,
                "identifier": identifier,
                "party": party,
                "began_at": format_time(at),
            },
        )
        # A nonce of the copy may have served a release that the copy does not know.
        self.connection.execute(sa.delete(schema.nonces))
        self.connection.execute(sa.delete(schema.budgets))

    def logged_only(self, number: int, leaf: bytes) -> None:
        """Keep the place of a statement that only the log remembers."""
        self._add(
            schema.statements,
            {"number": number, "leaf": leaf, "envelope": b""},
        )

    def allowance(self, document: Digest, file: SignedFile, *, epoch: str) -> None:
        """Record that an allowance was taken; no other may be left of an earlier one."""
        self.connection.execute(sa.delete(schema.budgets))
        self._add(
            schema.allowances,
            {
                "digest": document.raw,
                "epoch": epoch,
                "document": file.data,
                "signatures": _signatures(file),
            },
        )

    def budget(self, subject: str, *, most: int) -> None:
        """Record at which count a contract or a lineage is spent."""
        self._add(
            schema.budgets,
            {"subject": subject, "most": most},
        )

    def recovered(self, lineage: str, *, head: Digest, entry: NewEntry) -> None:
        """Move a lineage over an entry that a counterparty kept."""
        self._entry(entry)
        self._advance(lineage, head=head, entry=entry)

    def nonce(self, nonce: bytes, *, request: ChallengeRequest, expires: dt.datetime) -> None:
        """Remember a nonce before it is given out."""
        self._add(
            schema.nonces,
            {
                "nonce": nonce,
                "run": request.run,
                "contract": request.contract.raw,
                "expires": format_time(expires),
            },
        )

    def sweep_nonces(self, *, expired_before: dt.datetime) -> None:
        """Forget unused nonces that expired long ago; forgotten ones are refused as foreign."""
        asking.change(
            self.connection, questions.SWEEP_NONCES, {"asked": format_time(expired_before)}
        )

    def release(
        self, release: KeyRelease, envelope: Envelope, *, touched: Iterable[str]
    ) -> RecordedStatement:
        """Record a release: its statement, its nonce, its use and what it counts for."""
        recorded = self._statement(envelope)
        standing, lineages = self._standing, json.dumps(sorted(touched))
        asking.change(self.connection, questions.USE_UP_NONCE, {"asked": release.nonce})
        self._add(
            schema.releases,
            {
                "run": release.run,
                "runtime_data": release.runtime_data.raw,
                "statement": recorded.number,
                "nonce": release.nonce,
                "contract": release.contract.raw,
                "touched": lineages,
                "expires": format_time(release.expires),
                "released_at": format_time(release.released_at),
                "position": standing.uses([release.contract]) + 1,
            },
        )
        if not asking.required(self.connection, questions.TOUCHED_BEFORE, {"asked": lineages}):
            self._add(schema.touched, {"lineages": lineages})
        for count in release.releases:
            self._add(
                schema.counts,
                {
                    "lineage": count.lineage,
                    "receiver": count.receiver,
                    # What is told of it, this one included; taken twice it would be refused.
                    "position": count.used,
                    "statement": recorded.number,
                },
            )
        return recorded

    def commit(
        self, commit: Commit, envelope: Envelope, *, entry: NewEntry | None
    ) -> RecordedStatement:
        """Record a countersignature, and move the owner's heads over the new entry."""
        recorded = self._statement(envelope)
        self._add(
            schema.commits,
            {
                "run": commit.run,
                "runtime_data": commit.runtime_data.raw,
                "receipt": commit.receipt.raw,
                "statement": recorded.number,
            },
        )
        mine = [step for step in commit.lineages if split_lineage(step.lineage)[0] == commit.party]
        if entry is not None:
            # Entries of others' lineages as well: their owners may need them back.
            self._entry(entry)
            for step in mine:
                self._advance(step.lineage, head=step.next, entry=entry)
        return recorded

    def acknowledgement(self, document: Digest, envelope: Envelope) -> RecordedStatement:
        """Record that a document's receipt was acknowledged."""
        recorded = self._statement(envelope)
        self._add(
            schema.acknowledgements,
            {"document": document.raw, "statement": recorded.number},
        )
        return recorded

    def contract(self, contract: Contract, file: SignedFile) -> None:
        """Remember a genuine contract for ever."""
        predecessor = contract.predecessor
        self._add(
            schema.contracts,
            {
                "digest": contract.digest.raw,
                "predecessor": None if predecessor is None else predecessor.raw,
                "document": file.data,
                "signatures": _signatures(file),
            },
        )

    def withdrawal(self, withdrawal: Withdrawal) -> None:
        """Remember a genuine rejection or revocation for ever."""
        self._add(
            schema.withdrawals,
            {
                "digest": Digest.of(withdrawal.file.data).raw,
                "document": withdrawal.file.data,
                "signatures": _signatures(withdrawal.file),
                **_columns(withdrawal),
            },
        )

    @property
    def _standing(self) -> SqlStanding:
        return SqlStanding(connection=self.connection)

    def _add(self, table: sa.Table, values: asking.Asked) -> None:
        asking.add(self.connection, table, values)

    def _statement(self, envelope: Envelope) -> RecordedStatement:
        number = self._standing.statement_count
        self._add(
            schema.statements,
            {
                "number": number,
                "leaf": log_leaf(envelope.payload),
                "envelope": canonical_json(to_json(envelope)),
            },
        )
        return RecordedStatement(number=number, envelope=envelope)

    def _entry(self, entry: NewEntry) -> None:
        table = schema.entries
        held = asking.required(self.connection, questions.ENTRIES, {"asked": entry.digest.raw})
        if not held:
            self._add(
                table,
                {"digest": entry.digest.raw, "data": entry.data},
            )

    def _advance(self, lineage: str, *, head: Digest, entry: NewEntry) -> None:
        heads, history = schema.heads, schema.history
        asking.change(self.connection, questions.LEAVE_HEAD, {"asked": lineage})
        self._add(
            heads,
            {"lineage": lineage, "head": head.raw},
        )
        position = asking.required(self.connection, questions.STEPS, {"asked": lineage})
        self._add(
            history,
            {
                "lineage": lineage,
                "position": position,
                "entry": entry.digest.raw,
                "owners": json.dumps(list(entry.owners)),
            },
        )


def _columns(withdrawal: Withdrawal) -> dict[str, str | bytes | int]:
    if isinstance(withdrawal, GenuineRejection):
        approval = withdrawal.approval
        return {
            "kind": REJECTION,
            "party": approval.approver,
            "contract": approval.contract.raw,
            "query": approval.query.raw,
            "sequence": approval.sequence,
        }
    return {"kind": REVOCATION, "party": withdrawal.revocation.party}


def _signatures(file: SignedFile) -> str:
    return json.dumps(
        {party: encode_base64(armored) for party, armored in file.signatures.items()},
        sort_keys=True,
    )
