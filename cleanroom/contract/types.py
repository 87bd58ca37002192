# SPDX-License-Identifier: Apache-2.0
"""Names, references and column types that every document shares.

A name that a document carries becomes a directory, a SQL identifier or a map
key somewhere. Each has one narrow form, so no name can ever be a path, an
option or a piece of SQL.
"""

from __future__ import annotations

import re
from enum import StrEnum
from fractions import Fraction
from typing import Self

from cleanroom.errors import MalformedError

NAME = r"[a-z][a-z0-9-]{0,31}"
TABLE = r"[a-z][a-z0-9_]{0,62}"
COLUMN = r"[a-z_][a-z0-9_]{0,62}"
NAMESPACE = r"[a-z][a-z0-9_]{0,62}"
LINEAGE = rf"{NAME}\.{TABLE}"
COLUMN_REFERENCE = rf"{LINEAGE}\.{COLUMN}"
RUN = r"[a-z0-9][a-z0-9-]{7,63}"
CODE_FILE = r"[a-z][a-z0-9_]{0,62}\.(?:sql|py)"
COLUMN_TYPE = (
    r"boolean|integer|double|string|date|timestamp"
    r"|decimal\((?:[1-9]|[12][0-9]|3[0-8]),(?:[0-9]|[12][0-9]|3[0-8])\)"
)
RATIO = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18}|/[1-9][0-9]{0,17})?"
DIGEST = r"sha256:[0-9a-f]{64}"
# One line without control, bidirectional or zero-width characters: a purpose or
# a reason is printed on terminals, where such characters can hide other words.
TEXT = (
    r"[^\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\ufff9-\ufffb]+"
)

_DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")


class ColumnType(str):
    """The type of a column or of an output: a string that is one of the known forms.

    ``boolean``, ``integer`` (64 bits), ``decimal(p,s)``, ``double``, ``string``,
    ``date`` and ``timestamp`` (UTC). Documents carry the text, so it compares with plain strings.
    """

    __slots__ = ()

    def __new__(cls, text: str, *, what: str = "column type") -> Self:
        """Accept only a known type.

        Raises:
            MalformedError: Any other text, or a scale larger than the precision.
        """
        require_form(text, COLUMN_TYPE, what=what, agreed="a column type such as decimal(12,2)")
        match = _DECIMAL.fullmatch(text)
        if match and int(match[2]) > int(match[1]):
            raise MalformedError(
                f"{what}: found a scale larger than the precision, agreed decimal(p,s) with s <= p",
                code="type.decimal",
            )
        return super().__new__(cls, text)

    @property
    def is_number(self) -> bool:
        """Tell whether sums and averages of such a column make sense."""
        return self in {"integer", "double"} or self.startswith("decimal(")

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal; ``None`` for every other type."""
        match = _DECIMAL.fullmatch(self)
        return (int(match[1]), int(match[2])) if match else None


class ParameterType(StrEnum):
    """What kind of value a query parameter takes."""

    STRING = "string"
    INTEGER = "integer"
    DATE = "date"


def require_form(text: object, form: str, *, what: str, agreed: str) -> str:
    """Return the text if it matches the whole form.

    Raises:
        MalformedError: Not text, or of another form; the text itself is not quoted.
    """
    if not isinstance(text, str) or not re.fullmatch(form, text):
        raise MalformedError(f"{what}: found another form, agreed {agreed}", code="name.form")
    return text


def parse_ratio(text: str, *, what: str) -> Fraction:
    """Read an exact number written ``9/10``, ``0.1`` or ``20000``.

    Raises:
        MalformedError: Any other form; exponents and signs in front of plus included.
    """
    require_form(text, RATIO, what=what, agreed="an exact number such as '9/10', '0.1' or '10'")
    return Fraction(text)


def split_lineage(lineage: str) -> tuple[str, str]:
    """Split ``hospital.encounters`` into owner and table."""
    owner, _, table = lineage.partition(".")
    return owner, table


def split_column(reference: str) -> tuple[str, str]:
    """Split ``hospital.patients.person_key`` into lineage and column."""
    lineage, _, column = reference.rpartition(".")
    return lineage, column
