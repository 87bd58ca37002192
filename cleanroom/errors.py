# SPDX-License-Identifier: Apache-2.0
"""The one error tree: what went wrong, in words that never hold a data value.

Every class has one exit code, every cause one stable dotted ``code`` string
that a program may compare. A message reads ``subject: found against agreed``.
Messages name documents, rules and columns; they never name a cell, a row count,
a key or a path under the vault, because error text is output like any other.
"""

from __future__ import annotations


class CleanroomError(Exception):
    """Say why something stopped, and what to do about it.

    Attributes:
        code: Stable dotted string, for example ``contract.unknown-key``.
        message: ``subject: found against agreed``, lower case, no full stop.
        hint: What the reader can do next; may be empty.
        exit_code: Exit status of the command line.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        """Keep the message, the stable code and the hint."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


class MalformedError(CleanroomError):
    """Bytes that are not the format they claim to be."""

    exit_code = 4


class IntegrityError(CleanroomError):
    """A signature, tag or digest that does not match."""

    exit_code = 5


class RefusedError(CleanroomError):
    """Everything is genuine, and a rule says no."""

    exit_code = 3


class IdentityUnprovenError(RefusedError):
    """Signatures hold, yet nobody said out of band whose keys they are."""


class EvidenceRefusedError(RefusedError):
    """Genuine evidence of something the contract does not accept."""


class AdmissionRefusedError(RefusedError):
    """A query that the output policies do not admit; depends on no data."""


class KeyRefusedError(RefusedError):
    """A key broker refused to release keys or to commit a result."""


class DisclosureRefusedError(RefusedError):
    """A result that may not leave; counted like a release."""


class ResourcesExceededError(DisclosureRefusedError):
    """A run that needed more than its query or contract allows; counted like a release."""


class UnavailableError(CleanroomError):
    """Disk, network, lock or quota; trying again may help."""

    exit_code = 6


class QueryFailedError(CleanroomError):
    """The engine did not complete a query; the reason stays inside."""


def to_wire(error: CleanroomError) -> dict[str, str]:
    """Describe an error for another process: its class by name, and its words.

    A class that only some package knows travels as the nearest one of this tree.
    """
    kind = next(item for item in type(error).__mro__ if item.__module__ == __name__)
    return {
        "class": kind.__name__,
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
    }


def from_wire(name: str, *, code: str, message: str, hint: str) -> CleanroomError:
    """Rebuild an error of this tree; an unknown class becomes the root, never a success."""
    kind = _by_name().get(name, CleanroomError)
    return kind(message, code=code, hint=hint)


def _by_name() -> dict[str, type[CleanroomError]]:
    found: dict[str, type[CleanroomError]] = {}
    waiting = [CleanroomError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting.extend(kind.__subclasses__())
    return found
