# SPDX-License-Identifier: Apache-2.0
"""Read DER (ITU-T X.690) one value at a time; definite, minimal lengths only.

AMD's chip certificates carry the serial number zero and Intel's a nest of
object identifiers: a general X.509 library refuses the first and does not open
the second. This reader knows lengths and tags, and nothing of what they mean.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from cleanroom.errors import MalformedError

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30

MAX_VALUES = 512
_LONG_FORM = 0x80
_MAX_LENGTH_BYTES = 3  # 16 MiB, beyond every limit of this product
_MULTI_BYTE_TAG = 0x1F
_PIVOT_YEAR = 50  # RFC 5280 section 4.1.2.5.1: two-digit years below it are of this century


class Value(NamedTuple):
    """One tag, length and value; a tuple, because one certificate is made of a hundred.

    Attributes:
        tag: The identifier byte.
        content: The bytes inside.
        encoded: Tag, length and content, exactly as received.
    """

    tag: int
    content: bytes
    encoded: bytes


def read_value(data: bytes, *, what: str) -> tuple[Value, bytes]:
    """Read the first value and return it with the bytes that follow.

    Raises:
        MalformedError: Cut short, an indefinite or padded length, or a long tag.
    """
    value, end = _value_at(data, 0, what=what)
    return value, data[end:]


def read_only(data: bytes, *, tag: int, what: str) -> Value:
    """Read the one value that all the bytes are.

    Raises:
        MalformedError: Another tag, or bytes behind the value.
    """
    value, rest = read_value(data, what=what)
    if rest:
        raise _malformed(what, "has bytes behind its end")
    if value.tag != tag:
        raise _malformed(what, f"has tag {value.tag:#04x} against {tag:#04x}")
    return value


def read_all(data: bytes, *, what: str) -> tuple[Value, ...]:
    """Read the values that stand one behind the other.

    Raises:
        MalformedError: A value that is not whole, or more than ``MAX_VALUES``.
    """
    values: list[Value] = []
    at = 0
    while at < len(data):
        if len(values) == MAX_VALUES:
            raise _malformed(what, f"has more than {MAX_VALUES} values")
        value, at = _value_at(data, at, what=what)
        values.append(value)
    return tuple(values)


def children(value: Value, *, tags: tuple[int, ...], what: str) -> tuple[Value, ...]:
    """Read what a constructed value holds, if it is of exactly these tags.

    Raises:
        MalformedError: Another number of values, or other tags.
    """
    found = read_all(value.content, what=what)
    if tuple(item.tag for item in found) != tags:
        raise _malformed(what, "is not made of the expected values")
    return found


def require_signed_envelope(encoded: bytes, *, what: str) -> None:
    """Refuse a certificate or list whose outer part has a second spelling (RFC 5280, 4.1.1).

    The signature does not cover its own wrapping: a library that ignores unused bits
    accepts twins of one certificate.

    Raises:
        MalformedError: Not content, algorithm and a signature of whole bytes, nothing behind.
    """
    outer = read_only(encoded, tag=SEQUENCE, what=what)
    signature = children(outer, tags=(SEQUENCE, SEQUENCE, BIT_STRING), what=what)[2]
    if signature.content[:1] != b"\0":
        raise _malformed(what, "has a signature that is not whole bytes")


def unsigned(value: Value, *, what: str) -> int:
    """Read an ``INTEGER`` or ``ENUMERATED`` that is not negative, in its shortest form.

    Raises:
        MalformedError: Another tag, a negative number, or a padded one.
    """
    content = value.content
    if value.tag not in {INTEGER, ENUMERATED} or not content or content[0] & _LONG_FORM:
        raise _malformed(what, "is not an unsigned integer")
    if len(content) > 1 and not content[0] and not content[1] & _LONG_FORM:
        raise _malformed(what, "is a padded integer")
    return int.from_bytes(content, "big")


def object_identifier(value: Value, *, what: str) -> str:
    """Write an ``OBJECT IDENTIFIER`` with dots.

    Raises:
        MalformedError: Another tag, or an arc that is cut short or padded.
    """
    content = value.content
    if value.tag != OBJECT_IDENTIFIER or not content or content[-1] & _LONG_FORM:
        raise _malformed(what, "is not an object identifier")
    arcs: list[int] = []
    arc, fresh = 0, True
    for byte in content:
        if fresh and byte == _LONG_FORM:
            raise _malformed(what, "is a padded object identifier")
        arc = (arc << 7) | (byte & 0x7F)
        fresh = not byte & _LONG_FORM
        if fresh:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(item) for item in (first, arcs[0] - 40 * first, *arcs[1:]))


def encoded_identifier(dotted: str) -> bytes:
    """Write the content of an ``OBJECT IDENTIFIER``; comparing these is cheaper than reading."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return b"".join(_base_128(arc) for arc in (40 * first + second, *rest))


def _base_128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(arc & 0x7F | _LONG_FORM)
    return bytes(reversed(digits))


def time_value(value: Value, *, what: str) -> dt.datetime:
    """Read a ``UTCTime`` or ``GeneralizedTime`` as RFC 5280 writes them, to the second in UTC.

    Raises:
        MalformedError: Another tag or form, or a moment that no calendar has.
    """
    digits = value.content[:-1]
    sizes = {UTC_TIME: 12, GENERALIZED_TIME: 14}
    if len(digits) != sizes.get(value.tag) or not digits.isdigit() or value.content[-1:] != b"Z":
        raise _malformed(what, "is not a time")
    text = digits.decode("ascii")
    if value.tag == UTC_TIME:
        text = ("20" if int(text[:2]) < _PIVOT_YEAR else "19") + text
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    try:
        return dt.datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise _malformed(what, "is not a time") from None


def _value_at(data: bytes, at: int, *, what: str) -> tuple[Value, int]:
    if len(data) < at + 2:
        raise _malformed(what, "ends inside a value")
    tag = data[at]
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise _malformed(what, "has a tag of several bytes")
    start, length = _length(data, at + 1, what=what)
    end = start + length
    if end > len(data):
        raise _malformed(what, "ends inside a value")
    return Value(tag, data[start:end], data[at:end]), end


def _length(data: bytes, at: int, *, what: str) -> tuple[int, int]:
    first, at = data[at], at + 1
    if first < _LONG_FORM:
        return at, first
    size = first - _LONG_FORM
    if not 0 < size <= _MAX_LENGTH_BYTES or len(data) < at + size:
        raise _malformed(what, "has a length of unknown form")
    length = int.from_bytes(data[at : at + size], "big")
    # X.690 section 10.1: the shortest form, or one certificate has several spellings.
    if length < max(_LONG_FORM, 1 << (8 * (size - 1))):
        raise _malformed(what, "has a padded length")
    return at + size, length


def _malformed(what: str, found: str) -> MalformedError:
    return MalformedError(
        f"{what}: {found}, agreed whole DER in its one form", code="der.malformed"
    )
