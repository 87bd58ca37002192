# SPDX-License-Identifier: Apache-2.0
"""Start a runner as a process of its own and listen to what it says.

Whoever asks for a run holds a party's keys; the runner must not. It starts with
an empty environment and isolated imports, and is told the room and the run id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cleanroom.errors import CleanroomError, UnavailableError, from_wire
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.strict_json import parse_json

RUNNER = (sys.executable, "-I", "-B", "-m", "cleanroom.runner")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
Stage = Callable[[str], None]


def launch(
    room: Path,
    run: str,
    *,
    stage: Stage,
    meanwhile: Callable[[], object] = tuple,
    command: Sequence[str] = RUNNER,
) -> Digest:
    """Run to the end and return the digest of the receipt.

    Args:
        room: The room's directory.
        run: The run id; its signed request lies in the room.
        stage: Told the name of each stage that begins.
        meanwhile: Called once the runner has started, to use the time that it needs.
        command: What starts the runner.

    Raises:
        CleanroomError: Whatever stopped the runner, as it said it.
        UnavailableError: The runner ended without a word.
    """
    with _process([*command, "--room", str(room.resolve()), "--run", run]) as lines:
        meanwhile()
        for line in lines:
            value = parse_json(line, what="runner", limit=MIB)
            if "stage" in value:
                stage(value["stage"])
            elif "receipt" in value:
                return Digest.parse(value["receipt"], what="runner")
            else:
                raise _revived(value)
    raise UnavailableError(
        "runner: ended without an answer",
        code="runner.ended",
        hint="cleanroom doctor; then run the query again, which is a new use",
    )


@contextlib.contextmanager
def _process(command: Sequence[str]) -> Iterator[Iterator[bytes]]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        close_fds=True,
        start_new_session=True,
    )
    try:
        yield iter(process.stdout or ())
    finally:
        if process.poll() is None:
            # A caller that is interrupted must not leave a runner with keys behind.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _revived(value: Any) -> CleanroomError:  # noqa: ANN401 - any JSON value
    error = value.get("error", {})
    return from_wire(
        error.get("class", ""),
        code=error.get("code", "runner.unknown"),
        message=error.get("message", "runner: stopped for a reason it did not give"),
        hint=error.get("hint", ""),
    )
