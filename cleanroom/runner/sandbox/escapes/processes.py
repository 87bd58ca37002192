# SPDX-License-Identifier: Apache-2.0
"""Attempts on processes: starting others, and reaching into those that run."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import subprocess
import sys
import threading

from cleanroom.runner.sandbox.escapes.world import SECRET, Control, World, attempts
from cleanroom.runner.sandbox.kernel import libc

_BOMB = 300
_THREADS = 10_000
_SMALL_THREADS = 3000
_SMALL_STACK = 4096
# linux/sched.h: memory, root and directory, files, signals, and of the same process.
_THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000
_PTRACE_SEIZE = 0x4206


def _fork(_: World) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _fork_bomb(_: World) -> bool:
    for _number in range(_BOMB):
        if os.fork() == 0:
            signal.pause()
    return True


def _execute(world: World) -> bool:
    os.set_inheritable(world.answer, True)  # noqa: FBT003 - the standard library's
    tell = f"import os; os.write({world.answer}, b'reached')"
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", tell])  # noqa: S606 - tried


def _spawn(_: World) -> bool:
    started = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    return os.waitpid(started, 0)[1] == 0


def _program(_: World) -> bool:
    return subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=False).returncode == 0


def _daemon(_: World) -> bool:
    if os.fork() == 0:
        os.setsid()
        os._exit(0)
    return True


def _threads(_: World) -> bool:
    stop = threading.Event()
    for _number in range(_THREADS):
        threading.Thread(target=stop.wait, daemon=True).start()
    return True


def _small_threads(_: World) -> bool:
    stacks = ctypes.create_string_buffer((_SMALL_THREADS + 1) * _SMALL_STACK)
    hour = ctypes.create_string_buffer(struct.pack("=qq", 3600, 0))
    sleep = ctypes.cast(libc().nanosleep, ctypes.c_void_p)
    for number in range(1, _SMALL_THREADS + 1):
        top = (ctypes.addressof(stacks) + number * _SMALL_STACK) & ~15
        if libc().clone(sleep, ctypes.c_void_p(top), _THREAD, hour) < 0:
            return False
    return True


def _signals(process: int) -> bool:
    os.kill(process, 0)
    return True


def _stops_group(_: World) -> bool:
    os.killpg(0, 0)
    return True


def _trace(world: World) -> bool:
    return bool(libc().ptrace(_PTRACE_SEIZE, world.runner, None, None) == 0)


def _read_memory(world: World) -> bool:
    class Span(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    found = ctypes.create_string_buffer(len(SECRET))
    mine = Span(ctypes.addressof(found), len(SECRET))
    theirs = Span(world.secret_address, len(SECRET))
    libc().process_vm_readv(world.runner, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return found.raw == SECRET.encode()


def _take_descriptor(world: World) -> bool:
    process = os.pidfd_open(world.runner)
    taken = libc().syscall(438, process, world.secret_descriptor, 0)
    return bool(taken >= 0)


def _limit(world: World) -> bool:
    return bool(resource.prlimit(world.runner, resource.RLIMIT_NOFILE))


def _compare(world: World) -> bool:
    numbers = {"x86_64": 312, "aarch64": 272}
    number = numbers[platform.machine()]
    mine = os.getpid()
    return bool(libc().syscall(number, mine, world.runner, 0, 0, world.secret_descriptor) >= 0)


def _schedule(_: World) -> bool:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    return True


def _priority(world: World) -> bool:
    os.setpriority(os.PRIO_PROCESS, world.runner, 0)
    return True


PROCESSES = attempts(
    "processes",
    ("start a process", _fork),
    ("start 300 processes", _fork_bomb, Control.WOULD_HARM),
    ("become another program", _execute),
    ("spawn another program", _spawn),
    ("run another program", _program),
    ("leave a process behind", _daemon),
    ("start 10,000 threads", _threads, Control.WOULD_HARM),
    ("start 3,000 threads on one another's stacks", _small_threads),
    ("signal the runner", lambda world: _signals(world.runner)),
    ("signal its parent", lambda _: os.getppid() > 0 and _signals(os.getppid())),
    ("signal its group", _stops_group),
    ("signal everybody", lambda _: _signals(-1)),
    ("trace the runner", _trace, Control.WOULD_HARM),
    ("read the runner's memory", _read_memory),
    ("take an open file of the runner", _take_descriptor),
    ("look at the runner's limits", _limit),
    ("slow the runner down", _priority),
    ("ask whether it has an open file of the runner", _compare),
    ("change how it is scheduled", _schedule),
)
