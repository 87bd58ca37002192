# SPDX-License-Identifier: Apache-2.0
"""The claims that every token has: who issued it, and when it counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.clock import format_time

# Between the service's clock and ours.
MAX_CLOCK_SKEW = dt.timedelta(seconds=60)
# Microsoft's tokens live eight hours; one that lives for years is a mistake or a forgery.
MAX_LIFETIME = dt.timedelta(hours=24)

_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime holds


def require_times(claims: Mapping[str, Any], *, at: dt.datetime, what: str) -> dt.datetime:
    """Return when a token was issued, if it counts at the given time.

    Raises:
        MalformedError: ``iat`` or ``exp`` is missing, or a time is not whole seconds.
        EvidenceRefusedError: Not yet, not any more, or for longer than any service says.
    """
    issued, expires = (_time(claims, name, what=what) for name in ("iat", "exp"))
    start = _time(claims, "nbf", what=what) if "nbf" in claims else issued
    if not max(start, issued) - MAX_CLOCK_SKEW <= at < expires:
        state = "expired" if at >= expires else "not-yet-valid"
        raise EvidenceRefusedError(
            f"{what}: judged at {format_time(at)}, counts from {format_time(max(start, issued))}"
            f" until {format_time(expires)}",
            code=f"token.{state}",
            hint="judge by the time at which the token was used, and check this machine's clock",
        )
    if expires - issued > MAX_LIFETIME:
        raise EvidenceRefusedError(
            f"{what}: counts until {format_time(expires)}, agreed at most"
            f" {int(MAX_LIFETIME.total_seconds())} seconds after it was issued",
            code="token.lifetime",
        )
    return issued


def require_issuer(claims: Mapping[str, Any], *, issuer: str, what: str) -> None:
    """Refuse a token of another issuer than the key's.

    Raises:
        EvidenceRefusedError: Another ``iss``, or none.
    """
    if claims.get("iss") != issuer:
        raise EvidenceRefusedError(
            f"{what} issuer: found {str(claims.get('iss'))[:100]}, agreed {issuer}",
            code="token.issuer",
        )


def text_claim(claims: Mapping[str, Any], name: str, *, what: str) -> str:
    """Return a claim that is text; absent is refused, never empty.

    Raises:
        MalformedError: Absent, or not text.
    """
    value = claims.get(name)
    if not isinstance(value, str):
        raise _missing(what, name, "text")
    return value


def flag_claim(claims: Mapping[str, Any], name: str, *, what: str) -> bool:
    """Return a claim that is true or false; absent is refused, never false.

    Raises:
        MalformedError: Absent, or neither.
    """
    value = claims.get(name)
    if not isinstance(value, bool):
        raise _missing(what, name, "true or false")
    return value


def number_claim(claims: Mapping[str, Any], name: str, *, what: str) -> int:
    """Return a claim that is a whole number from 0.

    Raises:
        MalformedError: Absent, or another value.
    """
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _missing(what, name, "a whole number")
    return value


def object_claim(claims: Mapping[str, Any], name: str, *, what: str) -> Mapping[str, Any]:
    """Return a claim that is an object.

    Raises:
        MalformedError: Absent, or another value.
    """
    value = claims.get(name)
    if not isinstance(value, dict):
        raise _missing(what, name, "an object")
    return value


def hex_claim(claims: Mapping[str, Any], name: str, *, size: int, what: str) -> bytes:
    """Return a claim that is hexadecimal text of so many bytes.

    Raises:
        MalformedError: Absent, or another value.
    """
    text = text_claim(claims, name, what=what)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != size or value.hex() != text.lower():
        raise _missing(what, name, f"{size} bytes in hexadecimal")
    return value


def _time(claims: Mapping[str, Any], name: str, *, what: str) -> dt.datetime:
    seconds = number_claim(claims, name, what=what)
    if seconds > _LAST_SECOND:
        raise _missing(what, name, "a time before the year 10000")
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def _missing(what: str, name: str, agreed: str) -> MalformedError:
    return MalformedError(f"{what} claim {name}: agreed {agreed}", code="token.claim")
