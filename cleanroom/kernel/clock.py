# SPDX-License-Identifier: Apache-2.0
"""Time as a value: UTC, whole seconds, written as RFC 3339.

Stages never read the clock; whoever starts them passes ``now`` in. Whole seconds
keep sub-second timing out of documents that others see.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from cleanroom.errors import MalformedError

Clock = Callable[[], dt.datetime]

# Digits of other scripts would be second spellings of the same time.
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def system_clock() -> dt.datetime:
    """Read the machine's clock: UTC, whole seconds."""
    moment = dt.datetime.now(dt.UTC)  # noqa: TID251 - the one place that reads it
    return moment.replace(microsecond=0)


def format_time(moment: dt.datetime) -> str:
    """Write a UTC time as ``2026-01-31T00:00:00Z``.

    Raises:
        MalformedError: The time is naive or not UTC.
    """
    if moment.utcoffset() != dt.timedelta(0):
        raise MalformedError("time: not in UTC", code="time.zone")
    # Not strftime: of years before 1000 it leaves the zeros out, and nobody reads that.
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def parse_time(text: str, *, what: str = "time") -> dt.datetime:
    """Read ``2026-01-31T00:00:00Z``.

    Raises:
        MalformedError: Any other form.
    """
    if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
        raise MalformedError(f"{what}: not of the form 2026-01-31T00:00:00Z", code="time.format")
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise MalformedError(f"{what}: no such day or hour", code="time.format") from None
