# SPDX-License-Identifier: Apache-2.0
"""Attempts to meet another process: parts of an analysis must not tell each other anything.

None of these reaches data. Each would let code that saw one person's rows say so to the
same code where others' rows are, which could then speak for them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import struct
import time

from cleanroom.runner.sandbox.escapes.world import World, attempts
from cleanroom.runner.sandbox.kernel import libc

_WAIT, _WAKE = 0, 1
_TRY_LOCK, _PRIVATE = 8, 128  # FUTEX_TRYLOCK_PI, of this process alone
_PROCESSOR_CLOCK = 2
_AT_ONCE = 8  # RWF_NOWAIT
_PAGE = mmap.PAGESIZE
_MERGE, _AWAY = 12, 21  # MADV_MERGEABLE, MADV_PAGEOUT
# linux/sched.h: a thread of this process, and a descriptor of it.
_DESCRIBED_THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x1000
_NUMBERS = {
    "x86_64": {"futex": 202, "cached": 27, "lock": 73, "rules": 317},
    "aarch64": {"futex": 98, "cached": 232, "lock": 32, "rules": 277},
}


def _number(name: str) -> int:
    return _NUMBERS[platform.machine()][name]


def _common_page() -> int:
    """Map a page of a file that every such process has, and return where it lies."""
    file = os.open(ctypes.__file__, os.O_RDONLY)
    libc().mmap.restype = ctypes.c_void_p
    address = libc().mmap(None, _PAGE, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    os.close(file)
    return int(address)


def _wakes(_: World) -> bool:
    place = ctypes.c_void_p(_common_page())
    return bool(libc().syscall(_number("futex"), place, _WAKE, 1, None, None, 0) >= 0)


def _waits(_: World) -> bool:
    address = _common_page()
    word = ctypes.c_uint32.from_address(address).value
    patience = ctypes.create_string_buffer(struct.pack("=qq", 0, 1_000_000))
    place = ctypes.c_void_p(address)
    libc().syscall(_number("futex"), place, _WAIT, word, patience, None, 0)
    return ctypes.get_errno() == errno.ETIMEDOUT


def _held_by(world: World) -> bool:
    # A lock says who holds it, and the kernel looks that thread up among all.
    word = ctypes.c_uint32(world.runner)
    ctypes.set_errno(0)
    operation = _TRY_LOCK | _PRIVATE
    libc().syscall(_number("futex"), ctypes.byref(word), operation, 0, None, None, 0)
    # It marks the word before it looks, and says so if there is no such thread.
    return ctypes.get_errno() != errno.ESRCH and word.value != world.runner


def _many(_: World) -> bool:
    # struct futex_waitv: value, address, flags of a 32-bit word that processes share.
    address = _common_page()
    word = ctypes.c_uint32.from_address(address).value
    waiter = ctypes.create_string_buffer(struct.pack("=QQII", word ^ 1, address, 2, 0))
    libc().syscall(449, waiter, 1, 0, None, 1)
    return ctypes.get_errno() == errno.EAGAIN  # it compared the word


def _woken_anew(_: World) -> bool:
    return bool(libc().syscall(454, ctypes.c_void_p(_common_page()), 1, 1, 2) >= 0)


def _clock(world: World) -> bool:
    return time.clock_gettime((~world.runner << 3) | _PROCESSOR_CLOCK) > 0


def _system(_: World) -> bool:
    return bool(libc().sysinfo(ctypes.create_string_buffer(_PAGE)) == 0)


def _spared(_: World) -> bool:
    return bool(libc().getrusage(0, ctypes.create_string_buffer(_PAGE)) == 0)


def _groups(_: World) -> bool:
    with os.scandir("/sys/fs/cgroup") as entries:
        return any(entries)


def _read_before(_: World) -> bool:
    space = ctypes.create_string_buffer(_PAGE)
    with open(ctypes.__file__, "rb") as file:  # noqa: PTH123 - a descriptor is needed
        into = (ctypes.c_void_p * 2)(ctypes.addressof(space), _PAGE)
        return bool(libc().preadv2(file.fileno(), into, 1, ctypes.c_long(0), _AT_ONCE) >= 0)


def _in_memory(_: World) -> bool:
    found = ctypes.create_string_buffer(1)
    place = ctypes.c_void_p(_common_page())
    return bool(libc().syscall(_number("cached"), place, _PAGE, found) == 0)


def _cached(_: World) -> bool:
    counts, whole = ctypes.create_string_buffer(64), struct.pack("=QQ", 0, 0)
    with open(ctypes.__file__, "rb") as file:  # noqa: PTH123 - likewise
        return bool(libc().syscall(451, file.fileno(), whole, counts, 0) == 0)


def _locks(_: World) -> bool:
    with open(ctypes.__file__, "rb") as file:  # noqa: PTH123 - likewise
        return bool(libc().syscall(_number("lock"), file.fileno(), fcntl.LOCK_SH) == 0)


def _locks_part(_: World) -> bool:
    with open(ctypes.__file__, "rb") as file:  # noqa: PTH123 - likewise
        fcntl.lockf(file, fcntl.LOCK_SH)
        return True


def _lease(_: World) -> bool:
    with open(ctypes.__file__, "rb") as file:  # noqa: PTH123 - likewise
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        return True


def _watches(_: World) -> bool:
    handle = libc().inotify_init1(0)
    return bool(libc().inotify_add_watch(handle, ctypes.__file__.encode(), 0x20) >= 0)


def _numbered(_: World) -> bool:
    # The inode of such a descriptor has a number that grows with every process and thread
    # of the machine, in whatever namespace.
    stack, found = ctypes.create_string_buffer(1 << 16), ctypes.c_int(-1)
    top = (ctypes.addressof(stack) + len(stack)) & ~15
    work = ctypes.cast(libc().getppid, ctypes.c_void_p)
    libc().clone(work, ctypes.c_void_p(top), _DESCRIBED_THREAD, None, ctypes.byref(found))
    return os.fstat(found.value).st_ino > 0


def _merges(_: World) -> bool:
    memory = mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return bool(libc().madvise(ctypes.c_void_p(address), ctypes.c_size_t(_PAGE), _MERGE) == 0)


def _evicts(_: World) -> bool:
    place = ctypes.c_void_p(_common_page())
    return bool(libc().madvise(place, ctypes.c_size_t(_PAGE), _AWAY) == 0)


def _pipe(_: World) -> bool:
    return all(end >= 0 for end in os.pipe())


def _pins(_: World) -> bool:
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    return True


def _pinned(world: World) -> bool:
    return bool(os.sched_getaffinity(world.runner))


def _scheduled(world: World) -> bool:
    return os.sched_getscheduler(world.runner) >= 0


def _space(_: World) -> bool:
    return os.statvfs(ctypes.__file__).f_blocks >= 0


def _steered(_: World) -> bool:
    return bool(libc().adjtimex(ctypes.create_string_buffer(_PAGE)) >= 0)


def _pipe_size(world: World) -> bool:
    return fcntl.fcntl(world.answer, fcntl.F_GETPIPE_SZ) > 0


def _sent(world: World) -> bool:
    return os.sendfile(world.answer, world.table, 0, 0) == 0


def _written_back(world: World) -> bool:
    os.fsync(world.table)
    return True


def _group(_: World) -> bool:
    return os.getpgid(0) >= 0 and os.getsid(0) >= 0


def _alarm(_: World) -> bool:
    return signal.setitimer(signal.ITIMER_REAL, 60) is not None


def _listens(_: World) -> bool:
    return bool(libc().syscall(_number("rules"), 1, 1 << 3, None) == -1) and (
        ctypes.get_errno() == errno.EFAULT  # it looked for the rules
    )


OTHERS = attempts(
    "others",
    ("wake whoever waits at a place of a common file", _wakes),
    ("wait at a place of a common file", _waits),
    ("wait at several such places", _many),
    ("wake with the newer call", _woken_anew),
    ("read the processor time of another process", _clock),
    ("ask what all processes use of the machine", _system),
    ("ask what others spared it", _spared),
    ("look into control groups", _groups),
    ("learn whether others have read a page", _read_before),
    ("learn which pages are in memory", _in_memory),
    ("count cached pages of a file", _cached),
    ("lock a file", _locks),
    ("lock a part of a file", _locks_part),
    ("take a lease of a file", _lease),
    ("watch a file", _watches),
    ("read a number that grows with every process", _numbered),
    ("have its memory merged with that of others", _merges),
    ("put a page away that others read", _evicts),
    ("make a pipe", _pipe),
    ("choose its processors", _pins),
    ("ask where another process may run", _pinned),
    ("ask how another process is scheduled", _scheduled),
    ("learn by a lock whether another process runs", _held_by),
    ("ask how full a file system is", _space),
    ("ask how the clock is steered", _steered),
    ("ask how large its pipe is", _pipe_size),
    ("hand a table on inside the kernel", _sent),
    ("wait until the disk has a file", _written_back),
    ("ask for its group and session", _group),
    ("set an alarm", _alarm),
    ("hand its calls to somebody who listens", _listens),
)
