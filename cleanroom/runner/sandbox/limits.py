# SPDX-License-Identifier: Apache-2.0
"""What a child may use of memory, processor, files and disk, held by the kernel."""

from __future__ import annotations

import resource

from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass

_STACK_BYTES = 8 * MIB
_GRACE_SECONDS = 1  # between the signal that can be caught and the one that cannot


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one child may use.

    Attributes:
        memory_bytes: Private memory. Inputs that it shares with the runner read-only do
            not count, so a table of a gigabyte fits under any limit.
        processor_seconds: Time of all its threads together.
        file_bytes: Greatest size of the one file that it may write, 0 where there is none.
        descriptors: Open files.
        tasks: Threads and processes of its user, or 0 where others may share the user.
    """

    memory_bytes: int
    processor_seconds: int
    file_bytes: int
    descriptors: int
    tasks: int


def apply_limits(limits: ChildLimits) -> None:
    """Hold this process to the limits; they cannot be raised again.

    Memory is RLIMIT_DATA and not RLIMIT_AS: address space says nothing about memory.
    What it does not count, shared anonymous memory, the system call rules refuse.

    Raises:
        OSError: The host allows less already than is asked for.
    """
    wanted = {
        resource.RLIMIT_CORE: 0,  # a core file would hold rows
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: _STACK_BYTES,
    }
    if limits.tasks:
        wanted[resource.RLIMIT_NPROC] = limits.tasks
    for kind, most in wanted.items():
        _set(kind, most)
    _, allowed = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = _least(limits.processor_seconds, allowed)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, _least(seconds + _GRACE_SECONDS, allowed)))


def _set(kind: int, most: int) -> None:
    _, allowed = resource.getrlimit(kind)
    least = _least(most, allowed)
    resource.setrlimit(kind, (least, least))


def _least(wanted: int, allowed: int) -> int:
    return wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)
