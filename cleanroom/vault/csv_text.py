# SPDX-License-Identifier: Apache-2.0
"""CSV: one fixed dialect, and types that hold for the whole file.

A type guessed from the first lines fails hours later, or silently turns the code
``007`` into the number 7. Here every value of a column is looked at, and a text
becomes a number, date or truth value only if nothing of it can be lost.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import conversion, literal, quoted
from cleanroom.vault.session import fetch

MAX_HEADER_BYTES = MIB
DELIMITERS = ",;\t|"

# Shapes are tried from narrow to wide. Leading zeros and plus signs make codes,
# not numbers, and more than 15 digits do not survive a double.
_SHAPES = {
    "boolean": "(?i:true|false)",
    "integer": r"-?(?:0|[1-9]\d{0,18})",
    "double": r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]?\d{1,3})?",
    "date": r"\d{4}-\d{2}-\d{2}",
    "timestamp": r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
    r"(?:Z|[+-]\d{2}(?::?\d{2})?)?)?",
}
_FIRST_LOOK = 20_000


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
    if not names or not all(names) or len(set(names)) != len(names):
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
    open_columns = [name for name in text.names if name not in stated]
    first = f"(FROM {text.relation()} LIMIT {_FIRST_LOOK})"
    every = [(name, kind) for name in open_columns for kind in _SHAPES]
    fits, _ = _ask(connection, first, every)
    left = {name: [k for k in _SHAPES if fits[name, k] is not False] for name in open_columns}
    found: dict[str, str] = {}
    rows = -1
    while rows < 0 or left:
        found |= {name: "string" for name, kinds in left.items() if not kinds}
        left = {name: kinds for name, kinds in left.items() if kinds}
        fits, rows = _ask(connection, text.relation(), [(n, kinds[0]) for n, kinds in left.items()])
        for name, kind in fits:
            # None: the column has no value at all, and a string can become anything.
            if fits[name, kind] is not False:
                found[name] = kind if fits[name, kind] else "string"
                del left[name]
            else:
                left[name] = left[name][1:]
    return found, rows


def narrowest_type(connection: duckdb.DuckDBPyConnection, values: Sequence[str | None]) -> str:
    """Find the narrowest type that loses nothing of a few texts."""
    listed = ", ".join("(NULL)" if value is None else f"({literal(value)})" for value in values)
    relation = f"(VALUES {listed}) AS listed(v)"
    fits, _ = _ask(connection, relation, [("v", kind) for kind in _SHAPES])
    if None in fits.values():
        return "string"
    return next((kind for _, kind in fits if fits["v", kind]), "string")


def _ask(
    connection: duckdb.DuckDBPyConnection, relation: str, questions: list[tuple[str, str]]
) -> tuple[dict[tuple[str, str], bool | None], int]:
    select = ", ".join(["count(*)", *(f"bool_and({_fits(*question)})" for question in questions)])
    rows, *answers = fetch(connection, f"SELECT {select} FROM {relation}")[0]  # noqa: S608 - quoted
    return dict(zip(questions, answers, strict=True)), int(rows)


def _fits(name: str, kind: str) -> str:
    column = quoted(name)
    shape = f"regexp_full_match({column}, {literal(_SHAPES[kind])})"
    attempt = conversion(column, kind, engine_type="VARCHAR", attempt=True)
    # NULL stays NULL, so that bool_and passes over it.
    return f"({shape} AND (({attempt}) IS NOT NULL OR {column} IS NULL))"
