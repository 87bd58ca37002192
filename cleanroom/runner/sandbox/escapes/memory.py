# SPDX-License-Identifier: Apache-2.0
"""Attempts on memory, on inputs, on limits, and on what the child was not told."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import sys
import time

from cleanroom.runner.sandbox.escapes.world import SECRET, Control, World, attempts
from cleanroom.runner.sandbox.kernel import libc

_HUGE = 6 << 30
_PAGE = mmap.PAGESIZE
_FLOOD = 200 << 20
_DOWNWARDS = 0x100  # MAP_GROWSDOWN
_UNRESERVED = 0x4000  # MAP_NORESERVE
_TEBIBYTE = 1 << 40
_HUGE_PAGES = 0x40000  # MAP_HUGETLB


def _heap(_: World) -> bool:
    libc().malloc.restype = ctypes.c_void_p
    return bool(libc().malloc(ctypes.c_size_t(_HUGE)))


def _shared(_: World) -> bool:
    return bool(mmap.mmap(-1, _HUGE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))


def _stack(_: World) -> bool:
    return bool(mmap.mmap(-1, _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _DOWNWARDS))


def _addresses(_: World) -> bool:
    # Nothing is counted for them, and reading one in each 2 MiB takes a page of the kernel.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _UNRESERVED
    return bool(mmap.mmap(-1, _TEBIBYTE, flags=flags, prot=mmap.PROT_READ))


def _read_first(_: World) -> bool:
    # What only can be read counts for no limit until it can be written.
    memory = libc().mmap
    memory.restype = ctypes.c_void_p
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _UNRESERVED
    size, both = ctypes.c_size_t(_HUGE), mmap.PROT_READ | mmap.PROT_WRITE
    place = ctypes.c_void_p(memory(None, size, mmap.PROT_READ, flags, -1, ctypes.c_long(0)))
    return bool(libc().mprotect(place, size, both) == 0)


def _grown(_: World) -> bool:
    mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).resize(_HUGE)
    return True


def _break(_: World) -> bool:
    libc().sbrk.restype = ctypes.c_ssize_t
    return bool(libc().sbrk(ctypes.c_ssize_t(_HUGE)) != -1)


def _copy_of_table(world: World) -> bool:
    both = mmap.PROT_READ | mmap.PROT_WRITE
    libc().mmap.restype = ctypes.c_ssize_t
    size, flags = ctypes.c_size_t(_HUGE), mmap.MAP_PRIVATE | _UNRESERVED
    return bool(libc().mmap(None, size, both, flags, world.table, ctypes.c_long(0)) != -1)


def _huge_pages(_: World) -> bool:
    # There is one pool of them; how many are left is what others did not take.
    libc().mmap.restype = ctypes.c_ssize_t
    flags, size = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _HUGE_PAGES, ctypes.c_size_t(1 << 21)
    ctypes.set_errno(0)
    taken = libc().mmap(None, size, mmap.PROT_READ, flags, -1, ctypes.c_long(0)) != -1
    return taken or ctypes.get_errno() == errno.ENOMEM  # it looked


def _both(_: World) -> bool:
    return bool(mmap.mmap(-1, _PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))


def _executable(_: World) -> bool:
    memory = mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return bool(
        libc().mprotect(ctypes.c_void_p(address), _PAGE, mmap.PROT_READ | mmap.PROT_EXEC) == 0
    )


def _memory_file(_: World) -> bool:
    return os.memfd_create("escape") >= 0


def _write_table(world: World) -> bool:
    return bool(mmap.mmap(world.table, _PAGE, flags=mmap.MAP_SHARED, prot=mmap.PROT_WRITE))


def _unlock_table(world: World) -> bool:
    memory = mmap.mmap(world.table, _PAGE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    # A read-only buffer gives ctypes no address; the C library's own view does.
    libc().mmap.restype = ctypes.c_void_p
    address = libc().mmap(None, _PAGE, mmap.PROT_READ, mmap.MAP_SHARED, world.table, 0)
    memory.close()
    both = mmap.PROT_READ | mmap.PROT_WRITE
    return bool(libc().mprotect(ctypes.c_void_p(address), _PAGE, both) == 0)


def _cut_table(world: World) -> bool:
    os.ftruncate(world.table, 0)
    return True


def _reopen_table(world: World) -> bool:
    return os.write(os.open(f"/proc/self/fd/{world.table}", os.O_RDWR), b"x") > 0


def _lock_memory(_: World) -> bool:
    memory = ctypes.create_string_buffer(1 << 20)
    return bool(libc().mlock(memory, len(memory)) == 0)


def _loop(_: World) -> None:
    while True:
        pass


def _stubborn_loop(world: World) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    _loop(world)


def _sleep(_: World) -> bool:
    time.sleep(3600)
    return True


def _flood(world: World) -> bool:
    left = _FLOOD
    while left > 0:
        left -= os.write(world.answer, bytes(1 << 20))
    return True


def _environment(_: World) -> bool:
    return SECRET in repr(os.environ)


def _command_line(_: World) -> bool:
    return SECRET in repr(sys.orig_argv)


def _inherited(world: World) -> bool:
    return SECRET.encode() in os.pread(world.secret_descriptor, len(SECRET), 0)


MEMORY = attempts(
    "memory",
    ("take 6 GiB", _heap),
    ("take 6 GiB that no limit counts", _shared),
    ("take 6 GiB as another stack", _stack),
    ("take a tebibyte of addresses", _addresses),
    ("take 6 GiB to read, then write to them", _read_first),
    ("let a page grow to 6 GiB", _grown),
    ("take 6 GiB as its heap", _break),
    ("take 6 GiB as its copy of a table", _copy_of_table),
    ("take of the machine's huge pages", _huge_pages),
    ("write and execute the same memory", _both),
    ("execute what it wrote", _executable),
    ("make a file in memory", _memory_file),
    ("keep memory from being swapped", _lock_memory),
    ("write to a table", _write_table),
    ("make a table writable", _unlock_table),
    ("cut a table", _cut_table),
    ("overwrite a table", lambda world: os.pwrite(world.table, b"x", 0) > 0),
    ("open a table again for writing", _reopen_table),
)
LIMITS = attempts(
    "limits",
    ("loop for ever", _loop, Control.WOULD_HARM),
    ("loop and ignore the signal", _stubborn_loop, Control.WOULD_HARM),
    ("sleep for ever", _sleep, Control.WOULD_HARM),
    ("answer 200 MiB", _flood, Control.WOULD_HARM),
)
INSIDE = attempts(
    "inside",
    ("find a secret of the runner in the environment", _environment),
    ("find a secret of the runner in the command line", _command_line),
    ("use an open file that it was not given", _inherited),
)
