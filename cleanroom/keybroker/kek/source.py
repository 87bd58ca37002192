# SPDX-License-Identifier: Apache-2.0
"""What every key encryption key (KEK) can do, and what can go wrong with one.

A KEK never sees the broker's seeds: it wraps one 32-byte key, which seals them. So
the same file works with services that take a few bytes only, and no service learns more.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from cleanroom.errors import CleanroomError, IntegrityError, KeyRefusedError, UnavailableError

KEY_BYTES = 32


class Kek(Protocol):
    """One KEK, wherever it is."""

    @property
    def place(self) -> str:
        """Which key it is, without where its credentials lie; stands in the wrapped file."""

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Wrap 32 bytes.

        Args:
            key: The bytes.
            context: What they are for; unwrapping under another one fails where the
                service can bind it, and everywhere by what the bytes then seal.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Unwrap what :meth:`wrap` returned; nothing says yet that it is the same.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """


class Trouble(Enum):
    """What can be wrong with a KEK, whoever keeps it: code, words and what to do."""

    WRONG = (
        IntegrityError,
        "wrong",
        "does not open what was wrapped: another key, or bytes that were altered",
        "give the key that wrapped it; cleanroom broker init makes the file anew",
    )
    OTHER_VERSION = (
        KeyRefusedError,
        "rotated",
        "was rotated, and the version that wrapped this is not given out any more",
        "allow the old version again, then run: cleanroom broker rewrap",
    )
    DISABLED = (
        KeyRefusedError,
        "disabled",
        "is disabled, or about to be destroyed",
        "enable it where it is kept",
    )
    DENIED = (
        KeyRefusedError,
        "denied",
        "may not be used with these credentials",
        "check the credentials file, its expiry, and what it permits",
    )
    ABSENT = (KeyRefusedError, "absent", "is not there", "compare the name in --kek")
    UNREACHABLE = (
        UnavailableError,
        "unreachable",
        "cannot be reached now",
        "check the network or the device, then try again",
    )
    ANSWER = (
        UnavailableError,
        "answer",
        "gave no answer of the documented form",
        "check the address in --kek; something else may answer there",
    )

    def of(self, place: str) -> CleanroomError:
        """Make the error for one key; the service's own words are not repeated."""
        kind: type[CleanroomError]
        kind, code, words, hint = self.value
        return kind(f"kek {place}: {words}", code=f"kek.{code}", hint=hint)
