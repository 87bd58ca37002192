# SPDX-License-Identifier: Apache-2.0
"""End a server together with whoever started it.

A starter that is killed cannot stop its children any more, but the kernel closes
its end of their standard input.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_CHUNK_BYTES = 4096


def end_with_stdin() -> None:
    """Ask this process to end, as by SIGTERM, once standard input is closed."""
    threading.Thread(target=_wait_and_end, args=(sys.stdin.fileno(),), daemon=True).start()


def _wait_and_end(descriptor: int) -> None:
    while os.read(descriptor, _CHUNK_BYTES):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
