# SPDX-License-Identifier: Apache-2.0
"""Which runs did this runner begin, and for which were keys asked for? That is never forgotten.

A hub that is restored, or that lies, offers a run again. Asking for keys again would
spend a second use of every owner. What is written here outlives both. A run that began
and asked for nothing can begin again, here or elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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

_BEGUN, _ASKED = b"begun", b"asked"
_ENDED = b"ended\n"
_MAX_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that an earlier life of this runner did not finish.

    Attributes:
        lease: Number of the lease that it held.
        asked: Whether keys may have been asked for.
    """

    lease: int
    asked: bool


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
            self._write_new(self._file(run), _line(_BEGUN, lease))
        except FileExistsError:
            return False
        except OSError as error:
            raise UnavailableError(
                f"runner: cannot write down that a run begins: {os.strerror(error.errno or 0)}",
                code="runner.journal",
                hint="free some space on the runner's disk",
            ) from None
        return True

    def ask(self, run: str, *, lease: int) -> None:
        """Write down that keys are asked for from now on.

        Raises:
            UnavailableError: The disk refuses; then none may be asked for.
        """
        write_atomic(self._file(run), _line(_ASKED, lease), mode=PRIVATE_FILE)

    def forget(self, run: str) -> None:
        """Let a run begin again: it ended before any key was asked for."""
        # If the disk refuses, it begins elsewhere, and here after the next start.
        with contextlib.suppress(OSError):
            self._file(run).unlink()

    def end(self, run: str) -> None:
        """Write down that nothing is left to be done about a run.

        Raises:
            UnavailableError: The disk refuses.
        """
        write_atomic(self._file(run), _ENDED, mode=PRIVATE_FILE)

    def unfinished(self) -> dict[str, Unfinished]:
        """Return the runs that began and did not end."""
        found = {}
        for path in sorted(self.directory.glob("[!.]*")) if self.directory.is_dir() else ():
            data = read_private_file(path, limit=_MAX_BYTES)
            if data != _ENDED:
                found[path.name] = _unfinished(data)
        return found

    def _write_new(self, path: Path, data: bytes) -> None:
        # Whole or absent, like a rename, and unlike one it takes no other's place.
        whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            write_new_private_file(whole, data)
            path.hardlink_to(whole)
        finally:
            whole.unlink(missing_ok=True)
        sync_directory(self.directory)

    def _file(self, run: str) -> Path:
        return self.directory / run_directory(run).removeprefix("runs/")


def _line(word: bytes, lease: int) -> bytes:
    return b"%s %d\n" % (word, lease)


def _unfinished(data: bytes) -> Unfinished:
    word, _, number = data.removesuffix(b"\n").partition(b" ")
    if word not in (_BEGUN, _ASKED) or not number.isdigit():
        raise MalformedError("runner: its journal was changed", code="runner.journal")
    return Unfinished(lease=int(number), asked=word == _ASKED)
