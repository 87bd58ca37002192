# SPDX-License-Identifier: Apache-2.0
"""Seal one version of a dataset: plain table in, sealed parts out, nothing plain between.

DuckDB writes Parquet into an encrypting file, one part after the other. A part
is synced, entered in the journal and renamed, so a process killed at any point
leaves finished parts and rubbish with names that nothing refers to.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa

from cleanroom.contract.types import ColumnType
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.vault.data_key import discard_staged_key
from cleanroom.vault.journal import Journal, SealedPart, load_journal, store_journal
from cleanroom.vault.plan import Cut, PartPlan, SealingOrder, bind_plan, plan_parts
from cleanroom.vault.rows import Source
from cleanroom.vault.seal_part import SOURCE_CHANGED, disk_error, reuse_part, seal_part
from cleanroom.vault.session import sealing_session
from cleanroom.vault.sorting import sort_rows
from cleanroom.vault.source import open_source

__all__ = [
    "Cut",
    "Progress",
    "SealedDataset",
    "SealedPart",
    "SealingOrder",
    "abandon_sealing",
    "discard_journal",
    "is_sealing",
    "seal_dataset",
]

Progress = Callable[[int, int], None]  # rows sealed so far, rows in all


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDataset:
    """What sealing produced; not a dataset until its owner signs a document about it.

    Attributes:
        parts: In order.
        columns: Name and type of each column, in file order.
    """

    parts: tuple[SealedPart, ...]
    columns: tuple[tuple[str, ColumnType], ...]


def seal_dataset(
    source: Path | pa.Table | pd.DataFrame,
    *,
    destination: Path,
    order: SealingOrder,
    progress: Progress,
    entropy: Callable[[int], bytes] = os.urandom,
) -> SealedDataset:
    """Seal a table into ``destination``, a dataset's ``parts`` directory.

    Running it again after an interruption, with the same source, options and
    key, continues after the last finished part. The journal stays until
    :func:`discard_journal`, so a crash before the signed document costs nothing.

    Raises:
        RefusedError: Columns and policy differ, the version is sealed already, or an
            interrupted sealing had another source.
        MalformedError: The source is no table that we read, or a value does not fit.
        UnavailableError: Disk or memory ran out, the source changed meanwhile, or
            another process is sealing here.
    """
    with _locked(destination, order.key.version), sealing_session() as connection:
        table = open_source(source, connection, table=order.database_table)
        fingerprint = table.fingerprint()
        plan = plan_parts(
            table, order, destination=destination, entropy=entropy, connection=connection
        )
        journal = _begin(plan, binding=bind_plan(order, plan, fingerprint))
        with _nothing_left_of_what_cannot_go_on(plan), _said_by_the_source(table):
            rows, plan = sort_rows(table, plan, by=order.sort, connection=connection)
            for number in range(plan.parts):
                if not reuse_part(journal.parts.get(number), plan, number):
                    with seal_part(rows, plan, number, connection=connection) as sealed:
                        _require_unchanged(table, fingerprint)
                        journal = journal.with_part(number, sealed.part)
                        store_journal(journal, key=order.key.secret)
                        sealed.publish()
                progress(number * plan.part_rows + plan.rows_in(number), plan.rows)
    return SealedDataset(
        parts=tuple(journal.parts[number] for number in range(plan.parts)),
        columns=tuple((column.name, column.type) for column in plan.columns),
    )


def discard_journal(destination: Path, *, version: int) -> None:
    """Forget how the version was sealed, once its document is published.

    Raises:
        UnavailableError: Another process is sealing this version.
    """
    with _locked(destination, version):
        _journal_path(destination, version).unlink(missing_ok=True)


def is_sealing(destination: Path, *, version: int) -> bool:
    """Tell whether an interrupted sealing of this version can be continued."""
    return _journal_path(destination, version).exists()


def abandon_sealing(broker_home: Path, destination: Path, *, lineage: str, version: int) -> None:
    """Delete what an interrupted sealing left: its staged key, its parts, its journal.

    The key goes first and in the same call. Two sealings under one key could
    swap parts with each other unnoticed until somebody hashes them.

    Raises:
        RefusedError: The version is sealed already; delete its document first.
        UnavailableError: Another process is sealing this version.
    """
    with _locked(destination, version):
        if not _journal_path(destination, version).exists():
            raise RefusedError(
                f"version {version}: no interrupted sealing", code="vault.no-journal"
            )
        discard_staged_key(broker_home, lineage=lineage, version=version)
        _discard_parts(destination, version)
        _journal_path(destination, version).unlink()


def clear_stray_parts(destination: Path, *, version: int) -> None:
    """Delete parts of a version that never was, whose journal is lost.

    The caller knows that no document names them. Nobody can continue such a sealing.

    Raises:
        UnavailableError: Another process is sealing this version.
    """
    with _locked(destination, version):
        if not _journal_path(destination, version).exists():
            _discard_parts(destination, version)


def _discard_parts(destination: Path, version: int) -> None:
    for path in [*destination.glob(f"{version}-*.part"), *_leftovers(destination, version)]:
        path.unlink()


def _begin(plan: PartPlan, *, binding: Digest) -> Journal:
    path = _journal_path(plan.destination, plan.key.version)
    journal = load_journal(path, binding=binding, key=plan.key.secret)
    if not path.exists():
        if any(plan.destination.glob(f"{plan.key.version}-*.part")):
            raise RefusedError(
                f"version {plan.key.version}: is sealed already, and no journal continues it",
                code="vault.version-exists",
                hint="restore the broker home that sealed it; or, if its dataset.toml was never "
                "published, clear what lies there: cleanroom data seal --restart",
            )
        store_journal(journal, key=plan.key.secret)
    for leftover in _leftovers(plan.destination, plan.key.version):
        leftover.unlink()
    return journal


@contextmanager
def _nothing_left_of_what_cannot_go_on(plan: PartPlan) -> Iterator[None]:
    # The mended source is another one, which this journal would only stand in the way of.
    # Without a journal, the next sealing takes another key: no part of this one fits it.
    try:
        yield
    except MalformedError:
        _discard_parts(plan.destination, plan.key.version)
        _journal_path(plan.destination, plan.key.version).unlink()
        raise


@contextmanager
def _said_by_the_source(table: Source) -> Iterator[None]:
    # A stream that broke off has too few rows, like a table that changed: the source knows.
    try:
        yield
    except UnavailableError as error:
        if error.code == SOURCE_CHANGED:
            table.fingerprint()
        raise


def _require_unchanged(table: Source, fingerprint: Mapping[str, str]) -> None:
    if table.fingerprint() != fingerprint:
        raise UnavailableError(
            "source: changed while it was being sealed",
            code=SOURCE_CHANGED,
            hint="seal a file that nobody writes to, from the start: cleanroom data seal --restart",
        )


def _journal_path(destination: Path, version: int) -> Path:
    return destination / f".{version}.journal.json"


def _leftovers(destination: Path, version: int) -> list[Path]:
    return list(destination.glob(f".{version}[-.]*.tmp"))


@contextmanager
def _locked(destination: Path, version: int) -> Iterator[None]:
    # The kernel gives the lock back when its holder is killed.
    try:
        destination.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise disk_error(error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            # A refused sealing leaves no empty directory; one that holds something stays.
            with suppress(OSError):
                destination.rmdir()
    except BlockingIOError as error:
        raise UnavailableError(
            f"version {version}: another process is sealing in this directory",
            code="vault.locked",
            hint="wait for it to end, then run the command again",
        ) from error
    finally:
        os.close(descriptor)
