# SPDX-License-Identifier: Apache-2.0
"""Attempts on the kernel: privileges, namespaces, and interfaces where defects were found."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import resource
from pathlib import Path

from cleanroom.runner.sandbox import kernel
from cleanroom.runner.sandbox.escapes.world import World, attempts
from cleanroom.runner.sandbox.kernel import libc

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_DETACH = 2
_X32 = 0x40000000
_GETPID_X86_64 = 39
# mov eax, 20 (getpid of 32-bit x86); int 0x80; ret
_OLD_CALL = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
_NUMBERS = {
    "x86_64": {
        "bpf": 321,
        "perf": 298,
        "uffd": 323,
        "key": 250,
        "add_key": 248,
        "shm": 29,
        "queue": 240,
    },
    "aarch64": {
        "bpf": 280,
        "perf": 241,
        "uffd": 282,
        "key": 219,
        "add_key": 217,
        "shm": 194,
        "queue": 180,
    },
}


def _called(*arguments: object) -> bool:
    """Tell whether the kernel let a call in; a wrong argument means that it did."""
    ctypes.set_errno(0)
    result = libc().syscall(*arguments)
    return bool(result >= 0) or ctypes.get_errno() in (errno.EINVAL, errno.EFAULT, errno.E2BIG)


def _numbered(name: str, *arguments: object) -> bool:
    return _called(_NUMBERS[platform.machine()][name], *arguments)


def _old_call(_: World) -> bool:
    if platform.machine() != "x86_64":
        return False
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(_OLD_CALL)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return bool(ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0)


def _second_table(_: World) -> bool:
    return platform.machine() == "x86_64" and bool(libc().syscall(_X32 | _GETPID_X86_64) > 0)


def _undo_filter(_: World) -> bool:
    return 0 in (libc().prctl(22, 0, 0, 0, 0), libc().prctl(38, 0, 0, 0, 0))


def _dumpable(_: World) -> bool:
    return bool(kernel.prctl(kernel.PR_SET_DUMPABLE, 1) == 0)


def _namespace(world: World) -> bool:
    handle = os.open(f"/proc/{world.runner}/ns/mnt", os.O_RDONLY)
    return bool(libc().setns(handle, 0) == 0)


def _mount(world: World) -> bool:
    place = Path(world.directory) / "mounted"
    place.mkdir(exist_ok=True)
    mounted = bool(libc().mount(b"none", bytes(place), b"tmpfs", 0, None) == 0)
    libc().umount2(bytes(place), _DETACH)
    return mounted


def _become_root(_: World) -> bool:
    os.setresuid(0, 0, 0)
    return True


def _raise_limits(_: World) -> bool:
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most // 2, most))
    return True


def _capabilities(_: World) -> bool:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    return bool(libc().capset(header, sets) == 0)


def _personality(_: World) -> bool:
    return bool(libc().personality(ctypes.c_ulong(0xFFFFFFFF)) >= 0)


def _adopts(_: World) -> bool:
    return bool(libc().prctl(36, 1, 0, 0, 0) == 0)


def _type_ahead(_: World) -> bool:
    terminal = os.open("/dev/tty", os.O_RDWR)
    return bool(libc().ioctl(terminal, 0x5412, b"x") == 0)


KERNEL = attempts(
    "kernel",
    ("make a user namespace", lambda _: libc().unshare(_NEW_USER) == 0),
    ("make a network namespace", lambda _: libc().unshare(_NEW_NET) == 0),
    ("enter the runner's namespace", _namespace),
    ("mount a file system", _mount),
    ("make another root", lambda _: libc().chroot(b"/") == 0),
    ("open a tree of mounts", lambda _: _called(428, -100, b"/", 1)),
    ("open with openat2", lambda _: _called(437, -100, b"/", None, 0)),
    ("set up io_uring", lambda _: _called(425, 1, None)),
    ("load a BPF program", lambda _: _numbered("bpf", 0, None, 0)),
    ("count events of processors", lambda _: _numbered("perf", None, 0, -1, -1, 0)),
    ("handle page faults", lambda _: _numbered("uffd", 1)),
    ("look at the kernel's keys", lambda _: _numbered("key", 0, -3, 1)),
    ("add a key to the kernel", lambda _: _numbered("add_key", b"user", b"x", b"x", 1, -1)),
    ("share memory with others (System V)", lambda _: _numbered("shm", 0, 4096, 0o1600)),
    ("open a message queue", lambda _: _numbered("queue", b"cleanroom", 0o102, 0o600, None)),
    ("make a 32-bit call", _old_call),
    ("make a call of the second table", _second_table),
    ("take the filter off", _undo_filter),
    ("become traceable again", _dumpable),
    ("become root", _become_root),
    ("change its own limits", _raise_limits),
    ("change its capabilities", _capabilities),
    ("type into a terminal", _type_ahead),
    ("ask for another personality", _personality),
    ("adopt orphaned processes", _adopts),
    ("make a file system", lambda _: _called(430, b"tmpfs", 0)),
    ("set the clock", lambda _: libc().clock_settime(0, None) == 0),
    (
        "rename the host",
        lambda _: libc().sethostname(platform.node().encode(), len(platform.node())) == 0,
    ),
    ("read the kernel's log", lambda _: libc().klogctl(3, ctypes.create_string_buffer(64), 64) > 0),
)
