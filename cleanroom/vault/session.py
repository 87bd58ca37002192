# SPDX-License-Identifier: Apache-2.0
"""The DuckDB connection that reads a source and writes sealed parts.

It never spills and never downloads anything, and its errors are told in our own
words: DuckDB quotes cells, and an owner's terminal may be recorded.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from cleanroom.errors import CleanroomError, MalformedError, UnavailableError

# Enough for two threads that each hold a row group of every column; a source that
# needs more has enormous cells, and failing is better than growing.
SEALING_MEMORY = "2GB"

_AGAIN_SECONDS = 0.1
_LINE = re.compile(r"CSV Error on Line: (\d+)")


@contextmanager
def sealing_session() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection of its own for one sealing, and close it."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": "",
        "memory_limit": SEALING_MEMORY,
        "threads": len(os.sched_getaffinity(0)),
    }
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        with _interruptible(connection):
            yield connection


@contextmanager
def _interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End what the engine does at a control-C.

    While the engine's other threads work, the one that Python waits for looks at no signal.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not callable(signal.getsignal(signal.SIGINT)):
        yield
        return
    heard, told = socket.socketpair()
    told.setblocking(False)  # noqa: FBT003 - its own signature
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    ended = threading.Event()

    def listen() -> None:
        while (number := heard.recv(1)) and number[0] != signal.SIGINT:
            pass
        # Again and again: it may have come a moment before the engine began.
        while number and not ended.wait(_AGAIN_SECONDS):
            connection.interrupt()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        ended.set()
        told.close()
        listener.join()
        heard.close()


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, *, what: str = "source"
) -> list[tuple[Any, ...]]:
    """Run a statement and fetch all of its rows.

    Raises:
        MalformedError: The source cannot be read, or a value does not fit its column.
        UnavailableError: Memory or disk ran out.
    """
    failure: CleanroomError
    try:
        return connection.execute(sql).fetchall()
    except duckdb.Error as error:
        failure = _in_our_words(error, what=what)
    # Raised outside the handler: a chained engine error would carry a cell.
    raise failure


def register(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Let the engine read a table in memory under a name.

    Raises:
        MalformedError: It has a type that the engine does not know.
    """
    failure: CleanroomError
    try:
        connection.register(name, table)
    except duckdb.Error:
        failure = MalformedError(
            "source: a column is of a type that the engine does not know",
            code="vault.source",
            hint="convert it to a boolean, number, string, date or timestamp, or drop it",
        )
    else:
        return
    # Raised outside the handler: a chained engine error could carry a cell.
    raise failure


def _in_our_words(error: duckdb.Error, *, what: str) -> CleanroomError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return UnavailableError(
            f"{what}: a row group needs more than {SEALING_MEMORY} of memory",
            code="vault.memory",
            hint="drop columns with very large texts, or seal without sorting",
        )
    if isinstance(error, duckdb.IOException):
        return UnavailableError(f"{what}: cannot be read", code="vault.unreadable")
    if line := _LINE.search(str(error)):
        return MalformedError(
            f"{what}: line {line[1]} does not fit the rest of the file",
            code="vault.csv",
            hint="write UTF-8, one delimiter, and quotes doubled inside quoted values",
        )
    return MalformedError(
        f"{what}: not a table that can be read whole",
        code="vault.source",
        hint="check that it opens in another program, and that stated types fit its values",
    )
