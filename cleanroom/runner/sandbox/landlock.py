# SPDX-License-Identifier: Apache-2.0
"""Take the file system away from a process, except a few places to read (Landlock).

Landlock holds without privileges and inside containers. It covers the calling
thread and those it starts later, so it comes before any library that starts threads.
Source: ``Documentation/userspace-api/landlock.rst`` and ``linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from cleanroom.runner.sandbox.kernel import syscall
from cleanroom.runner.sandbox.syscalls import Machine

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_READ_FILE = 1 << 2
_READ_DIRECTORY = 1 << 3
_NETWORK = 0b11  # bind and connect TCP
_SCOPES = 0b11  # abstract UNIX sockets, signals

# Everything that each version of the interface can take away, by its first version.
_FILE_RIGHTS = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_NETWORK_FROM = 4
_SCOPES_FROM = 6


def version(machine: Machine) -> int:
    """Return the version of the kernel's Landlock, or 0 where there is none."""
    try:
        return syscall(machine.numbers["landlock_create_ruleset"], None, 0, _VERSION)
    except OSError:
        return 0


def restrict(machine: Machine, *, readable: Iterable[str]) -> None:
    """Leave this thread nothing but reading below some places; execution is in none.

    Args:
        machine: Whose call numbers to use.
        readable: Files and directories; one that does not exist is left out.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    attributes = ruleset(version(machine))
    rules = _create(machine, attributes)
    try:
        for place in readable:
            _allow_reading(machine, rules, place)
        syscall(machine.numbers["landlock_restrict_self"], rules, 0)
    finally:
        os.close(rules)


def ruleset(found: int) -> bytes:
    """Write ``struct landlock_ruleset_attr`` with all that a version can take away."""
    files = 0
    for first, rights in _FILE_RIGHTS:
        files |= rights if found >= first else 0
    network = _NETWORK if found >= _NETWORK_FROM else 0
    scopes = _SCOPES if found >= _SCOPES_FROM else 0
    # An older kernel refuses a longer structure unless the rest is zero; then it is.
    return struct.pack("=QQQ", files, network, scopes)


def _create(machine: Machine, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    where = ctypes.c_void_p(ctypes.addressof(buffer))
    return syscall(machine.numbers["landlock_create_ruleset"], where, len(attributes), 0)


def _allow_reading(machine: Machine, rules: int, place: str) -> None:
    try:
        target = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        directory = stat.S_ISDIR(os.fstat(target).st_mode)
        rights = _READ_FILE | (_READ_DIRECTORY if directory else 0)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, target), 12)
        where = ctypes.c_void_p(ctypes.addressof(rule))
        syscall(machine.numbers["landlock_add_rule"], rules, _PATH_BENEATH, where, 0)
    finally:
        os.close(target)
