# SPDX-License-Identifier: Apache-2.0
"""What a confined child may ask of the kernel once its libraries are loaded.

Everything absent is refused with EPERM: sockets of any family (a network namespace
does not hold AF_VSOCK, the way out of an enclave), new processes and programs, files
for writing, memory that outlives limits, tracing, namespaces, keys, BPF, io_uring.
"""

from __future__ import annotations

import errno

from cleanroom.runner.sandbox.bpf import Condition, Flags, NotAll, Null, OneOf, Rules

# Reading and writing descriptors that it was given, memory, time, itself, threads, and
# waiting for several of its own descriptors (the engine of polars does).
_PLAIN = frozenset(
    {
        "access",
        "brk",
        "clock_getres",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "dup",
        "epoll_create1",
        "epoll_ctl",
        "epoll_pwait",
        "epoll_wait",
        "eventfd2",
        "exit",
        "exit_group",
        "faccessat",
        "faccessat2",
        "fstat",
        "futex",
        "getcwd",
        "getdents64",
        "getegid",
        "geteuid",
        "getgid",
        "getpid",
        "getppid",
        "getrandom",
        "getrlimit",
        "getrusage",
        "gettid",
        "gettimeofday",
        "getuid",
        "lseek",
        "lstat",
        "madvise",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "poll",
        "ppoll",
        "pread64",
        "preadv",
        "pselect6",
        "pwrite64",
        "read",
        "readlink",
        "readlinkat",
        "readv",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_getaffinity",
        "sched_yield",
        "select",
        "set_robust_list",
        "sigaltstack",
        "stat",
        "statx",
        "sysinfo",
        "time",
        "uname",
        "write",
        "writev",
    }
)

# The kernel counts these for all processes together: free memory, load, and pages that
# others spared it. Parts of an analysis must not hear of each other.
_COUNTED_TOGETHER = frozenset({"getrusage", "sysinfo"})
_CLOCKS = frozenset({"clock_getres", "clock_gettime", "clock_nanosleep"})

_WHOLE = 0xFFFFFFFF
# asm-generic/fcntl.h: any write mode, O_CREAT, O_TRUNC, O_APPEND, O_PATH, __O_TMPFILE.
_NOT_READING = 0o3 | 0o100 | 0o1000 | 0o2000 | 0o10000000 | 0o20000000
# linux/sched.h
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag, CLONE_NEWTIME included
# Its inode has a number that the kernel counts for all processes, whatever their namespace.
_CLONE_PIDFD = 0x1000
# asm-generic/mman-common.h
_PROT_WRITE, _PROT_EXEC = 0x2, 0x4
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_GROWSDOWN, _MAP_HUGETLB = 0x01, 0x20, 0x100, 0x40000
# What libraries that manage memory ask for; others evict or merge pages that processes share.
_ADVICE = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17)
# linux/futex.h: waiting, waking, requeueing, and both with a set of bits, of this process alone,
# until some time of either clock. Not the locks that name their holder: the kernel looks that
# thread up among all, and says whether there is one.
_FUTEX_PRIVATE, _FUTEX_REALTIME = 128, 256
_FUTEX_OPERATIONS = tuple(_FUTEX_PRIVATE | operation for operation in (9, 0, 1, 3, 4, 5, 10))
_FUTEX_TIMED = tuple(_FUTEX_PRIVATE | _FUTEX_REALTIME | operation for operation in (9, 0))
_NO_FIXED_CLOCK = 0xFFFFFFF0  # linux/time.h numbers them below 16; others are processes' clocks
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL = 0, 1, 2, 3, 4
_F_DUPFD_CLOEXEC, _F_GET_SEALS = 1030, 1034
_TCGETS, _FIONREAD, _FIOCLEX = 0x5401, 0x541B, 0x5451
_PR_SET_NAME, _PR_GET_NAME, _PR_GET_SECCOMP = 15, 16, 21
_PR_GET_NO_NEW_PRIVS, _PR_SET_VMA = 39, 0x53564D41


def child_rules(*, others_code: bool = False) -> Rules:
    """Return the rules of a confined child.

    Args:
        others_code: Whether code that somebody else wrote runs in it.
    """
    reading = Flags(argument=1, mask=_NOT_READING, value=0)
    limited: dict[str, tuple[Condition, ...]] = {
        # The commonest first: the kernel compares from the top.
        "mmap": (
            # Shared anonymous memory escapes RLIMIT_DATA: 6 GB were taken that way.
            NotAll(argument=3, mask=_MAP_SHARED | _MAP_ANONYMOUS),
            # So does what grows downwards: the kernel takes it for a stack.
            # And of pages from the machine's one pool others see how many are left.
            Flags(argument=3, mask=_MAP_GROWSDOWN | _MAP_HUGETLB, value=0),
            NotAll(argument=2, mask=_PROT_WRITE | _PROT_EXEC),
        ),
        "mprotect": (Flags(argument=2, mask=_PROT_EXEC, value=0),),
        "openat": (Flags(argument=2, mask=_NOT_READING, value=0),),
        "open": (reading,),
        "fcntl": (
            OneOf(
                argument=1,
                values=(
                    _F_DUPFD,
                    _F_GETFD,
                    _F_SETFD,
                    _F_GETFL,
                    _F_SETFL,
                    _F_DUPFD_CLOEXEC,
                    _F_GET_SEALS,
                ),
            ),
        ),
        "ioctl": (OneOf(argument=1, values=(_TCGETS, _FIONREAD, _FIOCLEX)),),
        # Threads only, and none in a namespace of its own.
        "clone": (
            Flags(
                argument=0,
                mask=_CLONE_THREAD | _CLONE_NEW | _CLONE_PIDFD,
                value=_CLONE_THREAD,
            ),
        ),
        "prctl": (
            OneOf(
                argument=0,
                values=(
                    _PR_SET_NAME,
                    _PR_GET_NAME,
                    _PR_GET_SECCOMP,
                    _PR_GET_NO_NEW_PRIVS,
                    _PR_SET_VMA,
                ),
            ),
        ),
        # Looking at its own limits is fine; setting them, or those of others, is not.
        "prlimit64": (Flags(argument=0, mask=_WHOLE, value=0), Null(argument=2)),
    }
    if others_code:
        limited |= _apart()
    return Rules(
        plain=_PLAIN - _COUNTED_TOGETHER - limited.keys() if others_code else _PLAIN,
        limited=limited,
        # The C library falls back to calls whose arguments a filter can see, and to one that
        # does not say whether somebody has read these pages before.
        answered={"clone3": errno.ENOSYS, "openat2": errno.ENOSYS, "preadv2": errno.ENOSYS},
        refused=errno.EPERM,
        # Whoever joins a thread waits without the flag, and asks again after this answer.
        limited_errors={"futex": errno.EAGAIN},
    )


def _apart() -> dict[str, tuple[Condition, ...]]:
    """Return the rules that keep parts of an analysis from meeting in the kernel.

    Two processes that map one file, such as the interpreter itself, can wait for and wake
    each other at any place of it. And whoever knows a process can read what it computed
    from its clock, or see whether it still runs.
    """
    own = Flags(argument=0, mask=_WHOLE, value=0)
    fixed = Flags(argument=0, mask=_NO_FIXED_CLOCK, value=0)
    return {
        "futex": (OneOf(argument=1, values=(*_FUTEX_OPERATIONS, *_FUTEX_TIMED)),),
        # Of another process this tells whether there is one.
        "sched_getaffinity": (own,),
        "madvise": (OneOf(argument=2, values=_ADVICE),),
        **dict.fromkeys(sorted(_CLOCKS), (fixed,)),
    }
