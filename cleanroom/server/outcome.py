# SPDX-License-Identifier: Apache-2.0
"""How an answer looks from outside: its media type, its status, the class of its error."""

from __future__ import annotations

from http import HTTPStatus

from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    MalformedError,
    RefusedError,
    UnavailableError,
    to_wire,
)
from cleanroom.server.rates import TOO_MANY

JSON = "application/json"
BYTES = "application/octet-stream"

# A class further down the list is more general than those above it.
_STATUS = (
    (MalformedError, HTTPStatus.BAD_REQUEST),
    (IntegrityError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RefusedError, HTTPStatus.FORBIDDEN),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (CleanroomError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


def status_of(error: CleanroomError) -> HTTPStatus:
    """Return the status that goes with an error."""
    if error.code == TOO_MANY:
        return HTTPStatus.TOO_MANY_REQUESTS
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def class_of(error: CleanroomError) -> str:
    """Return the name of the nearest class of our tree: one of few, whoever asks."""
    return to_wire(error)["class"]


def broken() -> CleanroomError:
    """Make the error for a mistake of ours, in which no word of another's exception is."""
    return CleanroomError("server: failed", code="server.failed", hint="its operator reads the log")
