# SPDX-License-Identifier: Apache-2.0
"""What a plain source holds, and what sealing would make of it; no key, no value, no count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cleanroom.cli.session import Session
from cleanroom.cli.tables import render_table
from cleanroom.contract.types import COLUMN
from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.vault.columns import plan_columns
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source

_HEADINGS = ("column", "found", "sealed as", "note")
_SUBJECT = "source: "


@contextmanager
def naming(source: Path) -> Iterator[None]:
    """Let refusals name the file that was typed where they say "source"."""
    try:
        yield
    except CleanroomError as error:
        if error.message.startswith(_SUBJECT):
            error.message = f"{source.name}: {error.message.removeprefix(_SUBJECT)}"
            error.args = (error.message,)
        raise


def show_source(session: Session, path: Path, *, table: str) -> None:
    """Print each column with its type here, its type once sealed, and what stands in the way."""
    rows = look_at(path, table=table)
    value = {
        "source": path.name,
        "columns": [dict(zip(_HEADINGS, row, strict=True)) for row in rows],
    }
    session.emit(value, render_table(session, _HEADINGS, rows))


def look_at(path: Path, *, table: str) -> list[tuple[str, str, str, str]]:
    """Look at the whole source, as sealing does.

    Raises:
        UnavailableError: It cannot be read.
        MalformedError: It is no table.
    """
    with naming(path), sealing_session() as connection:
        source = open_source(path, connection, table=table or path.stem)
        found = source.measure(stated=()).types
        return [_looked(column, found) for column in source.columns]


def _looked(column: tuple[str, str], found: Mapping[str, str]) -> tuple[str, str, str, str]:
    name, engine_type = column
    note = "" if re.fullmatch(COLUMN, name) else "rename it: lower case, [a-z_][a-z0-9_]*"
    try:
        (planned,) = plan_columns([column], types=found, stated={}, normalisation={})
    except MalformedError as refused:
        return name, engine_type, "", refused.hint
    return name, engine_type, str(planned.type), note
