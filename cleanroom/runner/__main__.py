# SPDX-License-Identifier: Apache-2.0
"""The runner as a process: ``python -I -m cleanroom.runner --room DIR --run ID``.

It prints one JSON object a line: the stages it enters, then either the receipt's
digest or an error of our own tree. Nothing else leaves, whatever happens.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import CleanroomError, to_wire
from cleanroom.kernel.clock import system_clock
from cleanroom.runner.execute import Runner, connect_all, execute


def main(arguments: Sequence[str]) -> int:
    """Execute one run and return an exit status."""
    parser = argparse.ArgumentParser(prog="cleanroom.runner", allow_abbrev=False)
    parser.add_argument("--room", required=True, type=Path)
    parser.add_argument("--run", required=True)
    options = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            runner = Runner(
                room=RoomDirectory(path=options.room),
                clock=system_clock,
                report=lambda stage: _say({"stage": stage}),
                connect=lambda approved: connect_all(approved, stack=stack),
            )
            receipt = execute(options.run, runner=runner)
    except CleanroomError as error:
        _say({"error": to_wire(error)})
        return error.exit_code
    _say({"receipt": str(receipt.digest)})
    return 0


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
    sys.exit(main(sys.argv[1:]))
