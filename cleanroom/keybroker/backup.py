# SPDX-License-Identifier: Apache-2.0
"""Copies of a broker's home, and a new life from one of them.

A copy is a SQLite file wherever the memory lies, so it may be put back on a file or on
PostgreSQL; that is also how a broker moves from one to the other.

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
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from cleanroom.identity.private_files import make_private_directory, require_private_directory
from cleanroom.kernel.files import PRIVATE_DIRECTORY, PRIVATE_FILE, sync_directory, write_atomic
from cleanroom.keybroker import schema
from cleanroom.keybroker.database import DATABASE_FILE, database_errors
from cleanroom.keybroker.database_url import find_url
from cleanroom.keybroker.memory import require_memory
from cleanroom.keybroker.migrations import make_tables, require_current_schema, require_empty, taken
from cleanroom.keybroker.postgresql import Access, open_postgresql
from cleanroom.keybroker.sqlite import open_database
from cleanroom.keybroker.state import BrokerState
from cleanroom.vault.data_key import DELETED, KEY_DIRECTORY

# A sealed state entry may be large; more of them are not held at once.
_ROWS_AT_ONCE = 16


def back_up(home: Path, target: Path) -> None:
    """Copy a broker's memory and sealed data keys; the broker may be running.

    The copy holds sealed keys and signed documents, and no secret in the clear.

    Raises:
        RefusedError: Something lies at the target already.
        UnavailableError: There is no broker here yet, or the disk refuses.
    """
    if target.exists():
        raise RefusedError(f"{target.name}: exists already", code="file.exists")
    require_memory(home)
    url = find_url(home)
    with _disk():
        make_private_directory(target)
        if url is None:
            # SQLite's own copy: whole at one moment, whatever is written meanwhile.
            _copy_database(home / DATABASE_FILE, target / DATABASE_FILE)
        else:
            copy_server(open_postgresql(url, Access.LOOK), target)
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
        raise taken()
    with _disk(), TemporaryDirectory(dir=home, prefix=".copy-") as name:
        copy = Path(name)
        _copy_database(backup / DATABASE_FILE, copy / DATABASE_FILE)
        with closing(BrokerState(copy)) as old:
            # Another version's copy is brought forward before anything is taken from it.
            old.begin(party=party, epoch=epoch, at=at)
            _copy_keys(backup, home)
            try:
                _begin(home, old, party=party, leaves=leaves, epoch=epoch, at=at)
            except BaseException:
                for path in home.glob(f"{DATABASE_FILE}*"):
                    path.unlink()
                raise


def _begin(
    home: Path,
    old: BrokerState,
    *,
    party: str,
    leaves: Sequence[bytes],
    epoch: str,
    at: dt.datetime,
) -> None:
    # One transaction: a copy that was put back and is no new life yet does not exist.
    with (
        closing(BrokerState(home)) as state,
        state.transaction() as opened,
        old.look() as standing,
    ):
        connection = opened.recorder.connection
        require_empty(connection)
        make_tables(connection)
        _copy_rows(standing.connection, connection)
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


def copy_server(server: sa.Engine, target: Path) -> None:
    """Copy a memory that is no file of ours, and close it.

    Raises:
        UnavailableError: It holds no memory, or the server refuses.
        MalformedError: Another version wrote it.
    """
    file = open_database(_new_file(target / DATABASE_FILE))
    try:
        # One snapshot: whole at one moment as well.
        with database_errors(), server.begin() as source, file.begin() as copy:
            require_current_schema(source)
            make_tables(copy)
            _copy_rows(source, copy)
    finally:
        server.dispose()
        file.dispose()


def _copy_rows(source: sa.Connection, target: sa.Connection) -> None:
    for table in schema.metadata.sorted_tables:
        question = sa.select(table).execution_options(yield_per=_ROWS_AT_ONCE)
        for rows in source.execute(question).mappings().partitions():
            target.execute(sa.insert(table), [dict(row) for row in rows])


def _new_file(path: Path) -> Path:
    path.touch(mode=PRIVATE_FILE)
    return path


def _copy_database(source: Path, target: Path) -> None:
    if not source.is_file():
        raise UnavailableError("backup: holds no memory", code="broker.backup-absent")
    _new_file(target)
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
