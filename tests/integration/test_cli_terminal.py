# SPDX-License-Identifier: Apache-2.0
"""What a person at a terminal is asked, and what happens where there is none."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import Party

SECONDS = 60
CONTROL_C = "^C"


def typed(party: Party, *arguments: str | Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the program on a terminal; answer each question once it is asked."""
    ours, theirs = pty.openpty()
    environment = {**party.environment, "TERM": "xterm"}
    del environment["CLEANROOM_PASSPHRASE_FILE"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cleanroom.cli", *map(str, arguments)],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # Tests that were started in the background ignore control-C, and a program
        # inherits that.
        preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - one thread, one call
    )
    os.close(theirs)
    seen, asked, interrupting = "", 0, False
    for _ in range(SECONDS * 2):
        if not select.select([ours], [], [], 0.5)[0]:
            # A signal between two system calls is only noticed at the next one, so a
            # person presses again.
            if interrupting:
                process.send_signal(signal.SIGINT)
            continue
        try:
            seen += os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        if asked < len(answers) and answers[asked][0] in seen.rpartition("\n")[2]:
            if answers[asked][1] == CONTROL_C:
                interrupting = True
                process.send_signal(signal.SIGINT)
            else:
                os.write(ours, answers[asked][1].encode() + b"\n")
            asked += 1
    os.close(ours)
    assert asked == len(answers), seen
    return process.wait(timeout=SECONDS), seen


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return Party(name="hospital", home=tmp_path / "home").settle()


def test_a_person_is_asked_twice_for_a_new_passphrase_and_sees_none(
    party: Party, tmp_path: Path
) -> None:
    secret = "correct horse battery staple"
    status, seen = typed(
        party,
        *("init", "hospital", "--room", tmp_path / "room"),
        answers=[("Passphrase of hospital:", secret), ("Repeat for confirmation:", secret)],
    )
    assert status == 0, seen
    assert secret not in seen
    assert "hospital sha256:" in seen


def test_a_person_is_asked_for_the_fingerprint_and_is_not_shown_it_first(
    party: Party, tmp_path: Path
) -> None:
    room = tmp_path / "room"
    other = Party(name="insurer", home=tmp_path / "other").settle()
    fingerprint = other.succeeds("init", "insurer", "--room", room)["fingerprint"]
    party.succeeds("init", "hospital", "--room", room)
    status, seen = typed(
        party,
        *("party", "trust", room / "parties" / "insurer.toml"),
        answers=[("told you:", fingerprint)],
    )
    assert status == 0, seen
    before_the_answer = seen.partition("told you:")[0]
    assert fingerprint not in before_the_answer


def test_control_c_ends_with_130_and_leaves_nothing(party: Party, tmp_path: Path) -> None:
    status, seen = typed(
        party,
        *("init", "hospital", "--room", tmp_path / "room"),
        answers=[("Passphrase of hospital:", CONTROL_C)],
    )
    assert status == 130, seen
    assert not (party.home / "cleanroom").exists()
    assert not (tmp_path / "room").exists()


@pytest.mark.parametrize("option", [["--no-color"], []])
def test_no_color_holds_on_a_terminal(party: Party, option: list[str]) -> None:
    status, seen = typed(party, "doctor", *option, answers=[])
    assert status == 1
    assert ("\x1b[" in seen) == (not option)


def test_without_a_terminal_nothing_is_asked_and_the_hint_says_how(party: Party) -> None:
    environment = {**party.environment}
    del environment["CLEANROOM_PASSPHRASE_FILE"]
    done = subprocess.run(
        [sys.executable, "-m", "cleanroom.cli", "init", "hospital"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=party.home,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: passphrase of hospital: not given, and there is no terminal to ask on",
        "hint: --passphrase-file FILE or --passphrase-fd N",
    ]


def test_a_passphrase_comes_from_a_descriptor(party: Party, tmp_path: Path) -> None:
    environment = {**party.environment}
    del environment["CLEANROOM_PASSPHRASE_FILE"]
    with party.passphrase_file.open("rb") as file:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "cleanroom.cli", "init", "hospital"),
                *("--room", tmp_path / "room", "--passphrase-fd", str(file.fileno())),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=[file.fileno()],
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hospital sha256:")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(party: Party, shell: str) -> None:
    done = party.types("completion", shell)
    assert done.status == 0
    assert "_CLEANROOM_COMPLETE" in done.out


def test_bash_completes_commands_and_options(party: Party) -> None:
    environment = {
        **party.environment,
        "_CLEANROOM_COMPLETE": "bash_complete",
        "COMP_WORDS": "cleanroom con",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cleanroom.cli"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,contract"]
