# SPDX-License-Identifier: Apache-2.0
"""Start a runner as a process of its own and listen to what it says.

Whoever asks for a run holds a party's keys; the runner must not. It starts with
an empty environment and isolated imports, and is told the room and the run id.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanroom.errors import CleanroomError, UnavailableError, from_wire
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.strict_json import parse_json

if TYPE_CHECKING:
    from cleanroom.runner.reach import Reach

RUNNER = (sys.executable, "-I", "-B", "-m", "cleanroom.runner")
# One that is started long before its job loads also what others load while they wait.
READY = "ready"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    # The gate adds integers; threads for products of matrices would start, and wait busily.
    "OPENBLAS_NUM_THREADS": "1",
}
# A runner that has said so waits for a line: whoever started it may write down first that
# keys are about to be asked for. One that hears nothing, because that process died, ends.
ASKING = "release keys"
GO_ON = b"go on\n"
Stage = Callable[[str], None]


class WaitingRunner:
    """A runner that loads and then waits for its one job; :func:`waiting_runner` starts it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take a started process."""
        self._process = process

    def run(
        self,
        room: Path,
        run: str,
        *,
        stage: Stage,
        reach: Reach,
        meanwhile: Callable[[], object] = tuple,
    ) -> Digest:
        """Run to the end and return the digest of the receipt.

        Args:
            room: The room's directory.
            run: The run id; its signed request lies in the room.
            stage: Told the name of each stage that begins; no key is asked for before it has
                returned from hearing of ``ASKING``.
            reach: What reaching the brokers needs.
            meanwhile: Called once the runner has its job, to use the time that it needs.

        Raises:
            CleanroomError: Whatever stopped the runner, as it said it.
            UnavailableError: The runner ended without a word.
        """
        with self._telling() as tell:
            tell(encode_job(room.resolve(), run, reach))
            meanwhile()
            return self._listen(stage, tell=tell)

    def _listen(self, stage: Stage, *, tell: Callable[[bytes], None]) -> Digest:
        for line in self._process.stdout or ():
            value = parse_json(line, what="runner", limit=MIB)
            if "stage" in value:
                stage(value["stage"])
                if value["stage"] == ASKING:
                    tell(GO_ON)
            elif "receipt" in value:
                return Digest.parse(value["receipt"], what="runner")
            else:
                raise _revived(value)
        raise UnavailableError(
            "runner: ended without an answer",
            code="runner.ended",
            hint="cleanroom doctor; then run the query again, which is a new use",
        )

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    @contextlib.contextmanager
    def _telling(self) -> Iterator[Callable[[bytes], None]]:
        def tell(line: bytes) -> None:
            # A runner that died closes its end; that it says nothing tells the rest.
            with contextlib.suppress(BrokenPipeError):
                if stdin is not None:
                    stdin.write(line)
                    stdin.flush()

        stdin = self._process.stdin
        try:
            yield tell
        finally:
            with contextlib.suppress(BrokenPipeError):
                if stdin is not None:
                    stdin.close()

    def kill(self) -> None:
        """End it now, from any thread, with everything that it started; :meth:`run` then raises."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def waiting_runner(command: Sequence[str] = RUNNER) -> Iterator[WaitingRunner]:
    """Start a runner that knows nothing yet, and end it with the block.

    It loads while the caller opens keys and signs the request.

    Args:
        command: What starts the runner.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        close_fds=True,
        start_new_session=True,
    )
    try:
        yield WaitingRunner(process)
    finally:
        _end(process)


def ready_runner() -> contextlib.AbstractContextManager[WaitingRunner]:
    """Start a runner that has time to load everything, and end it with the block."""
    return waiting_runner((*RUNNER, READY))


def encode_job(room: Path, run: str, reach: Reach) -> bytes:
    """Write the one line that tells a waiting runner what to run, and for whom it asks."""
    return json.dumps({"room": str(room), "run": run, **reach.to_json()}).encode() + b"\n"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a runner that has answered leave; kill any other, whatever it holds."""
    if process.stdin is not None and process.stdin.closed:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    if process.poll() is None:
        # A caller that is interrupted must not leave a runner with keys behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _revived(value: Any) -> CleanroomError:  # noqa: ANN401 - any JSON value
    error = value.get("error", {})
    return from_wire(
        error.get("class", ""),
        code=error.get("code", "runner.unknown"),
        message=error.get("message", "runner: stopped for a reason it did not give"),
        hint=error.get("hint", ""),
    )
