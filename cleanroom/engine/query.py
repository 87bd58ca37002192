# SPDX-License-Identifier: Apache-2.0
"""Run one generated query over sealed views, and let nothing but its rows out.

Error text of an engine quotes cells, and an analyst can choose which. Whatever
goes wrong inside is one of a few fixed sentences here; a part that fails to
verify is the only thing that is told by name.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import _duckdb as duckdb

from cleanroom.engine.lockdown import (
    ArrowTable,
    Table,
    View,
    expose_and_lock,
    open_engine,
    sealed_paths,
)
from cleanroom.engine.sealed_files import RandomAccess, SealedFiles
from cleanroom.engine.spill_files import Scratch, SpillFiles
from cleanroom.errors import CleanroomError, IntegrityError, QueryFailedError
from cleanroom.kernel.record import dataclass

__all__ = [
    "ArrowTable",
    "Broken",
    "EarlyEngine",
    "Limits",
    "QueryOutput",
    "RandomAccess",
    "Table",
    "View",
    "guarded",
    "run_query",
]

_FETCH_ROWS = 4096
_EARLY_MIB = 64
_AGAIN_SECONDS = 0.05
_FAILED = "engine.failed"
_TIME = "engine.time"
_DISK = "engine.disk"

_HINTS = {
    _DISK: "ask for more memory in the query's resources, or give the runner a larger disk",
    "engine.memory": "ask for more memory in the query's resources, or aggregate over fewer groups",
    _TIME: "ask for more seconds in the query's resources",
    "engine.rows": "ask for more rows in the query's resources, or group more coarsely",
}
_SENTENCES = {
    _DISK: "engine: the query needs more scratch space than it may use",
    _FAILED: "engine: the query did not complete",
    "engine.memory": "engine: the query needs more memory than it may use",
    _TIME: "engine: the query needs more time than it may use",
    "engine.rows": "engine: the query gives more rows than it may",
    "engine.statement": "engine: not exactly one SELECT statement",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one query may use.

    Attributes:
        memory_mib: Memory of the engine.
        seconds: Time from the first statement to the last row.
        rows: Most rows that the query may return.
        threads: Threads of the engine.
    """

    memory_mib: int
    seconds: float
    rows: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOutput:
    """Everything a query returned; not yet allowed to leave.

    Attributes:
        columns: Name and engine type of each column.
        rows: The rows, in the order of the query.
    """

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A condition that the data do not hold, so that nothing was computed from them.

    Attributes:
        number: Its place among the conditions, from 0.
    """

    number: int


Opening: TypeAlias = Callable[[Limits], duckdb.DuckDBPyConnection]


def opened_now(limits: Limits) -> duckdb.DuckDBPyConnection:
    """Open an engine for a query that is there."""
    return open_engine(memory_mib=limits.memory_mib, threads=limits.threads)


class EarlyEngine:
    """An engine that opens before there is a query, and serves one: a fifth of a small query."""

    def __init__(self, *, threads: int) -> None:
        """Open it with hardly any memory, which nobody needs before there is a query.

        Args:
            threads: As many as a query will probably get; starting them takes time.
        """
        self._engine = open_engine(memory_mib=_EARLY_MIB, threads=threads)

    def limited(self, limits: Limits) -> duckdb.DuckDBPyConnection:
        """Give it what the query may use, before anything of the query is done."""
        self._engine.execute(f"SET memory_limit = '{limits.memory_mib}MiB'")
        self._engine.execute(f"SET threads = {limits.threads}")
        return self._engine


def run_query(
    *,
    views: Sequence[View],
    sql: str,
    parameters: Mapping[str, str | int | dt.date],
    limits: Limits,
    scratch: Scratch[Any] | None = None,
    tables: Sequence[Table | ArrowTable] = (),
) -> QueryOutput:
    """Run one SELECT over the views in a locked engine of its own.

    Nothing outlives the call: prepared statements, variables and caches of one
    query would be readable by the next.

    Args:
        views: Tables that the query may read.
        sql: One SELECT statement.
        parameters: Values that it is bound with.
        limits: What it may use.
        scratch: Where intermediate rows go that do not fit into memory; without it,
            such a query ends.
        tables: Small tables of public values that the query may read as well.

    Raises:
        IntegrityError: A part is not what its owner sealed; names the part. Or scratch
            space is not what was put there.
        QueryFailedError: Anything else, with one of six codes and no word of the engine.
    """
    output = run_query_if(
        (),
        views=views,
        sql=sql,
        parameters=parameters,
        limits=limits,
        scratch=scratch,
        tables=tables,
    )
    if not isinstance(output, QueryOutput):
        raise _failed(_FAILED)
    return output


def run_query_if(
    conditions: Sequence[str],
    *,
    views: Sequence[View],
    sql: str,
    parameters: Mapping[str, str | int | dt.date],
    limits: Limits,
    scratch: Scratch[Any] | None = None,
    tables: Sequence[Table | ArrowTable] = (),
    opening: Opening = opened_now,
) -> QueryOutput | Broken:
    """Run one SELECT as :func:`run_query` does, if the data hold some conditions.

    Args:
        conditions: SELECTs of our own, each of one truth value. The first that is not true
            ends the call, and the query is not run.
        views: As of :func:`run_query`, like all that follow.
        sql: One SELECT statement.
        parameters: Values that it is bound with.
        limits: What all of it may use together.
        scratch: Where intermediate rows go.
        tables: Small tables of public values.
        opening: Gives the engine, which is closed afterwards.

    Raises:
        IntegrityError: As of :func:`run_query`.
        QueryFailedError: Likewise.
    """
    output = guarded(
        lambda engine, attempt: _run_if(
            conditions, attempt, engine, sql=sql, parameters=parameters, most_rows=limits.rows
        ),
        views=views,
        limits=limits,
        scratch=scratch,
        tables=tables,
        opening=opening,
    )
    if not isinstance(output, QueryOutput | Broken):
        raise _failed(_FAILED)
    return output


def guarded(
    work: Callable[[duckdb.DuckDBPyConnection, Attempt], None],
    *,
    views: Sequence[View],
    limits: Limits,
    scratch: Scratch[Any] | None,
    tables: Sequence[Table | ArrowTable] = (),
    opening: Opening = opened_now,
) -> object:
    """Let some work ask a locked engine of its own, and return the output that it left.

    Raises:
        IntegrityError: As of :func:`run_query`.
        QueryFailedError: Likewise.
    """
    files = SealedFiles(sealed_paths(views))
    spill = None if scratch is None else SpillFiles(scratch)
    attempt = Attempt()
    with (
        # Every exception, because every one of them may carry a cell in its text.
        suppress(Exception),
        opening(limits) as engine,
        _time_limit(limits.seconds, engine, attempt),
    ):
        expose_and_lock(engine, views, files, spill=spill, tables=tables)
        _caught(work, engine, attempt)
    # A part that failed decides, even if the engine found a way to answer without it.
    if files.failure is not None:
        raise files.failure
    if spill is not None and spill.failure is not None:
        raise _spill_failed(spill.failure)
    # Raised here and not in a handler: a context would still hold the engine's text.
    if attempt.output is None or attempt.code != _FAILED:
        raise _failed(attempt.code)
    return attempt.output


def _caught(
    work: Callable[[duckdb.DuckDBPyConnection, Attempt], None],
    engine: duckdb.DuckDBPyConnection,
    attempt: Attempt,
) -> None:
    try:
        work(engine, attempt)
    except (duckdb.OutOfMemoryException, MemoryError):
        attempt.code = "engine.memory"


def _failed(code: str) -> QueryFailedError:
    return QueryFailedError(_SENTENCES[code], code=code, hint=_HINTS.get(code, ""))


def _spill_failed(failure: CleanroomError) -> CleanroomError:
    if isinstance(failure, IntegrityError):
        return failure
    return QueryFailedError(_SENTENCES[_DISK], code=_DISK, hint=_HINTS[_DISK])


class Attempt:
    """What became of some work, told across threads and suppressed exceptions.

    Attributes:
        output: What it made; nothing until it is done.
        code: Why it has no output, if it has none.
    """

    def __init__(self) -> None:
        """Start without an output."""
        self.output: object = None
        self.code = _FAILED


def _run_if(
    conditions: Sequence[str],
    attempt: Attempt,
    engine: duckdb.DuckDBPyConnection,
    *,
    sql: str,
    parameters: Mapping[str, str | int | dt.date],
    most_rows: int,
) -> None:
    for number, condition in enumerate(conditions):
        rows = engine.execute(condition).fetchmany(2)
        # Nothing but the truth value itself: one row that is equal to it could be a number.
        if len(rows) != 1 or rows[0][0] is not True:
            attempt.output = Broken(number=number)
            return
    _run(attempt, engine, sql=sql, parameters=parameters, most_rows=most_rows)


def _run(
    attempt: Attempt,
    engine: duckdb.DuckDBPyConnection,
    *,
    sql: str,
    parameters: Mapping[str, str | int | dt.date],
    most_rows: int,
) -> None:
    statements = engine.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        attempt.code = "engine.statement"
        return
    result = engine.execute(statements[0], dict(parameters))
    columns = tuple((str(column[0]), str(column[1])) for column in result.description)
    rows: list[tuple[Any, ...]] = []
    while batch := result.fetchmany(_FETCH_ROWS):
        rows += batch
        if len(rows) > most_rows:
            attempt.code = "engine.rows"
            return
    attempt.output = QueryOutput(columns=columns, rows=rows)


@contextmanager
def _time_limit(
    seconds: float, engine: duckdb.DuckDBPyConnection, attempt: Attempt
) -> Iterator[None]:
    finished = threading.Event()

    def watch() -> None:
        # Again and again: an interrupt between two statements interrupts nothing.
        while not finished.wait(seconds if attempt.code != _TIME else _AGAIN_SECONDS):
            attempt.code = _TIME
            engine.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
