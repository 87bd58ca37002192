# SPDX-License-Identifier: Apache-2.0
"""A software TPM as a process of one run: started fresh, gone with the connection.

swtpm (Debian package ``swtpm``) gets one end of a socket pair, so that there is no
path that another program could connect to, and a directory for its state that is
removed afterwards.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from cleanroom.attestation.platforms.tpm.transport import Transport, over
from cleanroom.errors import UnavailableError

PROGRAM = "swtpm"
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"


def find_program(search_path: str = SEARCH_PATH) -> str | None:
    """Return where swtpm is installed, or None."""
    return shutil.which(PROGRAM, path=search_path)


def require_program(search_path: str = SEARCH_PATH) -> str:
    """Return where swtpm is installed.

    Raises:
        UnavailableError: It is not.
    """
    program = find_program(search_path)
    if program is None:
        raise UnavailableError(
            f"software TPM: {PROGRAM} is not installed",
            code="vtpm.no-program",
            hint="install the Debian package swtpm, or let the contract name another platform",
        )
    return program


@contextlib.contextmanager
def software_tpm(search_path: str = SEARCH_PATH) -> Iterator[Transport]:
    """Start a new software TPM and connect to it.

    Raises:
        UnavailableError: swtpm is not installed.
    """
    program = require_program(search_path)
    near, far = socket.socketpair()
    with near, tempfile.TemporaryDirectory(prefix="cleanroom-vtpm-") as state:
        with far:
            process = _start(program, state=state, connection=far)
        try:
            yield over(near)
        finally:
            # Nothing of it is kept, so there is nothing to wait for.
            process.kill()
            process.wait()


def _start(program: str, *, state: str, connection: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a program of the system, found on a fixed path
        [
            *(program, "socket", "--tpm2", "--tpmstate", f"dir={state}"),
            *("--fd", str(connection.fileno()), "--terminate"),
            *("--flags", "not-need-init,startup-clear"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        pass_fds=(connection.fileno(),),
    )
