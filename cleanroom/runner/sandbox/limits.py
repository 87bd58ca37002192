# SPDX-License-Identifier: Apache-2.0
"""What a child may use of memory, processor, files and disk, held by the kernel."""

from __future__ import annotations

import _thread
import resource

from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass

_STACK_BYTES = 8 * MIB
_GRACE_SECONDS = 1  # between the signal that can be caught and the one that cannot
# Libraries reserve addresses that they never use, and inputs have some.
_MORE_ADDRESSES, _ADDRESSES_A_BYTE = 64 << 30, 16
_TASKS_APART = 1024
_MOST_TASKS = 1 << 22  # PID_MAX_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What one child may use.

    Attributes:
        memory_bytes: Private memory. Inputs that it shares with the runner read-only do
            not count, so a table of a gigabyte fits under any limit.
        processor_seconds: Time of all its threads together.
        file_bytes: Greatest size of the one file that it may write, 0 where there is none.
        descriptors: Open files.
        tasks: Threads and processes of its user, or 0 where others may share the user: then
            some thousand more than there are.
    """

    memory_bytes: int
    processor_seconds: int
    file_bytes: int
    descriptors: int
    tasks: int


def apply_limits(limits: ChildLimits) -> None:
    """Hold this process to the limits; they cannot be raised again.

    Memory is RLIMIT_DATA: address space says nothing about memory. What it does not count,
    shared anonymous memory and what grows downwards, the system call rules refuse. Page
    tables it does not count either, and they take 8 bytes for 4096 addresses.

    Raises:
        OSError: The host allows less already than is asked for.
    """
    wanted = {
        resource.RLIMIT_CORE: 0,  # a core file would hold rows
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_AS: _MORE_ADDRESSES + _ADDRESSES_A_BYTE * limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: _STACK_BYTES,
        resource.RLIMIT_NPROC: limits.tasks or _tasks_beside_others(),
    }
    for kind, most in wanted.items():
        _set(kind, most)
    _, allowed = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = _least(limits.processor_seconds, allowed)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, _least(seconds + _GRACE_SECONDS, allowed)))


def _set(kind: int, most: int) -> None:
    _, allowed = resource.getrlimit(kind)
    least = _least(most, allowed)
    resource.setrlimit(kind, (least, least))


def _tasks_beside_others() -> int:
    """Return how many tasks its user may have where others are the same user.

    The kernel counts tasks of a user and tells nobody how many they are, but that the next
    one would be too many. So others have room for a thousand more, and this process no more
    than two thousand in all: a thread whose stack lies in another one's takes no memory that
    RLIMIT_DATA counts.
    """
    _, allowed = resource.getrlimit(resource.RLIMIT_NPROC)
    for tasks in range(_TASKS_APART, _least(_MOST_TASKS, allowed), _TASKS_APART):
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, allowed))
        if _one_more_starts():
            return tasks + _TASKS_APART
    return _MOST_TASKS


def _one_more_starts() -> bool:
    ran = _thread.allocate_lock()
    ran.acquire()
    try:
        _thread.start_new_thread(ran.release, ())
    except RuntimeError:
        return False
    ran.acquire()
    return True


def _least(wanted: int, allowed: int) -> int:
    return wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)
