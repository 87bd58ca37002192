# SPDX-License-Identifier: Apache-2.0
"""Parse JSON that leaves no room for two readings.

``json.loads`` keeps the last of two equal keys and reads ``NaN``; another
verifier may not. Whatever two parsers could read differently is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_INTEGER_DIGITS, MAX_NESTING, MAX_SAFE_INTEGER

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, *, what: str, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    """Parse one JSON value from bytes.

    Args:
        data: The exact bytes.
        what: Subject of the error message, for example ``receipt``.
        limit: Largest accepted length in bytes.

    Raises:
        MalformedError: Oversize, not UTF-8, not JSON, a duplicate key, a float,
            an integer beyond 2**53 - 1, a lone surrogate, or nesting too deep.
    """
    return _parse(
        data, what=what, limit=limit, fraction=lambda _: _refuse(what, "a float", "float")
    )


def parse_foreign_json(data: bytes, *, what: str, limit: int) -> Any:  # noqa: ANN401
    """Parse one JSON value of somebody else's making: fractions become their text.

    Others note times as fractions beside what they prove. As text nobody can compute
    with one by accident; everything else is as strict as in :func:`parse_json`, which
    is what reads documents of our own.

    Raises:
        MalformedError: As :func:`parse_json`, but for fractions.
    """
    return _parse(data, what=what, limit=limit, fraction=str)


def _parse(data: bytes, *, what: str, limit: int, fraction: Callable[[str], str]) -> Any:  # noqa: ANN401
    text = decode_text(data, what=what, limit=limit)
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, what),
            parse_float=fraction,
            parse_constant=lambda _: _refuse(what, "NaN or infinity", "float"),
            parse_int=lambda digits: _integer(digits, what),
        )
    except RecursionError:
        _refuse(what, "nesting that is too deep", "nesting")
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"{what}: not JSON at line {error.lineno}, column {error.colno}",
            code="json.syntax",
        ) from None
    check_shape(value, what=what)
    # Decoded UTF-8 holds no surrogates; only an escape can bring one in.
    if "\\" in text and _SURROGATE_ESCAPE.search(text):
        _check_text(value, what=what)
    return value


def decode_text(data: bytes, *, what: str, limit: int) -> str:
    """Decode UTF-8 after checking the size, so a huge file costs nothing.

    Raises:
        MalformedError: Over the limit, or not UTF-8, or starting with a byte order mark.
    """
    if len(data) > limit:
        raise MalformedError(
            f"{what}: {len(data)} bytes against a limit of {limit}", code="format.oversize"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"{what}: not UTF-8 at byte {error.start}", code="format.encoding"
        ) from None
    if text.startswith("\ufeff"):
        _refuse(what, "a byte order mark", "encoding")
    return text


def check_shape(value: object, *, what: str, depth: int = 0) -> None:
    """Refuse nesting deeper than the limit.

    Raises:
        MalformedError: Too deep.
    """
    if depth > MAX_NESTING:
        _refuse(what, "nesting that is too deep", "nesting")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                check_shape(item, what=what, depth=depth + 1)


def _check_text(value: object, *, what: str) -> None:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        _refuse(what, "a lone surrogate", "surrogate")
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            _check_text(item, what=what)


def _twice(pairs: list[tuple[str, Any]]) -> str:
    # Each key is looked at once: a stranger chooses how many there are (T-18).
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            break
        seen.add(key)
    return key


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse(what, f"the key {_twice(pairs)[:64]!r} twice", "duplicate-key")
    return found


def _integer(digits: str, what: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS or abs(int(digits)) > MAX_SAFE_INTEGER:
        _refuse(what, "an integer beyond 2**53 - 1", "integer")
    return int(digits)


def _refuse(what: str, found: str, cause: str) -> NoReturn:
    raise MalformedError(f"{what}: found {found}", code=f"json.{cause}")
