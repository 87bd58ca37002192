# SPDX-License-Identifier: Apache-2.0
"""Who is told of a room's events without asking, how far, and when again.

The operator enters addresses; parties cannot make a hub ask anything. How far an address
was told is written after it answered: it hears everything at least once, and by the
numbers of events knows what it heard before.
"""

from __future__ import annotations

import re
import sqlite3
from urllib.parse import urlsplit

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.hub.events import last_event
from cleanroom.kernel.record import dataclass

MAX_WEBHOOKS = 16  # of a room
MAX_URL = 512
MAX_DELAY_SECONDS = 3600
PREPARE = (
    "CREATE TABLE IF NOT EXISTS webhook (url TEXT PRIMARY KEY, private INTEGER NOT NULL,"
    " after INTEGER NOT NULL, failures INTEGER NOT NULL, due INTEGER NOT NULL);"
)
_ALL = "SELECT url, private, after, failures, due FROM webhook ORDER BY url"
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~%/-]{0,255})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told of a room's events.

    Attributes:
        url: Where.
        private: Whether it may be in the operator's own network.
        after: The last event that it took.
        failures: How often in a row it did not take one.
        due: When it is told again at the earliest, in seconds since 1970.
    """

    url: str
    private: bool
    after: int
    failures: int
    due: int


def require_webhook_url(url: str, *, private: bool) -> str:
    """Return the address if a hub may be told to ask there.

    Raises:
        MalformedError: No plain address: user names, queries and fragments have no place.
        RefusedError: Without TLS to other people's networks.
    """
    if len(url) > MAX_URL or not _URL.fullmatch(url) or not _host(url):
        raise MalformedError(
            "webhook: not an address such as https://example.org/cleanroom", code="webhook.url"
        )
    if url.startswith("http://") and not private:
        raise RefusedError(
            "webhook: without TLS, agreed with",
            code="webhook.tls",
            hint="use https, or --allow-private for a receiver in the hub's own network",
        )
    return url


def add_webhook(database: sqlite3.Connection, url: str, *, private: bool) -> None:
    """Tell an address of everything that happens from now on.

    Raises:
        MalformedError: No address.
        RefusedError: No TLS, or there are enough.
    """
    require_webhook_url(url, private=private)
    known = {hook.url for hook in read_webhooks(database)}
    if url not in known and len(known) >= MAX_WEBHOOKS:
        raise RefusedError(f"webhook: the room has {MAX_WEBHOOKS}", code="webhook.many")
    database.execute(
        "INSERT INTO webhook VALUES (?, ?, ?, 0, 0)"
        " ON CONFLICT (url) DO UPDATE SET private = excluded.private, failures = 0, due = 0",
        (url, private, last_event(database)),
    )


def remove_webhook(database: sqlite3.Connection, url: str) -> None:
    """Tell an address nothing more.

    Raises:
        UnavailableError: It is not told anything.
    """
    if not database.execute("DELETE FROM webhook WHERE url = ?", (url,)).rowcount:
        raise UnavailableError("webhook: none of that address", code="webhook.absent")


def read_webhooks(database: sqlite3.Connection) -> tuple[Webhook, ...]:
    """Return all addresses of a room."""
    rows = database.execute(_ALL).fetchall()
    return tuple(
        Webhook(url=url, private=bool(private), after=after, failures=failures, due=due)
        for url, private, after, failures, due in rows
    )


def took(database: sqlite3.Connection, hook: Webhook, *, upto: int) -> None:
    """Remember that an address took all events up to one."""
    database.execute(
        "UPDATE webhook SET after = ?, failures = 0, due = 0 WHERE url = ?", (upto, hook.url)
    )


def failed(database: sqlite3.Connection, hook: Webhook, *, at: int) -> None:
    """Remember that an address did not answer well: it is told again, later each time.

    Args:
        database: The room's index, in a transaction.
        hook: The address.
        at: Seconds since 1970.
    """
    delay = min(MAX_DELAY_SECONDS, 2 ** min(hook.failures, 12))
    database.execute(
        "UPDATE webhook SET failures = failures + 1, due = ? WHERE url = ?", (at + delay, hook.url)
    )


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else ""
    except ValueError:
        host = ""
    return host or ""
