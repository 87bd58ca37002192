# SPDX-License-Identifier: Apache-2.0
"""Start a confined child, talk to it once, and end it whatever it does.

A child gets what it works on over its standard input or as open descriptors, and
answers over one pipe that is read up to a limit. It is killed with everything that
it may have started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import IO

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import UnavailableError
from cleanroom.runner.sandbox import bubblewrap, handover, outcome, places
from cleanroom.runner.sandbox.bubblewrap import Namespaces
from cleanroom.runner.sandbox.enter import READY
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.plan import NOBODY_GIVES, Plan
from cleanroom.runner.sandbox.users import OWN_USERS, child_user

# What a child may need before its own time limit starts to count; several start at once, on
# machines that others use.
START_SECONDS = 120
_END_SECONDS = 30  # what a child may need to end once it has closed its answer
ENVIRONMENT = MappingProxyType({"LANG": "C.UTF-8", "TZ": "UTC"})

# The child imports nothing but the standard library and our own code to confine itself.
_BOOT = (
    "import json, sys; plan = sys.argv[1]; sys.path[:0] = json.loads(plan)['import_path'];"
    " from cleanroom.runner.sandbox.enter import enter; enter(plan)"
)


class ConfinedChild:
    """A child that waits for its one piece of work; :func:`confined_child` starts it."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket | None = None
    ) -> None:
        """Take a started process, and what it waits at for limits and files."""
        self._process = process
        self._control = control
        self._timed_out = False

    @property
    def process_id(self) -> int:
        """Its process, or that of the sandbox around it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    def give(self, *, limits: ChildLimits, descriptors: Sequence[int]) -> None:
        """Give a child that was started without them its limits and open files.

        It finds the files under other numbers; see :mod:`cleanroom.runner.sandbox.handover`.

        Args:
            limits: What it may use; those on tasks hold since it was started.
            descriptors: Open files.
        """
        if self._control is not None:
            handover.give(self._control, limits=limits, descriptors=descriptors)
            self._control = None

    def require_ready(self) -> None:
        """Wait until the child has put every layer on; before that it is told nothing.

        Raises:
            QueryFailedError: It could not, or ended on the way.
        """
        _, stdout = self._pipes()
        with self._deadline(START_SECONDS):
            greeting = stdout.read(len(READY))
        if len(greeting) < len(READY):  # it closed its answer
            raise outcome.failed(self._cause() or outcome.SETUP)
        if greeting != READY:
            raise outcome.failed(outcome.SETUP)

    def exchange(
        self,
        request: bytes,
        *,
        seconds: float,
        most: int,
        meanwhile: Callable[[], object] = tuple,
    ) -> bytes:
        """Give the child its work and return its whole answer.

        Args:
            request: Written to its standard input, which is then closed.
            seconds: Wall time from here to the end of the answer.
            most: Bytes that an answer may have.
            meanwhile: Called once the child has its work, to use the time that it needs.

        Raises:
            QueryFailedError: Time, processor time, memory, size, a signal, or an
                exit status that is not 0; the code tells which.
        """
        stdin, stdout = self._pipes()
        writer = threading.Thread(target=_feed, args=(stdin, request), daemon=True)
        with self._deadline(seconds):
            writer.start()
            meanwhile()
            answer = stdout.read(most + 1)
        if len(answer) > most:
            # Before waiting for its end: a child that still writes would never end.
            raise outcome.failed(outcome.OUTPUT)
        cause = self._cause()
        if cause is not None:
            raise outcome.failed(cause)
        return answer

    def end(self) -> None:
        """Kill the child and everything that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._control is not None:
            self._control.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _cause(self) -> str | None:
        # It has closed its answer, so it ends at once or is of no more use.
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            return outcome.TIME
        return outcome.TIME if self._timed_out else outcome.cause(self._process.returncode)

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._timed_out = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise outcome.failed(outcome.SETUP)
        return self._process.stdin, self._process.stdout


