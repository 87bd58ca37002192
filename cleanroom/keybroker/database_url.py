# SPDX-License-Identifier: Apache-2.0
"""Where a broker's memory lies if it is not a file of the home: a PostgreSQL server's URL.

The URL lies in a private file of the home, because it may hold a password: commands and
the process table never show it. What would weaken the memory cannot be written in it.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic

URL_FILE = "database.url"
MAX_URL_BYTES = 4_096
_SCHEMES = frozenset({"postgresql", "postgresql+psycopg"})
# Whatever else libpq knows could turn off what we turn on: TLS, waiting for the disk.
_ALLOWED = frozenset({"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile"})
_TLS = "verify-full"


def parse_url(text: str, *, password_is_seen: bool = False) -> sa.URL:
    """Return the URL of a database, with TLS as it must be.

    Args:
        text: ``postgresql://user@host/database``; ``?host=/directory`` for a Unix socket.
        password_is_seen: Whether the text comes from where others may read it.

    Raises:
        MalformedError: No such URL, or with an option that brokers do not take.
        RefusedError: It weakens TLS, or shows a password to others.
    """
    url = _read(text)
    unknown = sorted(url.query.keys() - _ALLOWED)
    if unknown or not all(isinstance(value, str) for value in url.query.values()):
        raise _malformed(f"option {unknown[0]}" if unknown else "an option twice")
    if password_is_seen and url.password is not None:
        raise RefusedError(
            "database URL: holds a password, and commands are seen by others",
            code="broker.url-password",
            hint="write the URL into a file that only you can read, and give --url-file FILE",
        )
    return url if is_local(url) else _with_tls(url)


def is_local(url: sa.URL) -> bool:
    """Tell whether the server is reached over a Unix socket."""
    return str(url.query.get("host", "")).startswith("/")


def shown(url: sa.URL) -> str:
    """Return a URL for people to see, without a password."""
    return url.set(password=None).render_as_string()


def find_url(home: Path) -> sa.URL | None:
    """Return the URL that a home names; None if its memory is a file.

    Raises:
        RefusedError: Others may read the file.
        MalformedError: It holds no URL.
    """
    path = home / URL_FILE
    if not path.exists():
        return None
    return read_url(path)


def read_url(path: Path) -> sa.URL:
    """Read a URL from a file that nobody else may read.

    Raises:
        UnavailableError: The file is absent or cannot be read.
        RefusedError: Others may read it, or the URL weakens TLS.
        MalformedError: It holds no URL.
    """
    data = read_private_file(path, limit=MAX_URL_BYTES)
    if not data.isascii():
        raise _malformed("what is not ASCII")
    return parse_url(data.decode("ascii").strip())


def write_url(home: Path, url: sa.URL) -> None:
    """Name the database of a home."""
    text = url.render_as_string(hide_password=False)
    write_atomic(home / URL_FILE, f"{text}\n".encode("ascii"), mode=PRIVATE_FILE)


def _read(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
        _ = url.port
    except (sa.exc.ArgumentError, ValueError):
        # Outside the handler: the error of the library may quote a password.
        url = None
    if url is None or url.drivername not in _SCHEMES or not text.isprintable():
        raise _malformed("another form")
    host = url.query.get("host", url.host)
    if not host or not url.database or not url.username or (url.host and "host" in url.query):
        raise _malformed("no user, no database, or not one host")
    if "," in str(host) or ":" in str(url.query.get("host", "")):
        raise _malformed("several hosts")
    return url.set(drivername="postgresql+psycopg")


def _with_tls(url: sa.URL) -> sa.URL:
    if url.query.get("sslmode", _TLS) != _TLS:
        raise RefusedError(
            f"database URL: sslmode {_TLS} agreed, another one found",
            code="broker.url-tls",
            hint="over a network the server proves its name, or whoever is between is the memory",
        )
    return url.update_query_dict({"sslrootcert": "system", **url.query, "sslmode": _TLS})


def _malformed(found: str) -> MalformedError:
    return MalformedError(
        f"database URL: postgresql://user@host/database agreed, {found} found",
        code="broker.url",
        hint=f"options that it takes: {', '.join(sorted(_ALLOWED))}",
    )
