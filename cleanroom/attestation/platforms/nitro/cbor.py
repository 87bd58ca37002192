# SPDX-License-Identifier: Apache-2.0
"""Read and write the little CBOR (RFC 8949) that Nitro documents are made of.

Our own, because a general library reads what must not be read here: indefinite
lengths, tags, floats, padded integers, and the last of two equal keys. Eight byte
heads, four kinds of values and four refusals fit on one page. One map of indefinite
length is read where a caller asks for it: hypervisors write the outermost map of a
document so since 2025.
"""

from __future__ import annotations

from typing import TypeAlias

from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

CBORValue: TypeAlias = "int | bytes | str | list[CBORValue] | dict[int | str, CBORValue] | None"

MAX_DEPTH = 8
MAX_ITEMS = 64
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
_NULL = 0xF6
_OPEN_MAP, _BREAK = b"\xbf", b"\xff"
_ONE_BYTE = 24  # lengths below it stand in the head itself
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}


def decode(
    data: bytes, *, what: str, tags: frozenset[int] = frozenset(), open_map: bool = False
) -> CBORValue:
    """Read one value that all the bytes are.

    Args:
        data: The bytes.
        what: Their name, for messages.
        tags: Numbers of tags that are read as what is inside them.
        open_map: Whether the outermost map may be one that a break ends (RFC 8949,
            section 3.2.2); nothing within it may.

    Raises:
        MalformedError: Truncated, trailing bytes, a length of indefinite or padded form,
            another tag, a float, one key twice, or nesting too deep.
    """
    value, end = _value(data, 0, where=_Where(what=what, tags=tags, depth=0, open_map=open_map))
    if end != len(data):
        raise _malformed(what, "bytes behind the end, agreed none")
    return value


def encode(value: CBORValue) -> bytes:
    """Write a value with the shortest heads, map members in the order given."""
    if value is None:
        return bytes([_NULL])
    if isinstance(value, int):
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode("utf-8")
        return _head(_TEXT, len(text)) + text
    if isinstance(value, list):
        return _head(_ARRAY, len(value)) + b"".join(map(encode, value))
    members = b"".join(encode(key) + encode(member) for key, member in value.items())
    return _head(_MAP, len(value)) + members


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """What is read, which tags it may have, how deep within it, and whether a break may end it."""

    what: str
    tags: frozenset[int]
    depth: int
    open_map: bool

    def deeper(self) -> _Where:
        """Return the place one level further within."""
        return _Where(what=self.what, tags=self.tags, depth=self.depth + 1, open_map=False)


def _value(data: bytes, at: int, *, where: _Where) -> tuple[CBORValue, int]:
    if where.depth > MAX_DEPTH:
        raise _malformed(where.what, f"nesting that is too deep, agreed at most {MAX_DEPTH}")
    if data[at : at + 1] == bytes([_NULL]):
        return None, at + 1
    if where.open_map and data[at : at + 1] == _OPEN_MAP:
        return _open_map(data, at + 1, where=where)
    kind, size, at = _read_head(data, at, what=where.what)
    if kind in {_UNSIGNED, _NEGATIVE}:
        return (size if kind == _UNSIGNED else -1 - size), at
    if kind in {_BYTES, _TEXT}:
        return _string(data, at, size, what=where.what, text=kind == _TEXT)
    if kind == _TAG and size in where.tags:
        return _value(data, at, where=where.deeper())
    return _several(data, at, (kind, size), where=where)


def _several(
    data: bytes, at: int, head: tuple[int, int], *, where: _Where
) -> tuple[CBORValue, int]:
    kind, size = head
    if kind not in {_ARRAY, _MAP} or size > MAX_ITEMS:
        found = f"tag {size}" if kind == _TAG else "a float, or too many items"
        raise _malformed(
            where.what, f"{found}, agreed no tag or float and at most {MAX_ITEMS} items"
        )
    if kind == _MAP:
        return _map(data, at, size, where=where)
    items: list[CBORValue] = []
    for _ in range(size):
        item, at = _value(data, at, where=where.deeper())
        items.append(item)
    return items, at


def _map(
    data: bytes, at: int, size: int, *, where: _Where
) -> tuple[dict[int | str, CBORValue], int]:
    members: dict[int | str, CBORValue] = {}
    for _ in range(size):
        at = _member(data, at, members, where=where)
    return members, at


def _open_map(data: bytes, at: int, *, where: _Where) -> tuple[dict[int | str, CBORValue], int]:
    members: dict[int | str, CBORValue] = {}
    # What has no break runs into the end, which is no value.
    while data[at : at + 1] != _BREAK:
        if len(members) == MAX_ITEMS:
            raise _malformed(where.what, f"too many items, agreed at most {MAX_ITEMS} items")
        at = _member(data, at, members, where=where)
    return members, at + 1


def _member(data: bytes, at: int, members: dict[int | str, CBORValue], *, where: _Where) -> int:
    key, at = _value(data, at, where=where.deeper())
    # Of two equal keys one reader takes the first and another the last.
    if not isinstance(key, int | str) or key in members:
        raise _malformed(
            where.what, "one key twice, or a key that is neither number nor text, agreed once"
        )
    members[key], at = _value(data, at, where=where.deeper())
    return at


def _string(data: bytes, at: int, size: int, *, what: str, text: bool) -> tuple[bytes | str, int]:
    content = data[at : at + size]
    if len(content) != size:
        raise _malformed(what, "an end inside a value, agreed a whole one")
    if not text:
        return content, at + size
    try:
        return content.decode("utf-8"), at + size
    except UnicodeDecodeError:
        raise _malformed(what, "text that is not UTF-8") from None


def _read_head(data: bytes, at: int, *, what: str) -> tuple[int, int, int]:
    if at >= len(data):
        raise _malformed(what, "an end inside a value, agreed a whole one")
    kind, size = data[at] >> 5, data[at] & 0x1F
    at += 1
    if size < _ONE_BYTE:
        return kind, size, at
    width = _WIDTHS.get(size)
    if width is None:
        raise _malformed(what, "a length of indefinite form, agreed a definite one")
    content = data[at : at + width]
    value = int.from_bytes(content, "big")
    # RFC 8949 section 4.2.1: the shortest head, or one document has several spellings.
    if len(content) != width or value < (_ONE_BYTE if width == 1 else 1 << (4 * width)):
        raise _malformed(what, "a padded or truncated length, agreed the shortest form")
    return kind, value, at + width


def _head(kind: int, size: int) -> bytes:
    if size < _ONE_BYTE:
        return bytes([kind << 5 | size])
    code, width = next(item for item in _WIDTHS.items() if size < 1 << (8 * item[1]))
    return bytes([kind << 5 | code]) + size.to_bytes(width, "big")


def _malformed(what: str, found: str) -> MalformedError:
    return MalformedError(f"{what}: found {found}", code="cbor.malformed")
