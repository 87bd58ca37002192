# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import click
import pytest

from cleanroom.cli.failure import report_refusal
from cleanroom.cli.options import split_parameters
from cleanroom.cli.progress import progress, say_nothing
from cleanroom.cli.session import Session, colour_allowed
from cleanroom.cli.tables import render_table, written
from cleanroom.errors import RefusedError


def test_json_output_is_one_object_and_no_notes(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(json=True)
    session.note("working")
    session.emit({"name": "hôpital"}, "text for people")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"name": "hôpital"}
    assert printed.err == ""


def test_words_of_others_in_an_error_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    error = RefusedError(
        "query: rejected\nby \x1b[2J\u202ehospital", code="a.b", hint="its \x9breason"
    )
    assert report_refusal(error, as_json=False) == 3
    told = "error: query: rejected\nby \ufffd[2J\ufffdhospital\nhint: its \ufffdreason\n"
    assert capsys.readouterr().err == told


def test_text_goes_to_stdout_and_notes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()
    session.note("working")
    session.emit({}, "result")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("result\n", "working\n")


def test_quiet_sessions_keep_results_and_lose_notes(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(quiet=True)
    session.note("working")
    session.emit({}, "result")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("result\n", "")


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_follows_no_color_and_dumb_terminals(
    environ: dict[str, str],
    *,
    allowed: bool,
) -> None:
    assert colour_allowed(environ) is allowed


def test_a_table_in_a_pipe_is_plain_aligned_text() -> None:
    text = render_table(Session(), ["ward", "stays"], [["cardiology", 10], [None, True]])
    assert text == "ward        stays\ncardiology  10\n            true"


def test_a_long_cell_in_a_pipe_moves_only_its_own_row() -> None:
    text = render_table(Session(), ["note", "n"], [["x" * 100_000, 1], ["short", 2]])
    assert text.splitlines() == [
        "note".ljust(82) + "n",
        "x" * 100_000 + "  1",
        "short".ljust(82) + "2",
    ]


def test_a_table_on_a_terminal_keeps_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    text = render_table(Session(color=False), ["ward", "n"], [["[red]x", "1.5"]], title="Stays")
    assert "[red]x" in text
    assert "Stays" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("columns", ["60", "110", "125"])
def test_no_terminal_is_so_narrow_that_a_word_of_a_table_is_broken(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    digest = f"sha256:{'0123456789abcdef' * 4}"
    row = ["broken", "hospital.stays", f"the room holds {digest}", "seal it again"]
    text = render_table(Session(color=False), ["state", "link", "found", "fix"], [row, row])
    words = text.split()
    assert all(words.count(word) >= 2 for cell in row for word in cell.split())
    assert columns != "110" or max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_sentence_never_stands_in_a_column_that_nobody_can_read(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    sentence = "write what the results are for: a purpose binds everybody who receives them"
    row = ["warning", "contract.toml: attestation.platforms", "the draft's own words", sentence]
    text = render_table(Session(color=False), ["severity", "place", "text", "fix"], [row])
    assert (sentence in text) == (columns == "80")
    assert len(text.splitlines()) <= 8


def test_control_characters_of_a_cell_never_reach_the_terminal() -> None:
    assert written("a\x1b[2Jb\nc") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Session(), "sealing") as report:
        assert report is say_nothing
        report(1, 2)
    assert capsys.readouterr().err == ""


def test_a_bar_goes_to_stderr_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress(Session(), "sealing") as report:
        report(1, 2)
    assert capsys.readouterr().out == ""


def test_parameters_are_pairs_and_each_is_given_once() -> None:
    assert split_parameters(["since=2025-01", "ward="]) == {"since": "2025-01", "ward": ""}
    for wrong in (["since"], ["=x"], ["a=1", "a=2"]):
        with pytest.raises(click.BadParameter):
            split_parameters(wrong)
