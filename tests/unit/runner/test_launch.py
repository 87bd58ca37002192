# SPDX-License-Identifier: Apache-2.0
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.__main__ import _report, main
from cleanroom.runner.launch import (
    ASKING,
    ENVIRONMENT,
    GO_ON,
    RUNNER,
    encode_job,
    ready_runner,
    waiting_runner,
)
from cleanroom.runner.reach import ON_THIS_MACHINE

RECEIPT = Digest.of(b"a receipt")
ROOM = Path("/room")


def runner_that(code):
    """A stand-in process: what a runner says is all that its caller ever sees of it."""
    return (sys.executable, "-c", f"import json, os, sys, time\n{code}")


def saying(*lines):
    said = "".join(f"print({json.dumps(line)!r}, flush=True)\n" for line in lines)
    return runner_that(f"sys.stdin.readline()\n{said}")


def silent(_):
    return None


def is_running(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_runner_is_told_its_job_and_answers_with_the_receipt():
    command = runner_that(
        "job = json.loads(sys.stdin.readline())\n"
        "print(json.dumps({'stage': job['run'] + ' in ' + job['room']}))\n"
        f"print(json.dumps({{'receipt': '{RECEIPT}'}}))"
    )
    stages, meanwhile = [], []
    with waiting_runner(command) as runner:
        receipt = runner.run(
            ROOM,
            "r1",
            stage=stages.append,
            reach=ON_THIS_MACHINE,
            meanwhile=lambda: meanwhile.append("called"),
        )
    assert receipt == RECEIPT
    assert stages == ["r1 in /room"]
    assert meanwhile == ["called"]


def test_what_stopped_the_runner_is_raised_as_it_said_it():
    error = {"class": "RefusedError", "code": "a.rule", "message": "no", "hint": "do"}
    with waiting_runner(saying({"error": error})) as runner:
        with pytest.raises(RefusedError, match="^no$") as refused:
            runner.run(ROOM, "r1", stage=silent, reach=ON_THIS_MACHINE)
        assert (refused.value.code, refused.value.hint) == ("a.rule", "do")


@pytest.mark.parametrize("code", ["", "sys.exit(3)", "sys.stdin.readline()", "os.abort()"])
def test_a_runner_that_says_nothing_is_unavailable(code):
    with waiting_runner(runner_that(code)) as runner:
        with pytest.raises(UnavailableError) as refused:
            runner.run(ROOM, "r1", stage=silent, reach=ON_THIS_MACHINE)
        assert refused.value.code == "runner.ended"


def test_whether_a_runner_still_waits_can_be_asked():
    with waiting_runner(runner_that("sys.stdin.readline()")) as runner:
        assert runner.is_alive
        runner.kill()
        runner._process.wait()  # noqa: SLF001 - the kernel tells a moment later
        assert not runner.is_alive


@pytest.mark.parametrize("told", [False, True])
def test_no_runner_is_left_behind(told):
    """T-04: whoever is interrupted must not leave a process that may come to hold keys."""
    code = "sys.stdin.readline()\n" if told else ""
    command = runner_that(f"print(json.dumps({{'stage': str(os.getpid())}}), flush=True)\n{code}")
    command = (*command[:2], command[2] + "\ntime.sleep(3600)")
    found = []

    class ControlC(Exception):  # noqa: N818 - a person, not an error
        """Somebody presses control-C."""

    def interrupt(process_id):
        found.append(int(process_id))
        raise ControlC

    started = time.monotonic()
    with pytest.raises(ControlC), waiting_runner(command) as runner:  # noqa: PT012
        if not told:
            raise ControlC
        runner.run(ROOM, "r1", stage=interrupt, reach=ON_THIS_MACHINE)
    assert not any(map(is_running, found))
    assert time.monotonic() - started < 300


WAITING = (
    "sys.stdin.readline()\nprint(json.dumps({'stage': 'release keys'}), flush=True)\n"
    "line = sys.stdin.readline()\n"
)


def test_a_runner_is_told_to_go_on_after_its_caller_heard_that_it_asks_for_keys():
    told = []
    code = f"{WAITING}print(json.dumps({{'stage': line}}), flush=True)\n"
    code += f"print(json.dumps({{'receipt': '{RECEIPT}'}}))"
    with waiting_runner(runner_that(code)) as runner:
        assert runner.run(ROOM, "r1", stage=told.append, reach=ON_THIS_MACHINE) == RECEIPT
    assert told == [ASKING, GO_ON.decode()]


def test_a_runner_whose_caller_does_not_let_it_asks_for_no_keys(tmp_path):
    mark = tmp_path / "asked"
    code = f"{WAITING}open({str(mark)!r}, 'w').write(line) if line else None"
    no = UnavailableError("hub: does not answer", code="hub.unreachable")

    def refuse(stage):
        assert stage == ASKING
        raise no

    with pytest.raises(UnavailableError) as raised, waiting_runner(runner_that(code)) as runner:
        runner.run(ROOM, "r1", stage=refuse, reach=ON_THIS_MACHINE)
    assert raised.value is no
    assert not mark.exists()


def report_that_keys_are_asked_for(monkeypatch, line):
    """Report it as a runner does whose caller then says a line."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line)))
    _report(ASKING)


@pytest.mark.parametrize("line", [b"", b"go", b"go off\n"])
def test_a_runner_that_is_not_told_to_go_on_asks_for_no_keys(monkeypatch, line):
    with pytest.raises(UnavailableError) as alone:
        report_that_keys_are_asked_for(monkeypatch, line)
    assert alone.value.code == "runner.alone"
    report_that_keys_are_asked_for(monkeypatch, GO_ON)


JOBS = {
    b"": "json.syntax",
    b"[]\n": "runner.job",
    b"{}\n": "runner.job",
    b'{"room": 1, "run": "r"}\n': "runner.job",
    b'{"room": "/r", "run": "r", "more": "x"}\n': "runner.job",
    b"not json\n": "json.syntax",
}


@pytest.mark.parametrize("job", JOBS, ids=repr)
def test_a_job_that_is_none_ends_in_an_error_of_the_tree(capsys, job):
    assert main(job) == MalformedError.exit_code
    said = capsys.readouterr()
    answer = json.loads(said.out)["error"]
    assert (answer["class"], answer["code"]) == ("MalformedError", JOBS[job])
    assert said.err == ""


def test_a_process_that_is_told_no_job_says_one_line_and_ends_with_its_status():
    done = subprocess.run(RUNNER, input=b"{}\n", capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == MalformedError.exit_code
    assert json.loads(done.stdout)["error"]["code"] == "runner.job"
    assert done.stderr == b""


def test_a_job_names_the_room_and_the_run():
    assert json.loads(encode_job(ROOM, "r1", ON_THIS_MACHINE)) == {
        "room": "/room",
        "run": "r1",
        "authorities": "",
        "caller": None,
        "patience": 0,
    }


def test_a_runner_that_loads_everything_serves_its_one_job_like_any_other(tmp_path):
    with ready_runner() as runner, pytest.raises(UnavailableError, match="run.toml"):
        runner.run(tmp_path, "20260101t000000-0123abcd", stage=silent, reach=ON_THIS_MACHINE)
