# SPDX-License-Identifier: Apache-2.0
"""Write TOML that people read in a pull request: quoted text, lists, comments.

Everything that a document holds is text, whole numbers, times, lists and flat
tables, so this is all the TOML that is ever written.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TypeAlias

from cleanroom.kernel.clock import format_time

Scalar: TypeAlias = str | int | dt.datetime


def scalar(value: Scalar) -> str:
    """Write text in quotes, a number, or a time."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dt.datetime):
        return format_time(value)
    return str(value)


def quote(text: str) -> str:
    """Write text as a basic string; JSON escapes are TOML escapes, but DEL must be one too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def ratio(value: Fraction) -> str:
    """Write an exact number in quotes, as ``"9/10"`` or ``"20000"``."""
    return quote(str(value))


def array(values: Iterable[Scalar]) -> str:
    """Write a list on one line, in the order given."""
    return "[" + ", ".join(scalar(value) for value in values) + "]"


def names(values: Iterable[object]) -> str:
    """Write a set of names or digests as a sorted list."""
    return array(sorted(str(value) for value in values))


def inline(values: Mapping[str, Scalar]) -> str:
    """Write a flat table on one line."""
    if not values:
        return "{}"
    return "{ " + ", ".join(f"{key} = {scalar(value)}" for key, value in values.items()) + " }"


def tables(name: str, entries: Iterable[Mapping[str, str]]) -> str:
    """Write an array of tables whose values are written already; none at all writes nothing."""
    text = ""
    for entry in entries:
        lines = "".join(f"{key} = {value}\n" for key, value in entry.items())
        text += f"\n[[{name}]]\n{lines}"
    return text


def document(text: str) -> bytes:
    """Encode a finished document."""
    return text.encode("utf-8")
