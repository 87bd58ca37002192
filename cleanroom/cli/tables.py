# SPDX-License-Identifier: Apache-2.0
"""Tables for people: drawn by rich on a terminal, plain aligned text in a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from cleanroom.cli.session import Session
from cleanroom.kernel.plain_text import printable

GAP = "  "
DRAWN_GAP = "   "
MOST_LINES = 4  # of one cell; what is longer is written as a paragraph
MOST_PADDING = 80  # in a pipe; a longer cell moves what follows it in its own row alone
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
    widths = [
        min(MOST_PADDING, max(len(line[index]) for line in lines)) for index in range(len(columns))
    ]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _drawn(
    session: Session, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str
) -> str:
    widths = _widths([columns, *rows], _width())
    if widths is None:
        listed = _listed(columns, rows, color=session.color)
        return "\n\n".join([*([title] if title else []), *listed])
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        table.add_column(
            Text(name),
            justify="right" if numeric else "left",
            overflow="fold",
            width=widths[index],
        )
    for row in rows:
        # Cells come from other parties: as Text they cannot smuggle in markup.
        table.add_row(*[Text(cell) for cell in row])
    console = Console(
        file=io.StringIO(), force_terminal=session.color, no_color=not session.color, width=_width()
    )
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")


def _listed(columns: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> list[str]:
    """Write a row as a paragraph with a line for each cell."""
    from click import style

    width = max(map(len, columns))
    names = [f"{name:{width}}" for name in columns]
    if color:
        names = [style(name, bold=True) for name in names]
    return [
        "\n".join(f"{name}  {cell}".rstrip() for name, cell in zip(names, row, strict=True))
        for row in rows
    ]


def _widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Share the terminal among the columns so that no word, and so no digest, is broken.

    Returns None if the longest words do not fit beside each other, or if a sentence would
    stand in a column so narrow that nobody reads it.
    """
    columns = list(zip(*lines, strict=True))
    widest = [max(map(len, column)) for column in columns]
    widths = [
        max(len(word) for cell in column for word in [*cell.split(), ""]) for column in columns
    ]
    spare = room - sum(widths) - len(DRAWN_GAP) * len(widths)
    if spare < 0:
        return None
    for index in sorted(range(len(widths)), key=lambda index: widest[index] - widths[index]):
        more = min(spare, widest[index] - widths[index])
        widths[index], spare = widths[index] + more, spare - more
    lines_of_a_cell = max(
        -(-most // max(width, 1)) for most, width in zip(widest, widths, strict=True)
    )
    return widths if lines_of_a_cell <= MOST_LINES else None


def _is_number(text: str) -> bool:
    return not text or text.lstrip("-").replace(".", "", 1).isdigit()


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
