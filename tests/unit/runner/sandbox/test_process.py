# SPDX-License-Identifier: Apache-2.0
"""Whatever a child does, it ends, its end has a name, and the runner goes on."""

import os
import time

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import QueryFailedError
from cleanroom.runner.sandbox import outcome
from cleanroom.runner.sandbox.bubblewrap import Namespaces
from cleanroom.runner.sandbox.process import confined_child
from cleanroom.runner.sandbox.users import OWN_USERS
from tests.support.sandboxes import (
    CONFINED,
    KERNEL_LEVELS,
    SMALL,
    confinement_or_skip,
    host,
    misbehave,
)


@pytest.fixture(params=[*SandboxLevel])
def anywhere(request):
    return confinement_or_skip(request.param)


@pytest.fixture(params=KERNEL_LEVELS)
def confined(request):
    return confinement_or_skip(request.param)


def ending(confinement, what, **changes):
    with pytest.raises(QueryFailedError) as failed:
        misbehave(confinement, what, **changes)
    assert "secret" not in str(failed.value)
    assert failed.value.__context__ is None
    return failed.value.code


def test_an_answer_comes_back_whole(anywhere):
    assert misbehave(anywhere, "echo") == b"echo"


@pytest.fixture(scope="module")
def best():
    return host().best


ENDS = pytest.mark.parametrize(
    ("what", "changes", "code"),
    [
        ("raises", {}, outcome.FAILED),
        ("leaves", {}, outcome.FAILED),
        ("sleeps", {"seconds": 0.3}, outcome.TIME),
        ("loops", {"seconds": 0.3}, outcome.TIME),
        ("loops", {"processor_seconds": 1}, outcome.PROCESSOR),
        ("ignores_the_processor_limit", {"processor_seconds": 1}, outcome.KILLED),
        ("floods", {"most": 1000}, outcome.OUTPUT),
        ("eats_memory", {}, outcome.MEMORY),
        ("crashes", {}, outcome.CRASHED),
        ("aborts", {}, outcome.CRASHED),
        ("raises_its_limits", {}, outcome.FAILED),
    ],
)


@ENDS
def test_each_bad_end_has_its_own_name(best, what, changes, code):
    assert ending(best, what, **changes) == code


@pytest.mark.slow
@ENDS
def test_each_bad_end_has_the_same_name_at_every_level(anywhere, what, changes, code):
    assert ending(anywhere, what, **changes) == code


def test_no_process_can_be_started(confined):
    assert ending(confined, "forks") == outcome.FAILED


def test_threads_are_bounded_by_memory(confined):
    assert ending(confined, "starts_threads") in (outcome.FAILED, outcome.MEMORY)


def test_nothing_printed_comes_into_the_answer(anywhere):
    assert misbehave(anywhere, "prints") == b"done"


def test_a_child_inherits_what_it_was_given_and_nothing_else(anywhere):
    given, other = os.pipe()
    os.set_inheritable(other, True)  # noqa: FBT003 - the standard library's
    try:
        found = misbehave(anywhere, "lists_descriptors", descriptors=(given,))
    finally:
        os.close(given)
        os.close(other)
    # Standard input, output and error, the answer, and the one that was given.
    assert given in eval(found)  # noqa: S307 - our own list of numbers
    assert other not in eval(found)  # noqa: S307 - likewise
    assert len(eval(found)) == 5  # noqa: S307 - likewise


def test_a_child_has_no_environment_of_the_runner(anywhere, monkeypatch):
    monkeypatch.setenv("CLEANROOM_TEST_SECRET", "secret")
    found = misbehave(anywhere, "shows_its_environment").decode()
    names, isolated, _ = eval(found)  # noqa: S307 - our own tuple
    assert set(names) <= {"LANG", "TZ", "PWD", "LC_CTYPE"}
    assert isolated == 1


def test_a_child_is_not_root_where_that_can_be(confined):
    *_, user = eval(misbehave(confined, "shows_its_environment"))  # noqa: S307 - our own tuple
    assert user == confined.user or user in OWN_USERS or os.geteuid() != 0
    assert user != 0 or not confined.user


def test_threads_of_a_user_of_its_own_are_counted(confined):
    if confined.namespaces is not Namespaces.OF_A_USER and confined.user not in OWN_USERS:
        pytest.skip("others may be the same user here, so threads are not counted")
    # So small that no limit of memory would stop a thousand.
    # Its own first thread counts as well, and what bubblewrap keeps of the same user.
    assert 0 < int(misbehave(confined, "counts_small_threads", tasks=16)) < 16


def test_a_child_that_is_left_alone_ends_with_the_block(anywhere):
    with confined_child(
        "misbehaving", confinement=anywhere, limits=SMALL, code=(CONFINED,)
    ) as child:
        child.require_ready()
        process = child.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_module_that_is_not_there_ends_before_it_is_trusted(anywhere):
    with (
        confined_child("absent_module", confinement=anywhere, limits=SMALL) as child,
        pytest.raises(QueryFailedError) as failed,
    ):
        child.require_ready()
    assert failed.value.code == outcome.SETUP


def test_a_kill_leaves_nothing_of_the_sandbox_behind(confined):
    began = time.monotonic()
    assert ending(confined, "sleeps", seconds=0.2) == outcome.TIME
    assert time.monotonic() - began < 300  # of the hour that it sleeps
