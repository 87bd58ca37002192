# SPDX-License-Identifier: Apache-2.0
"""The few kernel calls that the standard library does not offer, through the C library."""

from __future__ import annotations

import ctypes
import os
import struct

from cleanroom.runner.sandbox.bpf import INSTRUCTION
from cleanroom.runner.sandbox.syscalls import Machine

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_GET_SECCOMP = 21
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
# linux/capability.h
_CAPABILITY_VERSION = 0x20080522
_READ_SEARCH = 1 << 2
# linux/seccomp.h
_SET_MODE_FILTER = 1
_GET_ACTION_AVAIL = 2
_FLAG_TSYNC = 1
_RET_KILL_PROCESS = 0x80000000
FILTERED = 2  # SECCOMP_MODE_FILTER, as PR_GET_SECCOMP answers

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def libc() -> ctypes.CDLL:
    """Return the C library, for the calls of the self-test."""
    return _LIBC


def prctl(option: int, value: int = 0) -> int:
    """Call ``prctl(2)``.

    Raises:
        OSError: The kernel refuses.
    """
    return _checked(_LIBC.prctl(option, value, 0, 0, 0), call="prctl")


def syscall(number: int, *arguments: int | ctypes.c_void_p | None) -> int:
    """Make a system call by its number.

    Raises:
        OSError: The kernel refuses, or does not know it.
    """
    wide = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    return _checked(_LIBC.syscall(ctypes.c_long(number), *wide), call="system call")


def keep_reading() -> None:
    """Leave this thread, of all that root may do, reading what others closed.

    Raises:
        OSError: It may not do that already.
    """
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    # Effective, permitted and inheritable, first of the lower 32 capabilities.
    kept = struct.pack("=6I", _READ_SEARCH, _READ_SEARCH, 0, 0, 0, 0)
    _checked(_LIBC.capset(header, kept), call="capset")


def filter_every_thread(program: bytes, machine: Machine) -> None:
    """Install a BPF program for this thread and every other one (TSYNC).

    Raises:
        OSError: The kernel refuses the program, or a thread has another filter.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // INSTRUCTION.size, ctypes.addressof(buffer))
    where = ctypes.c_void_p(ctypes.addressof(described))
    failed = syscall(machine.numbers["seccomp"], _SET_MODE_FILTER, _FLAG_TSYNC, where)
    if failed:  # the id of a thread that could not follow
        raise OSError("seccomp: not every thread follows")


def can_filter(machine: Machine) -> bool:
    """Tell whether this kernel filters system calls and can end a process by it."""
    action = ctypes.c_uint32(_RET_KILL_PROCESS)
    where = ctypes.c_void_p(ctypes.addressof(action))
    try:
        syscall(machine.numbers["seccomp"], _GET_ACTION_AVAIL, 0, where)
    except OSError:
        return False
    return True


def _checked(result: int, *, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
