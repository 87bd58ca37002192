# SPDX-License-Identifier: Apache-2.0
"""Whoever stops a run is told what it cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanroom.cli.running import RunPrinter
from cleanroom.cli.session import Session

RUN = "20261122t120000-00000000"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("admit", ""),
        ("attest", ""),
        ("release keys", "a use may be spent"),
        ("run", "a use may be spent"),
        ("commit", f"a use is spent; cleanroom result get {RUN} --room 'a room'"),
        ("verify", f"a use is spent; cleanroom result get {RUN} --room 'a room'"),
    ],
)
def test_an_interrupt_says_what_it_cost(
    stage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printer = RunPrinter(Session())
    printer.stage(f"run {RUN}")
    printer.stage(stage)
    with pytest.raises(KeyboardInterrupt), printer.telling_what_an_interrupt_cost(Path("a room")):
        raise KeyboardInterrupt
    told = capsys.readouterr().err.partition(f"{stage} …\n")[2]
    assert said in told
    assert bool(told) is bool(said)
