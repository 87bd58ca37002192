# SPDX-License-Identifier: Apache-2.0
"""Which runs did this runner begin? Written before a key is asked for, and never forgotten.

A hub that is restored, or that lies, offers a run again. Beginning it again would
spend a second use of every owner. What is written here outlives both.
"""

from __future__ import annotations

import os
from pathlib import Path

from cleanroom.contract.places import run_directory
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.identity.private_files import (
    make_private_directory,
    read_private_file,
    write_new_private_file,
)
from cleanroom.kernel.files import PRIVATE_FILE, sync_directory, write_atomic
from cleanroom.kernel.record import dataclass

_ENDED = b"ended\n"
_MAX_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The runs of one room that began here.

    Attributes:
        directory: One small file a run.
    """

    directory: Path

    def begin(self, run: str, *, lease: int) -> bool:
        """Write down that a run begins; false if it began before.

        Raises:
            UnavailableError: The disk refuses; then nothing may begin.
        """
        try:
            make_private_directory(self.directory)
            write_new_private_file(self._file(run), f"{lease}\n".encode())
            sync_directory(self.directory)
        except FileExistsError:
            return False
        except OSError as error:
            raise UnavailableError(
                f"runner: cannot write down that a run begins: {os.strerror(error.errno or 0)}",
                code="runner.journal",
                hint="free some space on the runner's disk",
            ) from None
        return True

    def forget(self, run: str) -> None:
        """Let a run begin again: it ended before any key was asked for."""
        self._file(run).unlink(missing_ok=True)

    def end(self, run: str) -> None:
        """Write down that nothing is left to be done about a run.

        Raises:
            UnavailableError: The disk refuses.
        """
        write_atomic(self._file(run), _ENDED, mode=PRIVATE_FILE)

    def unfinished(self) -> dict[str, int]:
        """Return the runs that began and did not end, with the number of their lease."""
        found = {}
        for path in sorted(self.directory.glob("*")) if self.directory.is_dir() else ():
            data = read_private_file(path, limit=_MAX_BYTES)
            if data != _ENDED and not path.name.startswith("."):
                found[path.name] = _lease(data)
        return found

    def _file(self, run: str) -> Path:
        return self.directory / run_directory(run).removeprefix("runs/")


def _lease(data: bytes) -> int:
    text = data.removesuffix(b"\n")
    if not text.isdigit():
        raise MalformedError("runner: its journal was changed", code="runner.journal")
    return int(text)
