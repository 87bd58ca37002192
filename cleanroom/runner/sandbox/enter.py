# SPDX-License-Identifier: Apache-2.0
"""The first code of a child: give everything up, then do the one thing it is for.

The order is the point, and was measured. Limits hold for everything after them.
Landlock covers this thread and later ones, so it comes before the imports that start
threads. System calls are filtered after the imports, which need more of them, and for
every thread at once. Only then does the child say that it is ready, and only then is
it told anything worth stealing.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib
import json
import os
import sys
from _socket import AF_UNIX
from _socket import socket as Socket  # noqa: N812 - the interpreter's name of a class
from contextlib import suppress
from typing import BinaryIO, NoReturn, Protocol, cast

from cleanroom.runner.sandbox import handover, kernel, landlock
from cleanroom.runner.sandbox.bpf import assemble
from cleanroom.runner.sandbox.limits import apply_limits
from cleanroom.runner.sandbox.plan import NOBODY_GIVES, Plan, decode_plan
from cleanroom.runner.sandbox.rules import child_rules
from cleanroom.runner.sandbox.syscalls import Machine, this_machine

READY = b"confined\n"
SETUP_FAILED = 71  # EX_OSERR of sysexits.h
WORK_FAILED = 70  # EX_SOFTWARE
OUT_OF_MEMORY = 75  # EX_TEMPFAIL
OUT_OF_DISK = 73  # EX_CANTCREAT

_STANDARD_OUTPUT = 1
_STANDARD_ERROR = 2
_SIGKILL = 9  # signal(7)


class Work(Protocol):
    """What a plan's module offers."""

    def work(self, answer: BinaryIO) -> None:
        """Do what the child is for and write what it has to say."""


def enter(argument: str) -> NoReturn:
    """Confine this process as its plan says, do its work and end."""
    # A traceback quotes values; the runner hears of a defect by the exit status.
    sys.excepthook = lambda *_: None
    status = SETUP_FAILED
    try:
        plan = decode_plan(json.loads(argument))
        # Whatever a library prints goes nowhere: the answer has a stream of its own.
        answer = os.fdopen(os.dup(_STANDARD_OUTPUT), "wb")
        os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
        module = _confined(plan)
        answer.write(READY)
        answer.flush()
        status = WORK_FAILED
        module.work(answer)
        answer.flush()
        status = 0
    except MemoryError:
        status = OUT_OF_MEMORY
    except OSError as error:
        status = OUT_OF_DISK if error.errno in (errno.EFBIG, errno.ENOSPC) else status
    finally:
        # Skip interpreter teardown: libraries have threads that nobody waits for.
        os._exit(status)


def _confined(plan: Plan) -> Work:
    """Put every layer on and return the module, imported in between.

    Raises:
        OSError: A layer does not hold.
    """
    apply_limits(plan.limits)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    machine = this_machine()
    if plan.own_layers:
        landlock.restrict(_required(machine), readable=plan.readable)
    module = cast("Work", importlib.import_module(plan.module))
    for name in plan.preload:
        with suppress(ImportError):
            importlib.import_module(name)
    if plan.user:
        _become(plan.user, reads_as_root=plan.reads_as_root)
    # After the change of user, which resets both: nobody may look into this process,
    # and it must not outlive the runner.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL)
    if plan.control != NOBODY_GIVES:
        # Nothing has been told to it yet; what it starts with are the widest limits of any work.
        given = handover.take(plan.control)
        apply_limits(dataclasses.replace(given, tasks=plan.limits.tasks))
    if plan.own_layers:
        filtered = _required(machine)
        rules = child_rules(others_code=plan.others_code)
        kernel.filter_every_thread(assemble(rules, filtered), filtered)
        _require_confined()
    return module


def _become(user: int, *, reads_as_root: bool) -> None:
    """Become another user in every thread, with no groups and no way back."""
    kernel.prctl(kernel.PR_SET_KEEPCAPS, reads_as_root)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if reads_as_root:
        # Libraries load more of themselves later; Landlock holds this thread to where they lie.
        kernel.keep_reading()


def _require_confined() -> None:
    """Try what must not work any more, before anybody trusts this process.

    Raises:
        OSError: Something still works.
    """
    if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) != 1:
        raise OSError("sandbox: privileges can still be gained")
    if kernel.prctl(kernel.PR_GET_SECCOMP) != kernel.FILTERED:
        raise OSError("sandbox: system calls are not filtered")
    with suppress(PermissionError):
        Socket(AF_UNIX).close()
        raise OSError("sandbox: a socket can still be made")
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        if error.errno == errno.EACCES:  # Landlock's answer; the filter would say EPERM
            return
    raise OSError("sandbox: the file system can still be read")


def _required(machine: Machine | None) -> Machine:
    if machine is None:
        raise OSError("sandbox: no table of system calls for this machine")
    return machine
