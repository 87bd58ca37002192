# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from cleanroom.cli import broker, data, passphrase, result, run
from cleanroom.cli.passphrase import PassphraseSource, read_new_passphrase, read_passphrase
from cleanroom.errors import MalformedError, UnavailableError

NOWHERE = PassphraseSource(file=None, descriptor=None, signing_file=None)


def from_file(tmp_path: Path, data: bytes, mode: int = 0o600) -> PassphraseSource:
    path = tmp_path / "passphrase"
    path.write_bytes(data)
    path.chmod(mode)
    return PassphraseSource(file=path, descriptor=None, signing_file=None)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_one_line_ending_does_not_count(tmp_path: Path, ending: bytes) -> None:
    source = from_file(tmp_path, b"correct horse" + ending)
    assert read_passphrase(source, subject="hospital") == b"correct horse"


def test_other_white_space_belongs_to_the_passphrase(tmp_path: Path) -> None:
    source = from_file(tmp_path, b" correct horse \n\n")
    assert read_passphrase(source, subject="hospital") == b" correct horse \n"


@pytest.mark.parametrize(
    ("data", "code"), [(b"\n", "passphrase.empty"), (b"x" * 1025, "format.oversize")]
)
def test_empty_and_huge_passphrases_are_refused(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_passphrase(from_file(tmp_path, data), subject="hospital")
    assert caught.value.code == code


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    source = PassphraseSource(file=tmp_path / "none", descriptor=None, signing_file=None)
    with pytest.raises(UnavailableError, match="^passphrase file .+: no such file"):
        read_passphrase(source, subject="hospital")


def test_a_file_that_others_can_read_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_passphrase(from_file(tmp_path, b"correct horse", mode=0o644), subject="hospital")
    assert "warning: others can read passphrase" in capsys.readouterr().err


def test_a_pipe_may_stand_for_the_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    pipe = Path(f"/dev/fd/{reading}")
    source = PassphraseSource(file=pipe, descriptor=None, signing_file=None)
    assert read_passphrase(source, subject="hospital") == b"correct horse"
    os.close(reading)


def test_a_descriptor_is_read_to_its_end_and_closed() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    source = PassphraseSource(file=None, descriptor=reading, signing_file=None)
    assert read_passphrase(source, subject="hospital") == b"correct horse"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_a_closed_descriptor_is_unavailable() -> None:
    source = PassphraseSource(file=None, descriptor=987, signing_file=None)
    with pytest.raises(UnavailableError, match="descriptor 987"):
        read_passphrase(source, subject="hospital")


def test_nothing_is_asked_without_a_terminal() -> None:
    with pytest.raises(click.UsageError, match="no terminal"):
        read_passphrase(NOWHERE, subject="hospital")


def test_a_person_types_a_new_passphrase_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def prompt(_text: str, *, hide_input: bool, confirmation_prompt: bool, err: bool) -> str:
        asked.append(hide_input and confirmation_prompt and err)
        return "correct horse battery"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(passphrase.click, "prompt", prompt)
    assert read_new_passphrase(NOWHERE, subject="hospital") == b"correct horse battery"
    assert asked == [True]


def test_a_file_and_a_descriptor_together_are_a_usage_error(tmp_path: Path) -> None:
    @passphrase.passphrase_options
    def command(*, source: PassphraseSource) -> None:
        raise AssertionError(source)

    with pytest.raises(click.UsageError, match="not both"):
        command(passphrase_file=tmp_path, passphrase_fd=3, signing_passphrase_file=None)


@pytest.mark.parametrize(
    ("command", "signs"),
    [
        (result.get, False),
        (data.open_dataset, False),
        (broker.serve, False),
        (broker.init, False),
        (data.seal, True),
        (run.command, True),
    ],
)
def test_the_ssh_keys_passphrase_is_asked_for_where_something_is_signed(
    command: click.Command, *, signs: bool
) -> None:
    named = {parameter.name for parameter in command.params}
    assert {"passphrase_file", "passphrase_fd"} <= named
    assert ("signing_passphrase_file" in named) is signs
