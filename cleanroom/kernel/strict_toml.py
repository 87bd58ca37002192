# SPDX-License-Identifier: Apache-2.0
"""Parse TOML documents that people sign: one reading, within limits.

``tomllib`` already refuses duplicate keys. Floats, local times and huge
integers are refused here, by name, because two readers could round them apart.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from typing import Any, NoReturn

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_NESTING, MAX_SAFE_INTEGER
from cleanroom.kernel.plain_text import require_plain
from cleanroom.kernel.strict_json import check_shape, decode_text

_KEY = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
# Possessive, and started only where a key can start, so that it looks at each byte
# a bounded number of times. Text that reads like such a key is refused as well.
_DEEP_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_NESTING + 1}}}")


def parse_toml(data: bytes, *, what: str, limit: int) -> dict[str, Any]:
    """Parse a TOML document from its exact bytes.

    Args:
        data: The exact bytes, as signed.
        what: Subject of the error message, for example ``contract.toml``.
        limit: Largest accepted length in bytes.

    Raises:
        MalformedError: Oversize, not UTF-8, not TOML, a character that misleads whoever
            reads it, a duplicate key, a float, a local date or time, an integer beyond
            2**53 - 1, or nesting too deep.
    """
    text = decode_text(data, what=what, limit=limit)
    require_plain(text, what=what)
    # Before parsing: tomllib takes time quadratic in the depth of a dotted key.
    if _DEEP_KEY.search(text):
        _refuse(what, "nesting that is too deep", "nesting")
    try:
        document = tomllib.loads(text, parse_float=lambda _: _refuse(what, "a float", "float"))
    except tomllib.TOMLDecodeError as error:
        raise MalformedError(f"{what}: not TOML: {_position(error)}", code="toml.syntax") from None
    except ValueError:
        # Python itself refuses to convert thousands of digits; the limit here is lower.
        _refuse(what, "an integer beyond 2**53 - 1", "integer")
    except RecursionError:
        _refuse(what, "nesting that is too deep", "nesting")
    _check_scalars(document, what=what, depth=0)
    check_shape(document, what=what)
    return document


def _check_scalars(value: object, *, what: str, depth: int) -> None:
    if depth > MAX_NESTING:
        _refuse(what, "nesting that is too deep", "nesting")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_scalars(item, what=what, depth=depth + 1)
    _check_scalar(value, what)


def _check_scalar(value: object, what: str) -> None:
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        _refuse(what, "an integer beyond 2**53 - 1", "integer")
    if isinstance(value, dt.datetime):
        if value.utcoffset() != dt.timedelta(0) or value.microsecond:
            _refuse(what, "a time that is not UTC in whole seconds", "time")
    elif isinstance(value, dt.date | dt.time):
        _refuse(what, "a local date or time", "time")


def _position(error: tomllib.TOMLDecodeError) -> str:
    # tomllib quotes what it found; only its own words and the place are kept.
    text = str(error)
    cause = text.partition("(")[0].strip() or "syntax error"
    place = text.rpartition("(at ")[2].rstrip(")") if "(at " in text else "unknown place"
    return f"{cause.partition(':')[0][:80]} at {place[:40]}"


def _refuse(what: str, found: str, cause: str) -> NoReturn:
    raise MalformedError(
        f"{what}: found {found}",
        code=f"toml.{cause}",
        hint="write ratios as strings such as '1/10' and times as 2026-01-31T00:00:00Z",
    )
