# SPDX-License-Identifier: Apache-2.0
"""Attempts on calls that hardly any program makes: each is a part of the kernel less to trust."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct

from cleanroom.runner.sandbox.escapes.world import SECRET, World, attempts
from cleanroom.runner.sandbox.kernel import libc

_ABSENT = -1
_PAGE = mmap.PAGESIZE
# The number on x86-64, then on aarch64.
_NUMBERS = {
    "arch_prctl": (158, _ABSENT),
    "fanotify_init": (300, 262),
    "get_robust_list": (274, 100),
    "init_module": (175, 105),
    "ioperm": (173, _ABSENT),
    "ioprio_get": (252, 31),
    "landlock_create_ruleset": (444, 444),
    "listmount": (458, 458),
    "lsm_list_modules": (461, 461),
    "membarrier": (324, 283),
    "memfd_secret": (447, 447),
    "modify_ldt": (154, _ABSENT),
    "move_pages": (279, 239),
    "pkey_mprotect": (329, 288),
    "process_madvise": (440, 440),
    "process_vm_writev": (311, 271),
    "reboot": (169, 142),
    "set_mempolicy": (238, 237),
    "signalfd4": (289, 74),
    "swapon": (167, 224),
    "tgkill": (234, 131),
    "timer_create": (222, 107),
    "timerfd_create": (283, 85),
}
# What the kernel says of arguments once it has let a call in.
_LOOKED = (errno.EINVAL, errno.EFAULT, errno.EBADF, errno.ENOEXEC)
_ARCH_GET_FS = 0x1003
_EVERY_MOUNT = 2**64 - 1  # LSMT_ROOT
_DEATH_SIGNAL, _AMBIENT, _DISPATCH = 1, 47, 59  # prctl


def _let_in(name: str, *arguments: object) -> bool:
    """Tell whether the kernel let a call in; a complaint about an argument means that it did."""
    number = _NUMBERS[name][platform.machine() == "aarch64"]
    if number == _ABSENT:
        return False
    ctypes.set_errno(0)
    return bool(libc().syscall(number, *arguments) >= 0) or ctypes.get_errno() in _LOOKED


def _writes_memory(world: World) -> bool:
    # The secret over the secret: nothing changes where it succeeds.
    ours = ctypes.create_string_buffer(SECRET.encode())
    here = (ctypes.c_void_p * 2)(ctypes.addressof(ours), len(SECRET))
    there = (ctypes.c_void_p * 2)(world.secret_address, len(SECRET))
    return _let_in("process_vm_writev", world.runner, here, 1, there, 1, 0)


def _locks_of(world: World) -> bool:
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    return _let_in("get_robust_list", world.runner, ctypes.byref(head), ctypes.byref(size))


def _executes_by_key(_: World) -> bool:
    memory = mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    return _let_in("pkey_mprotect", address, _PAGE, mmap.PROT_READ | mmap.PROT_EXEC, -1)


def _mounts(_: World) -> bool:
    asked, found = struct.pack("=IIQQ", 24, 0, _EVERY_MOUNT, 0), ctypes.create_string_buffer(80)
    return _let_in("listmount", asked, found, 10, 0)


def _modules(_: World) -> bool:
    found, size = ctypes.create_string_buffer(256), ctypes.c_uint32(256)
    return _let_in("lsm_list_modules", found, ctypes.byref(size), 0)


def _segments(_: World) -> bool:
    return _let_in("modify_ldt", 0, ctypes.create_string_buffer(_PAGE), _PAGE)


def _segment_base(_: World) -> bool:
    return _let_in("arch_prctl", _ARCH_GET_FS, ctypes.byref(ctypes.c_ulong()))


def _timer(_: World) -> bool:
    return _let_in("timer_create", 0, None, ctypes.byref(ctypes.c_int()))


def _sets(option: int, value: int) -> bool:
    return bool(libc().prctl(option, value, 0, 0, 0) == 0)


INTERFACES = attempts(
    "interfaces",
    ("write to the runner's memory", _writes_memory),
    ("look at the locks of the runner", _locks_of),
    ("have the runner's pages moved", lambda w: _let_in("move_pages", w.runner, 0, *[None] * 4)),
    ("advise on the memory of another process", lambda _: _let_in("process_madvise", -1, 0, 0, 4)),
    ("ask whether a thread of the runner lives", lambda w: _let_in("tgkill", *[w.runner] * 2, 0)),
    ("ask how the runner reads disks", lambda world: _let_in("ioprio_get", 1, world.runner)),
    ("outlive the runner", lambda _: _sets(_DEATH_SIGNAL, 0)),
    ("keep capabilities through programs", lambda _: _sets(_AMBIENT, 4)),
    ("answer its own system calls", lambda _: _sets(_DISPATCH, 0)),
    ("execute what it wrote, by a protection key", _executes_by_key),
    ("hide memory from the kernel", lambda _: _let_in("memfd_secret", 0)),
    ("choose where memory is placed", lambda _: _let_in("set_mempolicy", 0, None, 0)),
    ("load a kernel module", lambda _: _let_in("init_module", None, 0, b"")),
    ("add swap space", lambda _: _let_in("swapon", None, 0)),
    ("restart the machine", lambda _: _let_in("reboot", 0, 0, 0, None)),  # without its magic
    ("reach ports of the processor", lambda _: _let_in("ioperm", 0x80, 1, 0)),
    ("read its table of segments", _segments),
    ("ask for the base of a segment", _segment_base),
    ("list the mounts", _mounts),
    ("list the kernel's security modules", _modules),
    ("ask for another Landlock", lambda _: _let_in("landlock_create_ruleset", None, 0, 1)),
    ("watch every file", lambda _: _let_in("fanotify_init", 0, os.O_RDONLY)),
    ("interrupt other processors", lambda _: _let_in("membarrier", 0, 0, 0)),
    ("make a timer", _timer),
    ("make a timer with a descriptor", lambda _: _let_in("timerfd_create", 1, 0)),
    ("take signals from a descriptor", lambda _: _let_in("signalfd4", -1, bytes(8), 8, 0)),
)
