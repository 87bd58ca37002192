# SPDX-License-Identifier: Apache-2.0
"""Text that shows a person something else than a program reads: refuse it, or replace that.

People sign documents and approve code that they looked at. A mark that reorders a line, or
that ends one on the screen and not in the file, makes a clause look like a comment; a
control character moves the cursor of a terminal.
"""

from __future__ import annotations

import re

from cleanroom.errors import MalformedError

# Controls but for tabs and ends of lines, line and paragraph separators, and the embeddings,
# overrides and isolates of Unicode's bidirectional algorithm (UAX 9, table 4).
_MISLEADING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n)")


def printable(text: str, *, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Replace what could move a terminal's cursor or hide text, ends of lines included."""
    return "".join(char if char.isprintable() else instead for char in text)


def escaped(text: str) -> str:
    """Write what could move a cursor or reorder text as escapes; tabs and ends of lines stay."""
    return "".join(
        char if char.isprintable() or char in "\t\n" else f"\\x{ord(char):02x}"
        for char in text.replace("\r\n", "\n")
    )


def require_plain(text: str, *, what: str) -> None:
    """Refuse a character that reorders or breaks what is shown.

    Args:
        text: The whole text, comments included.
        what: Subject of the error message.

    Raises:
        MalformedError: There is one.
    """
    found = _MISLEADING.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise MalformedError(
            f"{what}: found the character U+{ord(found[0]):04X} in line {line}, agreed text that "
            "reads as it stands",
            code="text.misleading",
            hint="remove it; editors may not show it",
        )
