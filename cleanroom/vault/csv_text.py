# SPDX-License-Identifier: Apache-2.0
"""CSV: one fixed dialect, and types that hold for the whole file.

A type guessed from the first lines fails hours later, or silently turns the code
``007`` into the number 7. Here every value of a column is looked at, and a text
becomes a number, date or truth value only if nothing of it can be lost.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import conversion, literal, quoted
from cleanroom.vault.session import fetch

MAX_HEADER_BYTES = MIB
DELIMITERS = ",;\t|"

# Every shape is tried on a few rows, and the narrowest one left on more of them.
_FIRST_LOOK, _SECOND_LOOK = 500, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What texts of a type look like.

    Attributes:
        type: The type.
        pattern: Matches the whole of such a text.
        is_tried: Some texts that match are no value of the type.
    """

    type: str
    pattern: str
    is_tried: bool = True


# A larger power could be more than any double; the engine makes infinity of it.
_POWER = r"(?:[eE][+-]?(?:\d{1,2}|1\d\d|2[0-8]\d))?"

# From narrow to wide. Leading zeros and plus signs make codes, not numbers, and more than 15
# digits do not survive a double. Shorter numbers come first: they need not be tried.
_SHAPES = (
    _Shape(type="boolean", pattern="(?i:true|false)", is_tried=False),
    _Shape(type="integer", pattern=r"-?(?:0|[1-9]\d{0,17})", is_tried=False),
    _Shape(type="integer", pattern=r"-?(?:0|[1-9]\d{0,18})"),
    _Shape(type="double", pattern=r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,18})?", is_tried=False),
    _Shape(type="double", pattern=rf"-?(?:0|[1-9]\d{{0,14}})(?:\.\d+)?{_POWER}"),
    _Shape(type="date", pattern=r"\d{4}-\d{2}-\d{2}"),
    _Shape(
        type="timestamp",
        pattern=r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
        r"(?:Z|[+-]\d{2}(?::?\d{2})?)?)?",
    ),
)
_Left = Mapping[str, tuple[_Shape, ...]]
_Question = tuple[str, _Shape]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvText:
    """A CSV file in our dialect.

    Attributes:
        path: The file.
        delimiter: One of ``DELIMITERS``.
        names: Column names, from the first line.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]

    def relation(self) -> str:
        """SQL that reads every column as text, empty values as NULL."""
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.names)
        return (
            f"read_csv({literal(str(self.path))}, auto_detect = false, header = true, "
            f"delim = {literal(self.delimiter)}, quote = '\"', escape = '\"', "
            f"strict_mode = true, columns = {{{columns}}})"
        )


def read_header(path: Path) -> CsvText:
    """Read the first line: the delimiter is the candidate that it has most of.

    Raises:
        UnavailableError: The file cannot be read.
        MalformedError: The first line is no header in UTF-8, or names a column twice.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_HEADER_BYTES)
    except OSError as error:
        raise UnavailableError("source: cannot be read", code="vault.unreadable") from error
    delimiter, names = _split_header(line)
    # The engine does not tell upper from lower case in names.
    if not names or not all(names) or len({name.lower() for name in names}) != len(names):
        raise MalformedError(
            "source: its first line does not name the columns, each once",
            code="vault.csv-header",
            hint="start the file with one line of column names, in UTF-8",
        )
    return CsvText(path=path, delimiter=delimiter, names=tuple(names))


def _split_header(line: bytes) -> tuple[str, list[str]]:
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
        delimiter = max(DELIMITERS, key=text.count)
        return delimiter, next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return "", []


def find_types(
    connection: duckdb.DuckDBPyConnection, text: CsvText, *, stated: Collection[str]
) -> tuple[dict[str, str], int]:
    """Find the narrowest type that loses nothing for each column, and count the rows.

    The first lines rule types out cheaply. The whole file then decides: each column
    is tested for the narrowest type left, and again for the next one if it fails,
    so the first lines never decide alone and most files are parsed once.

    Raises:
        MalformedError: Some line does not fit the dialect.
    """
    every = text.relation()
    left: _Left = {name: _SHAPES for name in text.names if name not in stated}
    looks = {name: tuple(map(_untried, shapes)) for name, shapes in left.items()}
    first, _ = _ask(connection, f"(FROM {every} LIMIT {_FIRST_LOOK})", _questions(looks))
    left = {
        name: tuple(shape for shape in shapes if first[name, _untried(shape)] is not False)
        for name, shapes in left.items()
    }
    left, _, _ = _narrow(connection, f"(FROM {every} LIMIT {_SECOND_LOOK})", left)
    left, empty, rows = _narrow(connection, every, left)
    # A column that has no value at all is a string, which can become anything.
    types = {name: shapes[0].type if shapes else "string" for name, shapes in left.items()}
    return types | dict.fromkeys(empty, "string"), rows


def narrowest_type(connection: duckdb.DuckDBPyConnection, values: Sequence[str | None]) -> str:
    """Find the narrowest type that loses nothing of a few texts."""
    listed = ", ".join("(NULL)" if value is None else f"({literal(value)})" for value in values)
    relation = f"(VALUES {listed}) AS listed(v)"
    fits, _ = _ask(connection, relation, [("v", shape) for shape in _SHAPES])
    return next((shape.type for (_, shape), fit in fits.items() if fit), "string")


def _untried(shape: _Shape) -> _Shape:
    return replace(shape, is_tried=False)


def _questions(left: _Left) -> list[_Question]:
    return [(name, shape) for name, shapes in left.items() for shape in shapes]


def _narrow(
    connection: duckdb.DuckDBPyConnection, relation: str, left: _Left
) -> tuple[_Left, set[str], int]:
    """Drop shapes until each column's first one fits all rows; tell which have no value."""
    open_columns, empty, rows = set(left), set[str](), -1
    while rows < 0 or open_columns:
        asked = {name: left[name][:1] for name in left if name in open_columns}
        fits, rows = _ask(connection, relation, _questions(asked))
        empty |= {name for (name, _), fit in fits.items() if fit is None}
        open_columns = {name for (name, _), fit in fits.items() if fit is False}
        left = {name: left[name][1 if name in open_columns else 0 :] for name in left}
    return left, empty, rows


def _ask(
    connection: duckdb.DuckDBPyConnection, relation: str, questions: Sequence[_Question]
) -> tuple[dict[_Question, bool | None], int]:
    # No AND and no CASE: what the engine takes to plan them grows with the square of their number.
    asked = [part for question in questions for part in _parts(*question)]
    select = ", ".join(["count(*)", *asked])
    rows, *found = fetch(connection, f"SELECT {select} FROM {relation}")[0]  # noqa: S608 - quoted
    answers = iter(found)
    fits = {}
    for question in questions:
        fit = next(answers)
        is_value = next(answers) if question[1].is_tried else True
        fits[question] = fit and is_value
    return fits, int(rows)


def _parts(name: str, shape: _Shape) -> list[str]:
    column = quoted(name)
    # NULL stays NULL, so that bool_and passes over it.
    parts = [f"bool_and(regexp_full_match({column}, {literal(shape.pattern)}))"]
    if shape.is_tried:
        attempt = conversion(column, shape.type, engine_type="VARCHAR", attempt=True)
        parts.append(f"count({column}) = count({attempt})")
    return parts
