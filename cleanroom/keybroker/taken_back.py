# SPDX-License-Identifier: Apache-2.0
"""Has a party taken back a signing key of its own, as far as this broker was told?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from cleanroom.contract.revocation import parse_revocation
from cleanroom.identity.pins import Pins
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.database import database_errors
from cleanroom.keybroker.memory import open_looking
from cleanroom.keybroker.sql_standing import SqlStanding
from cleanroom.keybroker.standing import Standing


def is_taken_back(
    party: str, key: SSHPublicKey, *, standing: Standing, pins: Pins, at: dt.datetime
) -> bool:
    """Tell whether a party took back a signing key of its own, from now or before."""
    document = pins.documents.get(party)
    # A revocation names a key, or the whole party document with all its keys.
    subjects = {Digest.of(key.blob), *(() if document is None else (document.digest,))}
    files = standing.revocations()
    told = (parse_revocation(file.data) for file in files if party in file.signatures)
    return any(item.subject in subjects and item.since <= at for item in told)


class RecordedRevocations(Closing):
    """What the memory of a broker says about keys, read beside its broker."""

    def __init__(self, home: Path, *, pins: Callable[[], Pins], clock: Clock) -> None:
        """Open the memory of a home in which a broker runs.

        Raises:
            CleanroomError: As :func:`cleanroom.keybroker.memory.open_looking`.
        """
        self._engine = open_looking(home)
        self._pins = pins
        self._clock = clock

    def is_revoked(self, party: str, key: SSHPublicKey) -> bool:
        """Tell whether a party took back a signing key of its own, from now or before.

        Raises:
            UnavailableError: The database is locked or unreadable.
        """
        pins, at = self._pins(), self._clock()
        with database_errors(), self._engine.begin() as connection:
            standing = SqlStanding(connection=connection)
            return is_taken_back(party, key, standing=standing, pins=pins, at=at)

    def close(self) -> None:
        """Close the memory."""
        self._engine.dispose()