@contextlib.contextmanager
def confined_child(
    module: str,
    *,
    confinement: Confinement,
    limits: ChildLimits,
    descriptors: Sequence[int] = (),
    code: Sequence[str] = (),
    preload: Sequence[str] = (),
    others_code: bool = False,
) -> Iterator[ConfinedChild]:
    """Start a child that knows nothing yet, and end it with the block.

    Args:
        module: What it runs once confined; see :class:`cleanroom.runner.sandbox.plan.Plan`.
        confinement: How it is confined.
        limits: What it may use.
        descriptors: Open files that it inherits under the same numbers.
        code: Directories of further modules that it may import.
        preload: Libraries that it imports while it may still make memory executable.
        others_code: Whether code that somebody else wrote will run in it.

    Raises:
        UnavailableError: No process can be started.
    """
    command = child_command(
        module,
        confinement=confinement,
        limits=limits,
        code=code,
        preload=preload,
        others_code=others_code,
    )
    child = ConfinedChild(_start(command, descriptors=descriptors))
    try:
        yield child
    finally:
        child.end()


def waiting_child(
    module: str, *, confinement: Confinement, limits: ChildLimits, code: Sequence[str] = ()
) -> ConfinedChild:
    """Start a child before there is work for it: it loads and waits to be given limits and files.

    The caller ends it. It ends by itself with the runner, and when nobody can give it anything.

    Args:
        module: As of :func:`confined_child`.
        confinement: How it is confined, all of it before it says that it is ready.
        limits: The widest that any work may have; what is given can only be less.
        code: Directories of further modules that it may import.

    Raises:
        UnavailableError: No process can be started.
    """
    runner, theirs = channel()
    with theirs:
        control = theirs.fileno()
        command = child_command(
            module, confinement=confinement, limits=limits, code=code, control=control
        )
        return ConfinedChild(_start(command, descriptors=(control,)), runner)


def channel() -> tuple[socket.socket, socket.socket]:
    """Make both ends of what files are handed over by: the runner's, and the child's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def child_command(
    module: str,
    *,
    confinement: Confinement,
    limits: ChildLimits,
    code: Sequence[str] = (),
    preload: Sequence[str] = (),
    others_code: bool = False,
    control: int = NOBODY_GIVES,
) -> list[str]:
    """Return the command that starts a confined child."""
    readable = (*places.readable_places(), *code)
    user = child_user(confinement.user)
    # Elsewhere others may be the same user, and the limit would count them too.
    counted = confinement.namespaces is Namespaces.OF_A_USER or user in OWN_USERS
    alone = confinement.level is SandboxLevel.SELF
    plan = Plan(
        module=module,
        own_layers=confinement.level is not SandboxLevel.PROCESS,
        import_path=(*places.import_path(), *code),
        # What they count is about every process of the group, so about other parts.
        readable=(*readable, *places.CONTROL_GROUPS) if alone and not others_code else readable,
        limits=limits if counted else dataclasses.replace(limits, tasks=0),
        user=user,
        control=control,
        reads_as_root=confinement.reads_as_root,
        preload=tuple(preload),
        others_code=others_code,
    )
    command = [places.interpreter(), "-I", "-S", "-B", "-c", _BOOT, plan.encode()]
    if confinement.namespaces is None:
        return command
    return bubblewrap.wrapped(
        confinement.program, confinement.namespaces, places=readable, command=command
    )


def _start(command: Sequence[str], *, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    try:
        # A session of its own, so that a kill reaches whatever the child may have started.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(ENVIRONMENT),
            cwd="/",
            close_fds=True,
            pass_fds=tuple(descriptors),
            start_new_session=True,
        )
    except OSError as error:
        raise UnavailableError(
            f"sandbox: no process can be started: {os.strerror(error.errno or 0)}",
            code="sandbox.start",
            hint="free memory or processes on this host",
        ) from error


def _feed(stdin: IO[bytes], request: bytes) -> None:
    # A child that died early closes its end; its status tells the rest.
    with contextlib.suppress(BrokenPipeError, ValueError):
        stdin.write(request)
        stdin.close()
