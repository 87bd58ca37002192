# SPDX-License-Identifier: Apache-2.0
"""A child that waits gets exactly what it is given, and can do no more than it is given."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.sandbox import outcome
from cleanroom.runner.sandbox.handover import FIRST_GIVEN, give, given_numbers
from cleanroom.runner.sandbox.process import channel, waiting_child
from tests.support.sandboxes import CONFINED, KERNEL_LEVELS, SMALL, confinement_or_skip, host

WIDEST = replace(SMALL, memory_bytes=1 << 40, processor_seconds=1 << 20, descriptors=1 << 12)
ROOM = replace(SMALL, descriptors=512)
# More than fit into one message, and into three.
MANY = 100


@pytest.fixture(params=KERNEL_LEVELS)
def confined(request):
    return confinement_or_skip(request.param)


@contextmanager
def waiting(confinement=None):
    child = waiting_child(
        "misbehaving", confinement=confinement or host().best, limits=WIDEST, code=(CONFINED,)
    )
    try:
        yield child
    finally:
        child.end()


def ask(child, what):
    child.require_ready()
    return child.exchange(what.encode(), seconds=20, most=1 << 20)


def test_every_file_arrives_under_its_number_and_in_order(confined, tmp_path):
    with ExitStack() as opened, waiting(confined) as child:
        files = []
        for number in range(MANY):
            path = tmp_path / str(number)
            path.write_text(f"{number} ")
            files.append(opened.enter_context(path.open("rb")).fileno())
        child.give(limits=ROOM, descriptors=files)
        found = ask(child, "reads_what_it_was_given").decode().split()
    assert found == [str(number) for number in range(MANY)]
    assert given_numbers(files) == {file: FIRST_GIVEN + number for number, file in enumerate(files)}


def test_nothing_else_arrives_and_the_way_in_is_closed(confined):
    given, other = os.pipe()
    os.set_inheritable(other, True)  # noqa: FBT003 - the standard library's
    try:
        with waiting(confined) as child:
            child.give(limits=SMALL, descriptors=(given,))
            found = set(eval(ask(child, "lists_descriptors")))  # noqa: S307 - our own list of numbers
    finally:
        os.close(given)
        os.close(other)
    # Standard input, output and error, and the answer.
    assert len(found - {FIRST_GIVEN}) == 4
    assert FIRST_GIVEN in found
    assert max(found - {FIRST_GIVEN}) < 10


def test_the_limits_are_those_that_were_given(confined):
    with waiting(confined) as child:
        child.give(limits=SMALL, descriptors=())
        with pytest.raises(QueryFailedError) as failed:
            ask(child, "eats_memory")
    assert failed.value.code == outcome.MEMORY


def test_a_given_limit_cannot_be_raised_again(confined):
    with waiting(confined) as child:
        child.give(limits=SMALL, descriptors=())
        with pytest.raises(QueryFailedError) as failed:
            ask(child, "raises_its_limits")
    assert failed.value.code == outcome.FAILED


def test_a_child_that_is_given_nothing_never_says_that_it_is_ready():
    with waiting() as child:
        child._control.close()  # noqa: SLF001 - as the end of the runner does
        with pytest.raises(QueryFailedError) as failed:
            child.require_ready()
    assert failed.value.code == outcome.SETUP


def test_a_child_that_has_died_is_given_nothing_and_named():
    with waiting() as child:
        os.killpg(child.process_id, 9)
        while child.is_alive:
            time.sleep(0.01)
        child.give(limits=SMALL, descriptors=())
        with pytest.raises(QueryFailedError) as failed:
            child.require_ready()
    assert failed.value.code == outcome.KILLED


def test_a_child_that_nobody_needs_ends_with_its_end():
    with waiting() as child:
        process = child.process_id
        assert child.is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def taken(*messages):
    """Say how a process ends that takes these messages."""
    runner, theirs = channel()
    code = "import sys; from cleanroom.runner.sandbox.handover import take; take(int(sys.argv[1]))"
    with closing(runner), theirs, Path(os.devnull).open("rb") as file:
        command = [sys.executable, "-c", code, str(theirs.fileno())]
        process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE, text=True
        )
        theirs.close()
        for message in messages:
            if isinstance(message, int):
                socket.send_fds(runner, [b"files"], [file.fileno()] * message)
            else:
                runner.send(message)
        runner.close()
        _, told = process.communicate(timeout=60)
    return told.strip().rpartition("\n")[2]


def test_a_child_confines_itself_without_the_modules_around_sockets_signals_and_platforms():
    # A tenth of what a query child loads in all.
    code = "import sys, cleanroom.runner.sandbox.enter; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {*done.stdout.split()}
    assert "_socket" in loaded
    assert not {"socket", "selectors", "signal", "platform", "subprocess"} & loaded


HEADER = b'{"limits": {}, "files": 2}'


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ((), "OSError: sandbox: the runner gave no limits"),
        ((b'{"limits": {}}',), "OSError: sandbox: the runner gave no limits"),
        ((HEADER,), "OSError: sandbox: the runner gave other files"),
        ((HEADER, b"files"), "OSError: sandbox: the runner gave other files"),
        ((HEADER, b"other"), "OSError: sandbox: the runner gave other files"),
        ((HEADER, 40), "OSError: sandbox: the runner gave other files"),
    ],
)
def test_anything_else_ends_the_child(messages, told):
    assert taken(*messages) == told


def test_a_file_that_lies_where_others_go_is_refused():
    # As many as leave no room below the numbers that are given.
    runner, theirs = channel()
    code = (
        "import os, sys; from cleanroom.runner.sandbox.handover import take;"
        " [os.dup(0) for _ in range(80)]; take(os.dup(int(sys.argv[1])))"
    )
    with theirs, Path(os.devnull).open("rb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
        give(runner, limits=SMALL, descriptors=(file.fileno(),))
        _, told = process.communicate(timeout=60)
    assert "too many files were open" in told
