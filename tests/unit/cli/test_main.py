# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cleanroom import errors
from cleanroom.cli.failure import INTERRUPTED_STATUS, USAGE_STATUS
from cleanroom.cli.main import COMMANDS, cli, run
from cleanroom.errors import CleanroomError, IntegrityError

HEAVY = ("pandas", "pyarrow", "duckdb", "rich", "fastapi", "sqlalchemy", "pydantic", "cryptography")


def test_help_imports_click_and_nothing_heavy() -> None:
    program = (
        "import sys; from cleanroom.cli.main import run; run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr.strip() == b"[]"


def test_help_lists_every_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    for name in COMMANDS:
        assert sum(line.split()[:1] == [name] for line in lines) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: cleanroom " + name in capsys.readouterr().out


def leaves_of(command):
    """List a command, or every command below a group."""
    below = getattr(command, "commands", {}).values()
    return [leaf for item in below for leaf in leaves_of(item)] or [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    command = cli.get_command(cli.make_context("cleanroom", [name], resilient_parsing=True), name)
    assert command is not None
    for leaf in leaves_of(command):
        options = [param for param in leaf.params if isinstance(param, click.Option)]
        assert [option.opts for option in options if not option.help] == []


def test_every_way_to_end_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    ending = capsys.readouterr().out.partition("Exit status:")[2]
    ours = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    for status in (0, *sorted(ours), USAGE_STATUS, INTERRUPTED_STATUS):
        assert re.search(rf"(?<![0-9]){status}(?![0-9])", ending)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_global_options_after_its_name(name: str) -> None:
    command = cli.get_command(cli.make_context("cleanroom", [name], resilient_parsing=True), name)
    assert command is not None
    for leaf in leaves_of(command):
        assert "--json" in {option for param in leaf.params for option in param.opts}


def test_a_mistyped_command_is_a_usage_error_that_suggests_the_right_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["verfy"]) == 2
    assert "verify" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--json", "verfy"], ["verfy", "--json"]])
def test_a_line_that_cannot_be_parsed_is_answered_in_json_if_asked(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == "usage"
    assert printed.err == ""


def test_json_after_the_separator_is_not_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "--", "--json", "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")


@pytest.mark.parametrize("raised", [CleanroomError, IntegrityError])
def test_an_error_of_ours_ends_with_its_own_status_and_two_lines(
    raised: type[CleanroomError],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: object) -> None:
        raise raised("contract: found two against one", code="contract.two", hint="keep one")

    monkeypatch.setattr(cli, "main", fail)
    assert run(["version"]) == raised.exit_code
    assert capsys.readouterr().err == "error: contract: found two against one\nhint: keep one\n"


def test_an_interrupt_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupt)
    assert run(["version"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_refusal_of_the_system_names_no_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "/vault/secret-name")

    monkeypatch.setattr(cli, "main", full)
    assert run(["version"]) == 6
    assert "secret-name" not in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [True, False])
def test_what_nobody_foresaw_is_told_without_its_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    """T-16: an exception of a library quotes the cell that it met."""

    def meet_a_cell(**_: object) -> None:
        raise ValueError("person.1@example.org is no number")

    monkeypatch.setattr(cli, "main", meet_a_cell)
    assert run(["version", *(["--json"] if as_json else [])]) == 1
    printed = capsys.readouterr()
    assert "person.1" not in printed.out + printed.err
    assert "ValueError in cleanroom.cli.main line " in printed.out + printed.err
    if as_json:
        assert json.loads(printed.out)["error"]["code"] == "program.defect"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_as_it_is_or_as_json(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert run(["completion", shell, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shell"], told["script"]) == (shell, script.removesuffix("\n"))


def test_a_reader_that_leaves_is_no_error() -> None:
    piped = f"{sys.executable} -m cleanroom.cli version | true"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, check=False)
    assert done.stderr == b""


def test_verifying_what_is_not_there_says_where_receipts_lie(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(["verify", str(tmp_path / "nix"), "--json"]) == 6
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "file.absent"
    assert "runs/<run>/receipt.json" in error["hint"]
