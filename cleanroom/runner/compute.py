# SPDX-License-Identifier: Apache-2.0
"""Run one generated statement in a child process and take back rows, capped in every way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any

from cleanroom.errors import IntegrityError, MalformedError, QueryFailedError, from_wire
from cleanroom.kernel.limits import MAX_CHILD_OUTPUT_BYTES
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner.cells import Value, read_value
from cleanroom.runner.child_job import ChildJob

CHILD = (sys.executable, "-I", "-B", "-m", "cleanroom.runner.child")
START_SECONDS = 30  # what the child may need before its own time limit starts to count
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


class QueryChild:
    """A query child that waits for its one job; :func:`query_child` starts it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take a started process."""
        self._process = process

    def run(self, job: ChildJob) -> list[tuple[Value, ...]]:
        """Run the job and return its rows.

        Raises:
            IntegrityError: A sealed part is not what the dataset document lists.
            QueryFailedError: Memory, time, rows, or a failure whose reason stays inside.
        """
        answer = self._exchange(job.encode(), seconds=job.seconds + START_SECONDS)
        # It has closed its output, so it ends at once or is of no more use.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=START_SECONDS)
        if not answer or self._process.returncode != 0:
            raise QueryFailedError("engine: the query did not complete", code="engine.failed")
        value = parse_json(answer, what="query child", limit=MAX_CHILD_OUTPUT_BYTES)
        if "error" in value:
            raise _revived(value["error"])
        return [tuple(read_value(item) for item in row) for row in value["rows"]]

    def _exchange(self, job: bytes, *, seconds: int) -> bytes:
        stdin, stdout = _pipes(self._process)
        writer = threading.Thread(target=_feed, args=(stdin, job), daemon=True)
        deadline = threading.Timer(seconds, _kill, args=(self._process,))
        deadline.daemon = True
        writer.start()
        deadline.start()
        try:
            answer = stdout.read(MAX_CHILD_OUTPUT_BYTES + 1)
        finally:
            deadline.cancel()
        if len(answer) > MAX_CHILD_OUTPUT_BYTES:
            # Before waiting for its end: a child that still writes would never end.
            raise QueryFailedError(
                f"engine: more than {MAX_CHILD_OUTPUT_BYTES} bytes of groups",
                code="engine.output",
                hint="group by fewer columns, or ask for fewer numbers",
            )
        return answer


@contextlib.contextmanager
def query_child() -> Iterator[QueryChild]:
    """Start a query child that knows nothing yet, and end it with the block.

    It loads the engine while the runner attests and asks for keys, and gets its job
    and the keys over its standard input when there are any.
    """
    # A session of its own, so that a kill reaches whatever the child may have started.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        CHILD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        close_fds=True,
        start_new_session=True,
    )
    try:
        yield QueryChild(process)
    finally:
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise QueryFailedError("engine: the child has no pipes", code="engine.failed")
    return process.stdin, process.stdout


def _feed(stdin: IO[bytes], job: bytes) -> None:
    # A child that died early closes its end; the empty answer tells the rest.
    with contextlib.suppress(BrokenPipeError):
        stdin.write(job)
        stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _revived(wire: Any) -> Exception:  # noqa: ANN401 - any JSON value
    if not isinstance(wire, dict) or {type(item) for item in wire.values()} != {str}:
        raise MalformedError("query child: an error of no known form", code="child.format")
    error = from_wire(wire["class"], code=wire["code"], message=wire["message"], hint=wire["hint"])
    if isinstance(error, IntegrityError | MalformedError | QueryFailedError):
        return error
    return QueryFailedError("engine: the query did not complete", code="engine.failed")
