# SPDX-License-Identifier: Apache-2.0
"""The story on a terminal: the spinner goes before a line comes, and no word is broken."""

from __future__ import annotations

import io
import sys

import pytest

from cleanroom.cli.demo.narrator import INDENT, Narrator
from cleanroom.cli.session import Session

ERASE_LINE = "\x1b[2K"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


class Terminal(io.StringIO):
    """Keep what a terminal shows."""

    def isatty(self) -> bool:
        """Say that somebody watches."""
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stand in for a terminal of 60 columns that shows both outputs."""
    shown = Terminal()
    for output in ("stdout", "stderr"):
        monkeypatch.setattr(sys, output, shown)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return shown


def test_the_spinner_is_erased_before_a_line_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = watched(monkeypatch)
    narrator = Narrator(Session())
    narrator.chapter("A run", "It takes a while.")
    with narrator.working("running"):
        for fact in ("runner: reads the contract", "runner: asks for keys"):
            narrator.fact(fact)
    shown = terminal.getvalue()
    for fact in ("runner: reads the contract", "runner: asks for keys"):
        before = shown[: shown.index(fact)]
        assert before.rindex(ERASE_LINE) > before.rindex("running")


def test_long_lines_are_broken_between_words_and_digests_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = f"hospital trusts the well-known insurer of the neighbouring town {DIGEST} from now on"
    terminal = watched(monkeypatch)
    narrator = Narrator(Session(color=False))
    narrator.chapter("Pins", "Everybody compares fingerprints by another way first. " * 2)
    narrator.fact(said)
    lines = terminal.getvalue().splitlines()
    assert all(len(line) <= 60 or line.strip() == DIGEST for line in lines)
    assert " ".join(lines).split()[-len(said.split()) :] == said.split()
    assert all(line.startswith(INDENT) for line in lines[2:])


def test_a_pipe_gets_every_fact_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator(Session())
    narrator.chapter("Pins", "Why.")
    narrator.fact(f"{DIGEST} {DIGEST}")
    assert f"{INDENT}{DIGEST} {DIGEST}\n" in capsys.readouterr().out
