# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON (RFC 8785) over the values that our documents may hold.

Two machines must derive the same bytes from the same statement, or a digest
means nothing. Floats are refused instead of canonicalised: every ratio in our
documents is an exact fraction, and a sum of floats depends on row order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_NESTING, MAX_SAFE_INTEGER

JSONValue: TypeAlias = bool | int | str | Sequence["JSONValue"] | Mapping[str, "JSONValue"] | None

_Container: TypeAlias = dict[Any, Any] | list[Any] | tuple[Any, ...]

# What they are given was walked whole, so that it holds no circle.
_SORTED, _AS_ORDERED = (
    json.JSONEncoder(
        ensure_ascii=False, check_circular=False, sort_keys=sort_keys, separators=(",", ":")
    ).encode
    for sort_keys in (True, False)
)


def canonical_json(value: JSONValue) -> bytes:
    """Encode a value as RFC 8785 bytes.

    Raises:
        MalformedError: For a float, a non-string key, an integer beyond 2**53 - 1,
            a lone surrogate, or nesting deeper than the limit.
    """
    text = _SORTED(value) if _is_plain(value, depth=0) else _AS_ORDERED(_ordered(value, depth=0))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError(
            "json: a lone surrogate cannot be encoded", code="json.surrogate"
        ) from None


def _is_plain(value: object, *, depth: int) -> bool:
    """Tell whether the standard encoder writes a value as RFC 8785 does, refusing nothing.

    It does for exactly these types, small integers, and keys of ASCII, whose code points
    sort as UTF-16 does. Most documents are such, and copying them into order was most of
    what encoding took. Whatever is not is refused or ordered below.
    """
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        return depth < MAX_NESTING and _holds_plain(cast("_Container", value), depth=depth + 1)
    if kind is int:
        return abs(cast("int", value)) <= MAX_SAFE_INTEGER
    return kind is str or kind is bool or value is None


def _holds_plain(container: _Container, *, depth: int) -> bool:
    if isinstance(container, dict):
        for key in container:
            if type(key) is not str or not key.isascii():
                return False
        items: Iterable[object] = container.values()
    else:
        items = container
    for item in items:  # noqa: SIM110 - a generator costs more than what it would ask
        if type(item) is not str and not _is_plain(item, depth=depth):
            return False
    return True


def _ordered(value: JSONValue, *, depth: int) -> object:
    if depth > MAX_NESTING:
        raise MalformedError(f"json: nested deeper than {MAX_NESTING} levels", code="json.nesting")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return _safe_integer(value)
    if isinstance(value, list | tuple):
        return [_ordered(item, depth=depth + 1) for item in value]
    # Most are a dict, and asking an abstract class costs as much as all else here.
    if isinstance(value, (dict, Mapping)):
        return _ordered_object(value, depth=depth)
    raise MalformedError(
        f"json: a value of type {type(value).__name__} has no canonical form",
        code="json.type",
        hint="write ratios as strings such as '1/10', and times as RFC 3339 strings",
    )


def _safe_integer(value: int) -> int:
    if abs(value) > MAX_SAFE_INTEGER:
        raise MalformedError("json: an integer exceeds 2**53 - 1", code="json.integer")
    return value


def _ordered_object(value: Mapping[str, JSONValue], *, depth: int) -> dict[str, object]:
    for key in value:
        if not isinstance(key, str):
            raise MalformedError("json: an object key is not a string", code="json.key")
    # RFC 8785 section 3.2.3 sorts by UTF-16 code units, which differs from code
    # points once a key leaves the basic plane; those of ASCII never do.
    plain = all(map(str.isascii, value))
    keys = sorted(value, key=None if plain else _code_units)
    return {key: _ordered(value[key], depth=depth + 1) for key in keys}


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
