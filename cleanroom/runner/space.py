# SPDX-License-Identifier: Apache-2.0
"""Make sure that a room can take a result before anything is spent on it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cleanroom.errors import UnavailableError
from cleanroom.kernel.limits import MIB

# A receipt, and a sealed result of an ordinary size; a larger one may still find no room.
SPACE_BYTES = MIB


def require_space(directory: Path, *, run: str) -> None:
    """Take the space of a receipt and a result in a run's directory, and give it back.

    Otherwise a full disk would be found when all owners have countersigned: every attempt would
    cost a use and leave nothing to read.

    Args:
        directory: Of the run.
        run: Its name.

    Raises:
        UnavailableError: The room cannot be written, or has no such space.
    """
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, SPACE_BYTES)
    except OSError as error:
        raise UnavailableError(
            f"runs/{run}: no space for a result: {os.strerror(error.errno or 0)}",
            code="room.space",
            hint="free some space in the room, then run the query again; no use was spent",
        ) from error
