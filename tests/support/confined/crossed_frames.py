# SPDX-License-Identifier: Apache-2.0
"""Let many mutated frames cross as in a run, a confined process each; arguments are seed and count.

Each process is a fork of this one, which has every library loaded, where a run starts an
interpreter. Whatever follows is what a run does: the same plan, the same layers at level
``self``, the same judge, the same reading of its answer.
"""

import collections
import json
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress

import cleanroom.runner.analysis.frames_child
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import QueryFailedError
from cleanroom.runner.sandbox import process
from cleanroom.runner.sandbox.enter import enter
from cleanroom.runner.sandbox.host import weaker
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import written
from tests.support.frames import GOOD, crossing
from tests.support.sandboxes import host

LOADED = cleanroom.runner.analysis.frames_child


class Forked:
    """What a confined child knows of its process, for one that was forked."""

    def __init__(self, pid, stdin, stdout):
        self.pid, self.stdin, self.stdout, self.returncode = pid, stdin, stdout, None
        self.ended = os.pidfd_open(pid)

    def poll(self):
        if self.returncode is None and select.select([self.ended], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self.ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("forked", timeout)
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            os.close(self.ended)
        return self.returncode


def forked(command, *, descriptors):
    for thread in threading.enumerate():
        if thread is not threading.current_thread():  # the last child's clock and writer
            thread.join()
    (given, request), (answer, said) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        confine(command[-1], given=given, said=said, kept=descriptors)
    os.close(given)
    os.close(said)
    return Forked(pid, os.fdopen(request, "wb"), os.fdopen(answer, "rb"))


def confine(plan, *, given, said, kept):
    """Be what a new interpreter is: nothing but its three files and its inputs, and a plan."""
    os.setsid()
    for number, file in enumerate((given, said, os.open(os.devnull, os.O_RDWR))):
        os.dup2(file, number)
    for number in range(3, 256):
        if number not in kept:
            with suppress(OSError):
                os.close(number)
    enter(plan)


def crossed(data, confinement):
    try:
        with crossing(data, confinement=confinement) as clean:
            return "accepted" if os.fstat(clean).st_size else "empty"
    except QueryFailedError as refused:
        return refused.code


if __name__ == "__main__":
    process._start = forked  # noqa: SLF001 - the one thing that is not as in a run
    alone = weaker(host().best, SandboxLevel.SELF)
    mutator, whole = Mutator(int(sys.argv[1])), written(GOOD)
    found = collections.Counter(
        crossed(mutator.mutated(whole), alone) for _ in range(int(sys.argv[2]))
    )
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)
