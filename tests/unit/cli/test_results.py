# SPDX-License-Identifier: Apache-2.0
"""A result as a file: exact for programs, and harmless to a spreadsheet where that is asked for."""

import csv
import json

import click
import pytest

from cleanroom.cli.results import deliver, formula_columns, receipt_of, save_result
from cleanroom.cli.session import Session
from cleanroom.disclosure.released import ResultColumn
from cleanroom.disclosure.result import ResultTable
from cleanroom.errors import UnavailableError

NAMES = ("ward", "=note", "cost", "since", "people")
TYPES = ("string", "string", "decimal(12,2)", "date", "integer")
ROWS = (
    ("@SUM(A1)", "plain", "-12.50", "2025-01-01", -3),
    ("+1", "-", "3.00", "2025-01-02", 4),
    ("=1+1", "\tx", None, None, None),
    ("a=b", None, "0.10", "2025-01-03", 5),
)
TABLE = ResultTable(
    columns=tuple(
        ResultColumn(name=name, type=kind, statbarn="")
        for name, kind in zip(NAMES, TYPES, strict=True)
    ),
    rows=ROWS,
    earlier=((),) * len(ROWS),
    withheld={},
)


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_csv_for_programs_holds_text_as_it_was_released(tmp_path):
    save_result(TABLE, tmp_path / "x.csv")
    head, *rows = read(tmp_path / "x.csv")
    assert head == [*NAMES]
    assert [row[0] for row in rows] == ["@SUM(A1)", "+1", "=1+1", "a=b"]


def test_a_csv_for_a_spreadsheet_marks_text_and_no_number(tmp_path):
    save_result(TABLE, tmp_path / "x.csv", for_spreadsheet=True)
    head, *rows = read(tmp_path / "x.csv")
    assert head == ["ward", "'=note", "cost", "since", "people"]
    assert [row[0] for row in rows] == ["'@SUM(A1)", "'+1", "'=1+1", "a=b"]
    assert [row[1] for row in rows] == ["plain", "'-", "'\N{REPLACEMENT CHARACTER}x", ""]
    assert rows[0][2:] == ["-12.50", "2025-01-01", "-3"]


def test_columns_are_named_whose_text_would_become_formulas():
    assert formula_columns(TABLE) == ("ward", "=note")


@pytest.mark.parametrize(("file", "is_told"), [("x.csv", True), ("x.json", False)])
def test_whoever_gets_such_a_csv_is_told(tmp_path, capsys, file, is_told):
    deliver(
        Session(),
        TABLE,
        run="r1",
        banner="SIMULATED",
        output=tmp_path / file,
        for_spreadsheet=False,
    )
    assert ("text in ward, =note for formulas" in capsys.readouterr().err) is is_told


@pytest.mark.parametrize("file", [None, "x.csv", "x.json"])
def test_what_the_platform_does_not_protect_stands_beside_every_result(tmp_path, capsys, file):
    output = tmp_path / file if file else None
    for session in (Session(quiet=True), Session(json=True)):
        deliver(session, TABLE, run="r1", banner="SIMULATED", output=output, for_spreadsheet=False)
    told = capsys.readouterr()
    assert "SIMULATED" in told.err
    start = told.out.index("{")
    assert json.loads(told.out[start:])["banner"] == "SIMULATED"


def test_nobody_is_told_of_formulas_where_none_are_left(tmp_path, capsys):
    deliver(
        Session(),
        TABLE,
        run="r1",
        banner="SIMULATED",
        output=tmp_path / "x.csv",
        for_spreadsheet=True,
    )
    assert "for formulas" not in capsys.readouterr().err


@pytest.mark.parametrize("file", [None, "x.json"])
def test_marks_go_into_a_csv_only(tmp_path, file):
    output = tmp_path / file if file else None
    with pytest.raises(click.UsageError, match="--spreadsheet"):
        deliver(Session(), TABLE, run="r1", banner="SIMULATED", output=output, for_spreadsheet=True)
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_receipt_is_named(tmp_path):
    run = "00000000000000000000000000000000"
    with pytest.raises(UnavailableError, match="no receipt in this room") as refused:
        receipt_of(tmp_path, run)
    assert run in refused.value.message
    assert refused.value.code == "result.no-receipt"
