# SPDX-License-Identifier: Apache-2.0
"""What an owner may turn off by itself, at any moment: a contract, a dataset, everything.

Controls live in the broker's memory and are read inside the transaction that decides,
so a stop is in force for the very next release, whether the broker runs in another
process or not at all. Setting one needs the owner's files and no key: in an emergency
nobody looks for a passphrase. A control can only take away what contracts allow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from cleanroom.contract.types import DIGEST, LINEAGE, require_form
from cleanroom.errors import KeyRefusedError, UnavailableError
from cleanroom.kernel.clock import format_time, parse_time
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker import schema
from cleanroom.keybroker.database import database_errors
from cleanroom.keybroker.memory import open_controls
from cleanroom.keybroker.migrations import require_current_schema
from cleanroom.keybroker.standing import Standing

QUOTA_PERIOD = dt.timedelta(days=1)
EVERYTHING = "*"


class StopKind(StrEnum):
    """What is stopped."""

    CONTRACT = "contract"
    DATASET = "dataset"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Something that the owner has stopped.

    Attributes:
        kind: What it is.
        subject: The contract's digest, the dataset's lineage, or ``EVERYTHING``.
        since: When it was stopped.
    """

    kind: StopKind
    subject: str
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many releases under a contract the owner gives in any 24 hours."""

    contract: Digest
    per_day: int


def require_not_stopped(
    line: Collection[Digest], *, lineages: Collection[str], standing: Standing
) -> None:
    """Refuse what the owner has stopped, an amendment of a stopped contract included.

    Args:
        line: The contract and all that it descends from.
        lineages: Of the run.
        standing: What is stopped.

    Raises:
        KeyRefusedError: The contract, one of the datasets or everything is stopped.
    """
    contracts = {str(digest) for digest in line}
    for kind, subject in sorted(standing.stops()):
        if subject == EVERYTHING or subject in contracts or subject in lineages:
            named = "everything" if subject == EVERYTHING else f"{kind} {subject}"
            raise KeyRefusedError(
                f"broker: its owner has stopped {named}",
                code="broker.stopped",
                hint="ask the owner; only it can resume",
            )


def require_quota(line: Collection[Digest], *, standing: Standing, at: dt.datetime) -> None:
    """Refuse another release where the owner's own limit is used up.

    Args:
        line: The contract and all that it descends from.
        standing: What was released, and the owner's limits.
        at: Now.

    Raises:
        KeyRefusedError: As many releases as the owner gives in a day were given.
    """
    quotas = [quota for digest in line if (quota := standing.quota(digest)) is not None]
    if not quotas:
        return
    most = min(quotas)
    if standing.uses_since(line, since=at - QUOTA_PERIOD, most=most) >= most:
        raise KeyRefusedError(
            f"quota: the owner gives {most} releases under this contract in 24 hours",
            code="broker.quota",
            hint="try again tomorrow, or ask the owner",
        )


class Controls(Closing):
    """An owner's controls; use it as a context manager, or call :meth:`close`."""

    def __init__(self, home: Path) -> None:
        """Open the memory of a broker, which may be running.

        Raises:
            UnavailableError: There is none yet, or the disk refuses.
            MalformedError: Written by another version.
        """
        self._engine = open_controls(home)
        try:
            with self._transaction() as connection:
                require_current_schema(connection)
        except BaseException:
            self.close()
            raise

    def stop(self, kind: StopKind, subject: str, *, at: dt.datetime) -> None:
        """Stop something; stopping it again changes nothing.

        Raises:
            MalformedError: Not the name of such a thing.
            UnavailableError: The disk refuses; it is not stopped.
        """
        subject = _subject(kind, subject)
        table = schema.stops
        with self._transaction() as connection:
            if not _is_there(connection, table, table.c.subject == subject):
                connection.execute(
                    sa.insert(table).values(kind=kind.value, subject=subject, since=format_time(at))
                )

    def resume(self, kind: StopKind, subject: str) -> None:
        """Take a stop back.

        Raises:
            MalformedError: Not the name of such a thing.
            UnavailableError: It is not stopped, or the disk refuses.
        """
        subject = _subject(kind, subject)
        table = schema.stops
        with self._transaction() as connection:
            gone = connection.execute(sa.delete(table).where(table.c.subject == subject)).rowcount
        if not gone:
            raise UnavailableError(
                f"broker: {kind.value} is not stopped by that name",
                code="broker.not-stopped",
                hint="cleanroom broker controls lists what is stopped",
            )

    def set_quota(self, contract: str, per_day: int | None) -> None:
        """Limit the releases under a contract in any 24 hours; None lifts the limit.

        Raises:
            MalformedError: Not the digest of a contract.
            UnavailableError: The disk refuses; the limit is what it was.
        """
        raw = Digest.parse(_subject(StopKind.CONTRACT, contract), what="contract").raw
        table = schema.quotas
        with self._transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.contract == raw))
            if per_day is not None:
                connection.execute(sa.insert(table).values(contract=raw, per_day=per_day))

    def stops(self) -> tuple[Stop, ...]:
        """List what is stopped."""
        with self._transaction() as connection:
            rows = connection.execute(
                sa.select(schema.stops).order_by(schema.stops.c.kind, schema.stops.c.subject)
            ).all()
        return tuple(
            Stop(kind=StopKind(row.kind), subject=row.subject, since=parse_time(row.since))
            for row in rows
        )

    def quotas(self) -> tuple[Quota, ...]:
        """List the limits."""
        with self._transaction() as connection:
            rows = connection.execute(
                sa.select(schema.quotas).order_by(schema.quotas.c.contract)
            ).all()
        return tuple(Quota(contract=Digest(row.contract), per_day=row.per_day) for row in rows)

    def close(self) -> None:
        """Close the memory."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with database_errors(), self._engine.begin() as connection:
            yield connection


def _subject(kind: StopKind, subject: str) -> str:
    if kind is StopKind.ALL:
        return EVERYTHING
    if kind is StopKind.DATASET:
        return require_form(subject, LINEAGE, what="dataset", agreed="owner.table")
    return require_form(subject, DIGEST, what="contract", agreed="sha256: and 64 hex digits")


def _is_there(connection: sa.Connection, table: sa.Table, clause: sa.ColumnElement[bool]) -> bool:
    query = sa.select(sa.func.count()).select_from(table).where(clause)
    return connection.execute(query).scalar_one() > 0
