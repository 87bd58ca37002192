# SPDX-License-Identifier: Apache-2.0
"""A result as a person reads it: the table, then what was withheld by which rule."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cleanroom.cli.session import Session
from cleanroom.cli.steps import warn
from cleanroom.cli.tables import render_table, written
from cleanroom.errors import UnavailableError
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.plain_text import printable

if TYPE_CHECKING:
    from cleanroom.disclosure.released import ReleasedValue
    from cleanroom.disclosure.result import ResultTable

EMPTY_CELLS = (
    "splits also withholds groups in which few people lack a value (empty cells): "
    "cleanroom query explain names such columns"
)

_TEXT = "string"
# What Excel, LibreOffice and Google Sheets begin a formula with.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"


def receipt_of(room: Path, run: str) -> Path:
    """Return where the receipt of a run lies; a run id is never a path.

    Raises:
        MalformedError: It is no run id.
        UnavailableError: The room has no receipt of that run.
    """
    from cleanroom.contract.places import run_directory

    place = room / run_directory(run) / "receipt.json"
    if not place.exists():
        raise UnavailableError(
            f"run {run}: no receipt in this room, agreed one",
            code="result.no-receipt",
            hint="its runs lie under runs/; one that was refused or is not yet done has none",
        )
    return place


def describe(table: ResultTable) -> dict[str, Any]:
    """Describe a result for programs."""
    return {
        "columns": [{"name": column.name, "type": column.type} for column in table.columns],
        "rows": [list(row) for row in table.rows],
        "earlier": [list(names) for names in table.earlier],
        "withheld": dict(table.withheld),
        "caution": table.caution,
    }


def withheld_lines(table: ResultTable) -> list[str]:
    """Say how many groups each rule withheld, in bands; never which.

    The lowest band starts at none: that a rule withheld nothing at all would tell
    something about the groups, too.
    """
    by_band: dict[str, list[str]] = {}
    for rule, band in table.withheld.items():
        by_band.setdefault(band, []).append(rule)
    ordered = sorted(by_band.items(), key=lambda item: -len(item[0]))
    told = [f"withheld {band} groups each by: {', '.join(rules)}" for band, rules in ordered]
    # Said beside every result that has the rule, so that it tells nothing about this one.
    return [*told, EMPTY_CELLS] if "splits" in table.withheld else told


def earlier_lines(table: ResultTable) -> list[str]:
    """Name the columns that repeat an earlier answer or follow from one."""
    marked = {name for names in table.earlier for name in names}
    named = [column.name for column in table.columns if column.name in marked]
    return [f"as answered before, in some rows: {', '.join(named)}"] if named else []


def render_result(session: Session, table: ResultTable, *, title: str = "") -> str:
    """Lay out a result for people."""
    text = render_table(session, [column.name for column in table.columns], table.rows, title=title)
    warned = [table.caution] if table.caution else []
    return "\n".join([*warned, text, *earlier_lines(table), *withheld_lines(table), *warned])


def deliver(
    session: Session,
    table: ResultTable,
    *,
    run: str,
    banner: str,
    output: Path | None,
    for_spreadsheet: bool,
) -> None:
    """Print a result, or write it to a file and say what a spreadsheet would make of it.

    What the platform does not protect is said beside it, loudly, either way.

    Raises:
        click.UsageError: A mark for spreadsheets without a .csv file to put it in.
        UnavailableError: The disk refuses.
    """
    if for_spreadsheet and (output is None or output.suffix == ".json"):
        raise click.UsageError("--spreadsheet is for the .csv file that --output names")
    if output is None:
        value = {"run": run, "banner": banner, **describe(table)}
        session.emit(value, render_result(session, table))
        warn(session, banner)
        return
    save_result(table, output, for_spreadsheet=for_spreadsheet)
    session.emit({"run": run, "banner": banner, "written": str(output)}, "")
    session.note(f"written to {output}")
    warn(session, banner)
    risky = () if for_spreadsheet or output.suffix == ".json" else formula_columns(table)
    if risky:
        named = printable(", ".join(risky))
        session.note(
            f"a spreadsheet would take text in {named} for formulas; --spreadsheet prevents it"
        )


def formula_columns(table: ResultTable) -> tuple[str, ...]:
    """Name the columns in which a spreadsheet would take some text for a formula.

    Owners choose the words in their columns, and a formula can fetch what it likes.
    """
    return tuple(
        column.name
        for place, column in enumerate(table.columns)
        if _is_formula(column.name, _TEXT)
        or any(_is_formula(row[place], column.type) for row in table.rows)
    )


def _is_formula(cell: ReleasedValue, kind: str) -> bool:
    # Dates, times and decimals are written as text, too; a minus sign is no formula there.
    return kind == _TEXT and isinstance(cell, str) and cell.startswith(_FORMULA)


def save_result(table: ResultTable, path: Path, *, for_spreadsheet: bool = False) -> None:
    """Write a result that only its receiver may read, as CSV or JSON by its name.

    Args:
        table: The result.
        path: Where to.
        for_spreadsheet: Whether an apostrophe is put before text that looks like a formula; CSV
            otherwise holds the text as it was released, for programs.

    Raises:
        UnavailableError: The disk refuses.
    """
    if path.suffix == ".json":
        text = json.dumps(describe(table), ensure_ascii=False, indent=2) + "\n"
    else:
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")

        def cell(value: ReleasedValue, kind: str) -> str:
            is_marked = for_spreadsheet and _is_formula(value, kind)
            return _MARK + written(value) if is_marked else written(value)

        writer.writerow(cell(column.name, _TEXT) for column in table.columns)
        writer.writerows(
            [cell(value, column.type) for value, column in zip(row, table.columns, strict=True)]
            for row in table.rows
        )
        text = lines.getvalue()
    write_atomic(path, text.encode(), mode=PRIVATE_FILE)
