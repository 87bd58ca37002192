# SPDX-License-Identifier: Apache-2.0
"""Kill a process right before and right after each step in which it touches disk or network.

A step is a call from Python into C by one of the names below, in the thread that works; the
interpreter tells of each before and after. So a kill falls exactly between two effects, and the
same kill can be made again. The process must not have other threads when it forks.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

STEPS = frozenset(
    {
        *("commit", "execute", "executemany", "executescript", "rollback"),
        *("fsync", "link", "rename", "replace", "send", "sendall", "unlink", "write"),
    }
)
_HINDERED = 3


def count_steps(work: Callable[[], object]) -> list[str]:
    """Do the work in a process of its own, undisturbed; return the name of each of its steps."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _leave_after(lambda: os.write(writing, "\n".join(_names_of(work)).encode()))
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        names = told.read().decode().splitlines()
    assert _status(child) == 0, "the work failed undisturbed"
    return names


def killed(work: Callable[[], object], *, place: int) -> bool:
    """Do the work in a process of its own, killed at a place; tell whether it came so far.

    Places 0 and 1 are before and after the first step, 2 and 3 before and after the second.
    """
    child = os.fork()
    if child == 0:
        _leave_after(lambda: _watching(work, _killing_at(place)))
    status = _status(child)
    assert status in {0, -signal.SIGKILL}, "the work failed by itself"
    return status != 0


def starved(work: Callable[[], object], *, most: int, error: type[Exception]) -> bool:
    """Do the work in a process of its own where no file grows beyond so many bytes.

    Tell whether that ended it in the error; any other fails.
    """
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        _leave_after(lambda: _ending_in(work, error))
    status = _status(child)
    assert status in {0, _HINDERED}, "a full disk ended in something else"
    return status != 0


def _ending_in(work: Callable[[], object], error: type[Exception]) -> None:
    try:
        work()
    except error:
        os._exit(_HINDERED)


Told = Callable[[FrameType, str, object], None]


def _names_of(work: Callable[[], object]) -> list[str]:
    names: list[str] = []

    def note(_: FrameType, event: str, called: object) -> None:
        if event == "c_call" and _name(called) in STEPS:
            names.append(_name(called))

    _watching(work, note)
    return names


def _killing_at(place: int) -> Told:
    seen = {"c_call": 0, "c_return": 0}
    wanted, step = ("c_return" if place % 2 else "c_call"), place // 2

    def note(_: FrameType, event: str, called: object) -> None:
        if event not in seen or _name(called) not in STEPS:
            return
        if event == wanted and seen[event] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[event] += 1

    return note


def _watching(work: Callable[[], object], told: Told) -> None:
    sys.setprofile(told)
    try:
        work()
    finally:
        sys.setprofile(None)


def _name(called: object) -> str:
    return getattr(called, "__name__", "")


def _leave_after(act: Callable[[], object]) -> None:
    failed = 1
    try:
        act()
        failed = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent's test fails, and this says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(failed)


def _status(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
