# SPDX-License-Identifier: Apache-2.0
"""Copies of a broker's home, and a new life from one of them.

A copy is older than what was released since. Put back as it was, it would give back
uses, releases and an older history. So a restored memory begins a new epoch, in which
nothing is released before the owner has signed what is left; nonces that were given
out die; and statements that only the log remembers keep their place in it.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from cleanroom.identity.private_files import make_private_directory, require_private_directory
from cleanroom.kernel.files import PRIVATE_DIRECTORY, PRIVATE_FILE, sync_directory, write_atomic
from cleanroom.keybroker.database import DATABASE_FILE, require_memory
from cleanroom.keybroker.state import BrokerState
from cleanroom.vault.data_key import DELETED, KEY_DIRECTORY


def back_up(home: Path, target: Path) -> None:
    """Copy a broker's memory and sealed data keys; the broker may be running.

    The copy holds sealed keys and signed documents, and no secret in the clear.

    Raises:
        RefusedError: Something lies at the target already.
        UnavailableError: There is no broker here yet, or the disk refuses.
    """
    if target.exists():
        raise RefusedError(f"{target.name}: exists already", code="file.exists")
    memory = require_memory(home)
    with _disk():
        make_private_directory(target)
        # SQLite's own copy: whole at one moment, whatever is written meanwhile.
        _copy_database(memory, target / DATABASE_FILE)
        _copy_keys(home, target)
        sync_directory(target)


def restore(
    backup: Path,
    home: Path,
    *,
    party: str,
    leaves: Sequence[bytes],
    epoch: str,
    at: dt.datetime,
) -> None:
    """Begin a new life of a broker from a copy of its home.

    Args:
        backup: What :func:`back_up` wrote.
        home: The broker's home; data keys in it stay, and are joined by the copy's.
        party: Whose broker.
        leaves: The newest copy of its log that anybody has, verified; its statements
            keep their numbers.
        epoch: Name of the new life, drawn at random.
        at: Now.

    Raises:
        RefusedError: The home has a memory already.
        UnavailableError: No such copy, or the disk refuses.
        IntegrityError: The copy is another party's, or its statements are not those of
            the log.
        MalformedError: Another version wrote it.
    """
    require_private_directory(backup)
    make_private_directory(home)
    if (home / DATABASE_FILE).exists():
        raise RefusedError(
            "broker home: it has a memory, which a copy must not replace",
            code="broker.home-taken",
            hint="move state.sqlite and log away first, and keep both",
        )
    with _disk():
        _copy_keys(backup, home)
        _copy_database(backup / DATABASE_FILE, home / DATABASE_FILE)
    try:
        _begin(home, party=party, leaves=leaves, epoch=epoch, at=at)
    except BaseException:
        # Half a restored memory must not be served by the next start.
        for path in home.glob(f"{DATABASE_FILE}*"):
            path.unlink()
        raise


def _begin(home: Path, *, party: str, leaves: Sequence[bytes], epoch: str, at: dt.datetime) -> None:
    state = BrokerState(home)
    try:
        state.begin(party=party, epoch=epoch, at=at)
        with state.transaction() as opened:
            known = opened.standing.statement_count
            recorded = [opened.standing.leaf(number) for number in range(min(known, len(leaves)))]
            if recorded != list(leaves[: len(recorded)]):
                raise IntegrityError(
                    "backup: its statements are not those of the log",
                    code="broker.backup-log",
                    hint="take the log and the backup of one broker",
                )
            opened.recorder.restored(identifier=epoch, party=party, at=at)
            for number, leaf in enumerate(leaves[known:], start=known):
                opened.recorder.logged_only(number, leaf)
    finally:
        state.close()


def _copy_database(source: Path, target: Path) -> None:
    if not source.is_file():
        raise UnavailableError("backup: holds no memory", code="broker.backup-absent")
    target.touch(mode=PRIVATE_FILE)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        target.unlink()
        raise UnavailableError(
            "backup: the memory cannot be copied", code="broker.backup"
        ) from error


def _copy_keys(source: Path, target: Path) -> None:
    for path in sorted((source / KEY_DIRECTORY).glob("*/*")):
        copy = target / KEY_DIRECTORY / path.parent.name / path.name
        # A key that was deleted since stays deleted, and one that is there is newer.
        if copy.exists() or copy.with_suffix(DELETED).exists():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
        write_atomic(copy, path.read_bytes(), mode=PRIVATE_FILE)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            "backup: the disk refuses",
            code="broker.backup",
            hint="free some space or choose another directory, then run the command again",
        ) from error
