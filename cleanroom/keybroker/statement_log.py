# SPDX-License-Identifier: Apache-2.0
"""Every statement of the broker stands in its log before it is answered.

The log follows the database: a statement's number is its index. A crash between
the two is caught up with at the next start or the next answer. A log that is
*longer* than the database cannot come from a crash; it shows a database that was
put back to an older copy, with uses and heads that are given back. Such a broker
stops.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract.statements import LoggedStatement
from cleanroom.errors import IntegrityError
from cleanroom.keybroker.sql_standing import SqlStanding
from cleanroom.keybroker.standing import RecordedStatement
from cleanroom.ledger.checkpoint import log_origin
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.log import TileLog

LOG_DIRECTORY = "log"
AT_ONCE = 256


class StatementLog:
    """The log of one party's statements."""

    def __init__(self, home: Path, *, party: str, key: Ed25519PrivateKey) -> None:
        """Open the log of a broker's home.

        Raises:
            UnavailableError: Another process writes it, or the disk refuses.
            IntegrityError: It is damaged, or another key's.
        """
        self._origin = log_origin(party)
        self._public_key = key.public_key().public_bytes_raw()
        self._log = TileLog(home / LOG_DIRECTORY, origin=self._origin, key=key)

    @property
    def size(self) -> int:
        """How many statements the log holds."""
        return self._log.size

    def check(self, standing: SqlStanding) -> None:
        """Refuse a database that is older than the log, or not the one it was made from.

        Raises:
            IntegrityError: Statements were logged that the database does not know.
        """
        self.require_known(standing)
        size = self._log.size
        if size == 0:
            return
        last = self._log.logged(size - 1)
        try:
            verify_entry(
                standing.leaf(size - 1),
                index=last.index,
                proof=last.proof,
                checkpoint=last.checkpoint,
                origin=self._origin,
                public_key=self._public_key,
            )
        except IntegrityError:
            raise _rolled_back() from None

    def require_known(self, standing: SqlStanding) -> None:
        """Refuse a database that knows fewer statements than the log.

        Raises:
            IntegrityError: Statements were logged that the database does not know.
        """
        if self._log.size > standing.statement_count:
            raise _rolled_back()

    def catch_up(self, standing: SqlStanding) -> None:
        """Append every recorded statement that the log does not hold yet, in order.

        Raises:
            UnavailableError: The disk refuses; nothing may be answered then.
        """
        new = range(self._log.size, standing.statement_count)
        for start in range(0, len(new), AT_ONCE):
            # One checkpoint for all that wait; a crash before it is caught up with again.
            self._log.extend(standing.leaves(new[start : start + AT_ONCE]))

    def logged(self, recorded: RecordedStatement) -> LoggedStatement:
        """Return a logged statement with the proof that it stands in the log."""
        place = self._log.logged(recorded.number)
        return LoggedStatement(
            statement=recorded.envelope,
            index=place.index,
            checkpoint=place.checkpoint.decode("utf-8"),
            proof=place.proof,
        )

    def close(self) -> None:
        """Give the log back."""
        self._log.close()


def _rolled_back() -> IntegrityError:
    return IntegrityError(
        "broker state: older than the broker's own log",
        code="broker.rolled-back",
        hint="an old copy would give back uses and releases; cleanroom broker restore does not",
    )
