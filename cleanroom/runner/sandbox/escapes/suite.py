# SPDX-License-Identifier: Apache-2.0
"""Every attempt there is, and the child that makes one of them."""

from __future__ import annotations

import sys
from typing import BinaryIO

from cleanroom.runner.sandbox.escapes.files import FILES
from cleanroom.runner.sandbox.escapes.interfaces import INTERFACES
from cleanroom.runner.sandbox.escapes.memory import INSIDE, LIMITS, MEMORY
from cleanroom.runner.sandbox.escapes.network import NETWORK
from cleanroom.runner.sandbox.escapes.others import OTHERS
from cleanroom.runner.sandbox.escapes.privileges import KERNEL
from cleanroom.runner.sandbox.escapes.processes import PROCESSES
from cleanroom.runner.sandbox.escapes.world import decode

ATTEMPTS = (
    *FILES,
    *NETWORK,
    *PROCESSES,
    *KERNEL,
    *INTERFACES,
    *MEMORY,
    *OTHERS,
    *LIMITS,
    *INSIDE,
)

REACHED = b"reached"
BLOCKED = b"blocked"
MAX_WORLD_BYTES = 1 << 16


def work(answer: BinaryIO) -> None:
    """Make the one attempt that standard input names, and say what came of it."""
    name, world = decode(sys.stdin.buffer.read(MAX_WORLD_BYTES), answer=answer.fileno())
    attempt = {attempt.name: attempt for attempt in ATTEMPTS}[name]
    try:
        reached = bool(attempt.run(world))
    except (OSError, MemoryError, RuntimeError, OverflowError, ValueError):
        reached = False
    answer.write(REACHED if reached else BLOCKED)
