# SPDX-License-Identifier: Apache-2.0
"""What a service writes down: one JSON object a line, of listed keys with values of listed forms.

A log is read by whoever operates a service, and kept. The journal itself lets nothing
through but what is listed here: a key that is not, or a value of another form, ends the
program in tests and is left out in production, where only how many were left out is said.
No form admits free text, so no message, path, statement, parameter or key fits.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import MappingProxyType

from cleanroom.contract.types import NAME
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.clock import Clock, format_time

Value = str | int
_Form = Callable[[Value], bool]
_MAX_NUMBER = 10**12
_FOREIGN = ("uvicorn.error", "asyncio", "sqlalchemy", "httpx2", "fastapi")


class Strictness(Enum):
    """What becomes of something that is not listed."""

    REFUSE = "refuse"
    DROP = "drop"


class Verbosity(Enum):
    """How much is written."""

    REQUESTS = "requests"
    TROUBLE = "trouble"


def _text(form: str) -> _Form:
    compiled = re.compile(form)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _one_of(*words: str) -> _Form:
    return lambda value: value in words


def _number(value: Value) -> bool:
    return type(value) is int and 0 <= value <= _MAX_NUMBER


NOWHERE = "other"
FORMS: Mapping[str, _Form] = MappingProxyType(
    {
        "event": _one_of("started", "ended", "request", "foreign", "told"),
        "service": _one_of("broker", "hub"),
        "level": _one_of("info", "warning", "error"),
        "method": _one_of("GET", "POST", "PUT", "DELETE", "HEAD", "other"),
        "status": _number,
        "milliseconds": _number,
        # Stable dotted codes of our own errors; their messages and hints stay out.
        "code": _text(r"[a-z][a-z0-9-]{0,31}(?:\.[a-z][a-z0-9-]{0,31}){1,2}"),
        "party": _text(NAME),
        # Who else spoke, and which class of exception: a class name is written by programmers.
        "source": _one_of(*_FOREIGN, "other"),
        "error": _text(r"[A-Z][A-Za-z]{0,47}"),
        "version": _text(r"\d+\.\d+\.\d+[a-z0-9.]{0,16}"),
        "taken": _number,
        "failed": _number,
    }
)


KEYS = frozenset({*FORMS, "route"})


class Journal:
    """Writes lines; safe to use from several threads if its writer is."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        service: str,
        clock: Clock,
        strictness: Strictness = Strictness.DROP,
        verbosity: Verbosity = Verbosity.REQUESTS,
    ) -> None:
        """Write for one service.

        Args:
            write: Takes one line with its end.
            service: ``broker`` or ``hub``.
            clock: Says when.
            strictness: What becomes of something that is not listed.
            verbosity: Whether lines that tell of no trouble are written.
        """
        self._write = write
        self._service = service
        self._clock = clock
        self._strictness = strictness
        self._verbosity = verbosity
        self._routes: frozenset[str] = frozenset({NOWHERE})

    def know(self, routes: Iterable[str]) -> None:
        """List the patterns of a service's routes; a path that was asked for is none of them."""
        self._routes |= frozenset(routes)

    def route(self, pattern: str) -> str:
        """Return a pattern if it is listed, else what stands for all others."""
        return pattern if pattern in self._routes else NOWHERE

    def say(self, event: str, *, level: str = "info", **fields: Value) -> None:
        """Write one line.

        Raises:
            MalformedError: Something is not listed, where that is refused; the value
                is not said.
        """
        told: dict[str, Value] = {
            "event": event,
            "level": level,
            "service": self._service,
            **fields,
        }
        listed = {key: value for key, value in told.items() if self._is_listed(key, value)}
        dropped = len(told) - len(listed)
        if dropped and self._strictness is Strictness.REFUSE:
            known = sorted(key for key in told.keys() - listed.keys() if key in KEYS)
            raise MalformedError(
                f"journal: {', '.join(known) or 'a key'}, agreed listed keys and forms",
                code="journal.unlisted",
            )
        if level == "info" and self._verbosity is Verbosity.TROUBLE:
            return
        line: dict[str, JSONValue] = {"time": format_time(self._clock()), **listed}
        if dropped:
            line["dropped"] = dropped
        self._write(canonical_json(line).decode("ascii") + "\n")

    def _is_listed(self, key: str, value: Value) -> bool:
        if key == "route":
            return value in self._routes
        form = FORMS.get(key)
        return form is not None and form(value)


@contextmanager
def heard_through(journal: Journal) -> Iterator[None]:
    """Let libraries of this process speak through a journal while the block runs.

    Their messages quote what they were given: paths, statements, values. Who spoke, how
    loudly, and the class of an exception is all that is written.
    """
    root = logging.getLogger()
    handler, before = _Foreign(journal), (root.handlers[:], root.level)
    loggers = {name: logging.getLogger(name) for name in (*_FOREIGN, "uvicorn", "uvicorn.access")}
    states = {name: (found.handlers[:], found.propagate) for name, found in loggers.items()}
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for found in loggers.values():
        found.handlers[:], found.propagate = [], True
    try:
        yield
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        for name, found in loggers.items():
            found.handlers[:], found.propagate = states[name]


class _Foreign(logging.Handler):
    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write who spoke; a record's text, arguments and frames are never looked at."""
        kind = record.exc_info[0] if record.exc_info else None
        error = {} if kind is None else {"error": kind.__name__}
        self._journal.say(
            "foreign",
            level="error" if record.levelno >= logging.ERROR else "warning",
            source=record.name if record.name in _FOREIGN else "other",
            **error,
        )
