# SPDX-License-Identifier: Apache-2.0
"""``python -m cleanroom.server``: one party's broker as a process of its own.

The passphrase comes over a file descriptor, never through arguments or the
environment, which other processes can read. One line on standard output, the
address, says that requests are answered.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.identity.profile import load_profile, unlock_seeds
from cleanroom.server.profile_broker import serve_profile

MAX_PASSPHRASE_BYTES = 1024


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    arguments = _arguments()
    try:
        profile = load_profile(arguments.config, arguments.profile)
        seeds = unlock_seeds(profile, _read_passphrase(arguments.passphrase_fd))
        serve_profile(profile, seeds, started=_say)
    except CleanroomError as error:
        hint = f"hint: {error.hint}\n" if error.hint else ""
        sys.stderr.write(f"error: {error.message}\n{hint}")
        return error.exit_code
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cleanroom.server", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="directory of profiles")
    parser.add_argument("--profile", required=True, help="whose broker to serve")
    parser.add_argument(
        "--passphrase-fd", type=int, required=True, help="open descriptor with the passphrase"
    )
    return parser.parse_args()


def _read_passphrase(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_PASSPHRASE_BYTES + 1)
    passphrase = data.removesuffix(b"\n")
    if not passphrase or len(data) > MAX_PASSPHRASE_BYTES:
        raise MalformedError(
            f"passphrase: empty, or longer than {MAX_PASSPHRASE_BYTES} bytes",
            code="passphrase.length",
        )
    return passphrase


def _say(address: str) -> None:
    sys.stdout.write(address + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
