# SPDX-License-Identifier: Apache-2.0
"""Which number a system call has on which machine.

Source: ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``
of Linux. A name that a machine lacks is absent from its table: aarch64 never had
``open``, ``stat`` and their kind.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType

from cleanroom.kernel.record import dataclass

ABSENT = -1

# The number on x86-64, then on aarch64.
_NUMBERS = {
    "access": (21, ABSENT),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close": (3, 57),
    "dup": (32, 23),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, ABSENT),
    "eventfd2": (290, 19),
    "execve": (59, 221),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "ioctl": (16, 29),
    "landlock_add_rule": (445, 445),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
    "lseek": (8, 62),
    "lstat": (6, ABSENT),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, ABSENT),
    "openat": (257, 56),
    "openat2": (437, 437),
    "poll": (7, ABSENT),
    "ppoll": (271, 73),
    "prctl": (157, 167),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "preadv2": (327, 286),
    "prlimit64": (302, 261),
    "pselect6": (270, 72),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "readlink": (89, ABSENT),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "seccomp": (317, 277),
    "select": (23, ABSENT),
    "set_robust_list": (273, 99),
    "sigaltstack": (131, 132),
    "stat": (4, ABSENT),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, ABSENT),
    "uname": (63, 160),
    "write": (1, 64),
    "writev": (20, 66),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One kind of processor as the kernel's filters see it.

    Attributes:
        name: What ``uname -m`` calls it.
        audit: ``AUDIT_ARCH_*`` of ``linux/audit.h``, which a filter compares first.
        numbers: Number of each system call by name.
        foreign_from: Numbers from here on belong to another calling convention (x32),
            or 0 where there is none.
    """

    name: str
    audit: int
    numbers: MappingProxyType[str, int]
    foreign_from: int


def _machine(name: str, *, audit: int, column: int, foreign_from: int) -> Machine:
    numbers = {call: row[column] for call, row in _NUMBERS.items() if row[column] != ABSENT}
    return Machine(
        name=name, audit=audit, numbers=MappingProxyType(numbers), foreign_from=foreign_from
    )


X86_64 = _machine("x86_64", audit=0xC000003E, column=0, foreign_from=0x40000000)
AARCH64 = _machine("aarch64", audit=0xC00000B7, column=1, foreign_from=0)


def this_machine() -> Machine | None:
    """Return the table of this machine, or nothing where there is none."""
    machines = {machine.name: machine for machine in (X86_64, AARCH64)}
    # A 32-bit interpreter makes the calls of another table.
    wide = sys.maxsize > 1 << 32
    return machines.get(os.uname().machine) if wide else None
