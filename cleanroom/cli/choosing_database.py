# SPDX-License-Identifier: Apache-2.0
"""What an owner types to keep its broker's memory on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cleanroom.cli.acting import chosen_profile
from cleanroom.cli.session import Session
from cleanroom.errors import RefusedError
from cleanroom.identity.private_files import make_private_directory
from cleanroom.keybroker.database import DATABASE_FILE, database_errors
from cleanroom.keybroker.database_url import find_url, parse_url, read_url, shown, write_url
from cleanroom.keybroker.postgresql import Access, open_postgresql


def choose(session: Session, text: str | None, file: Path | None) -> None:
    """Name the database, or say which one is named."""
    profile = chosen_profile(session)
    url = _given(text, file)
    found = find_url(profile.broker_home) if url is None else _name(profile.broker_home, url)
    place = str(profile.broker_home / DATABASE_FILE) if found is None else shown(found)
    session.emit({"party": profile.name, "database": place}, f"{profile.name} {place}")


def _given(text: str | None, file: Path | None) -> sa.URL | None:
    if file is not None:
        return read_url(file)
    return None if text is None else parse_url(text, password_is_seen=True)


def _name(home: Path, url: sa.URL) -> sa.URL:
    make_private_directory(home)
    if (home / DATABASE_FILE).exists():
        raise RefusedError(
            "broker home: its memory is a file already",
            code="broker.home-taken",
            hint="cleanroom broker backup, move file and log away, name the database, restore",
        )
    engine = open_postgresql(url, Access.CONTROL)
    try:
        with database_errors():
            engine.connect().close()
    finally:
        engine.dispose()
    write_url(home, url)
    return url
