# SPDX-License-Identifier: Apache-2.0
"""Which signed requests were heard already; a recorded one is never heard twice.

The store is on disk, so that a restart does not open the door to what was recorded
a moment before. It is written without waiting for the disk: a process that dies
loses nothing by that, and a machine that loses power is away for longer than a
request counts.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from pathlib import Path
from threading import Lock

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PRIVATE_FILE

REPLAY_FILE = "requests.sqlite"
_BUSY_SECONDS = 5.0
_PREPARE = (
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS heard "
    "(key BLOB, nonce TEXT, expires INTEGER, PRIMARY KEY (key, nonce)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS heard_expires ON heard (expires);"
)


class ReplayStore:
    """Nonces of requests that still count, by the key that signed them."""

    def __init__(self, home: Path) -> None:
        """Open the store of a broker's home.

        Raises:
            UnavailableError: The disk refuses.
        """
        path = home / REPLAY_FILE
        self._turn = Lock()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(path, flags, PRIVATE_FILE))
            self._database = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_PREPARE)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable() from error

    def hear(self, key: Digest, nonce: str, *, expires: dt.datetime, at: dt.datetime) -> None:
        """Remember a request until it no longer counts.

        Raises:
            RefusedError: It was heard before.
            UnavailableError: The disk refuses; then nothing is believed.
        """
        try:
            with self._turn:
                self._database.execute(
                    "DELETE FROM heard WHERE expires <= ?", (int(at.timestamp()),)
                )
                added = self._database.execute(
                    "INSERT OR IGNORE INTO heard VALUES (?, ?, ?)",
                    (key.raw, nonce, int(expires.timestamp())),
                ).rowcount
        except sqlite3.Error as error:
            raise _unavailable() from error
        if not added:
            raise RefusedError(
                "request: heard before", code="request.replayed", hint="sign every request anew"
            )

    def close(self) -> None:
        """Close the store."""
        self._database.close()


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "request: cannot be remembered here, so it is not answered",
        code="broker.replays",
        hint="free some space, check the disk, then try again",
    )
