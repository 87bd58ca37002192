# SPDX-License-Identifier: Apache-2.0
"""The runner as a process: ``python -I -m cleanroom.runner``, told its job on standard input.

The job is one line, ``{"room": DIRECTORY, "run": ID, "authorities": PEM, "caller": ...,
"patience": SECONDS}``, so
that a runner can be started and load before the request is signed. It prints one JSON
object a line: the stages it enters, then either the receipt's digest or an error of our
own tree. Nothing else leaves, whatever happens. Before it asks for keys it waits for a second
line, and ends without one: nobody would know that a use was spent.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

from cleanroom.kernel.process import leave, loading

with loading():
    from cleanroom.contract.layout import RoomDirectory
    from cleanroom.errors import CleanroomError, MalformedError, UnavailableError, to_wire
    from cleanroom.kernel.clock import system_clock
    from cleanroom.kernel.limits import KIB
    from cleanroom.kernel.strict_json import parse_json
    from cleanroom.runner.compute import ReadyChild
    from cleanroom.runner.execute import (
        Runner,
        connect_all,
        execute,
        prepare_more,
        prepared,
        prepared_to_wait,
    )
    from cleanroom.runner.launch import ASKING, GO_ON, READY
    from cleanroom.runner.reach import Reach, reach_from_json

MAX_JOB_BYTES = 128 * KIB


def serve(*, waits: bool) -> int:
    """Load, hear of one run, execute it, and return an exit status.

    Args:
        waits: Whether there is time to load everything before the run comes.
    """
    try:
        with prepared_to_wait() if waits else prepared() as ready:
            prepare_more(until=_has_job)
            return main(sys.stdin.buffer.readline(MAX_JOB_BYTES + 1), ready=ready)
    except CleanroomError as error:
        return _refused(error)


def main(job: bytes, *, ready: ReadyChild | None = None) -> int:
    """Execute one run, with a query child that waits for it, and return an exit status."""
    try:
        room, run, reach = _read_job(job)
        with ExitStack() as stack:
            runner = Runner(
                room=RoomDirectory(path=room),
                clock=system_clock,
                report=_report,
                ready=ready,
                connect=lambda approved: connect_all(approved, reach=reach, stack=stack),
            )
            receipt = execute(run, runner=runner)
    except CleanroomError as error:
        return _refused(error)
    _say({"receipt": str(receipt.digest)})
    return 0


def _has_job() -> bool:
    """Tell whether the job is there, or whoever started this is gone."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _refused(error: CleanroomError) -> int:
    _say({"error": to_wire(error)})
    return error.exit_code


def _read_job(line: bytes) -> tuple[Path, str, Reach]:
    job = parse_json(line, what="runner job", limit=MAX_JOB_BYTES)
    form: dict[str, tuple[type, ...]] = {
        "room": (str,),
        "run": (str,),
        "authorities": (str,),
        "caller": (dict, type(None)),
        "patience": (int,),
    }
    if not isinstance(job, dict) or set(job) != set(form):
        raise _no_job()
    if not all(type(job[name]) in kinds for name, kinds in form.items()):
        raise _no_job()
    return Path(job["room"]), job["run"], reach_from_json(job, what="runner job: caller")


def _no_job() -> MalformedError:
    return MalformedError("runner job: not a room and a run", code="runner.job")


def _report(stage: str) -> None:
    # Once all owners have countersigned, the result lies down in the room even if whoever
    # started this runner is gone; before, a runner that nobody hears ends here.
    with suppress(BrokenPipeError) if stage == "receipt" else nullcontext():
        _say({"stage": stage})
    if stage == ASKING and sys.stdin.buffer.readline(len(GO_ON)) != GO_ON:
        raise UnavailableError("runner: whoever started it is gone", code="runner.alone")


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _tell_class_only(kind: type[BaseException], *_: object) -> None:
    """Say that a defect of ours stopped the run; a traceback would quote values."""
    defect = CleanroomError(
        f"runner: stopped by a defect ({kind.__name__})",
        code="runner.defect",
        hint="report it with the versions that cleanroom version prints",
    )
    _say({"error": to_wire(defect)})


if __name__ == "__main__":
    sys.excepthook = _tell_class_only
    leave(serve(waits=sys.argv[1:] == [READY]))
