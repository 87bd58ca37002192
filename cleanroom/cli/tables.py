# SPDX-License-Identifier: Apache-2.0
"""Tables for people: drawn by rich on a terminal, plain aligned text in a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from cleanroom.cli.session import Session

Cell = bool | int | str | None


def written(cell: Cell) -> str:
    """Write one cell: nothing for NULL, ``true`` and ``false`` for booleans."""
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else printable(str(cell))


def render_table(
    session: Session, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = ""
) -> str:
    """Lay out a table as text without a final line break.

    Args:
        session: Decides about colour.
        columns: Names, in order.
        rows: As many cells a row as there are columns.
        title: A line above the table; may be empty.
    """
    texts = [[written(cell) for cell in row] for row in rows]
    if sys.stdout.isatty() and not session.json:
        return _drawn(session, columns, texts, title=title)
    return "\n".join([*([title] if title else []), *_aligned(columns, texts)])


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(columns), *[list(row) for row in rows]]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _drawn(
    session: Session, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str
) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Cells come from other parties: as Text they cannot smuggle in markup.
        table.add_row(*[Text(cell) for cell in row])
    console = Console(
        file=io.StringIO(), force_terminal=session.color, no_color=not session.color, width=_width()
    )
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")


def printable(text: str) -> str:
    """Replace control characters, which could move a terminal's cursor or hide text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_number(text: str) -> bool:
    return not text or text.lstrip("-").replace(".", "", 1).isdigit()


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
