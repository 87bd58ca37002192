# SPDX-License-Identifier: Apache-2.0
"""A machine for classic BPF programs, so that a filter can be asked about any processor.

Written from the kernel's documentation (``Documentation/networking/filter.rst``),
not from the assembler: it knows every instruction that a program of ours may hold and
fails on any other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ALLOWED = 0x7FFF0000
KILLED = 0x80000000
_ERRNO = 0x00050000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter answers: allowed, killed, or an error number."""

    action: str
    errno: int = 0


def judge(program: bytes, *, audit: int, number: int, arguments: tuple[int, ...] = ()) -> Verdict:
    """Run a filter over one system call."""
    padded = (*arguments, *(0 for _ in range(6 - len(arguments))))
    data = struct.pack("=iIQ6Q", number, audit, 0, *(item & (2**64 - 1) for item in padded))
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = place = 0
    while True:
        code, if_true, if_false, constant = instructions[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, constant)
        elif code == 0x54:
            accumulator &= constant
        elif code == 0x15:
            place += if_true if accumulator == constant else if_false
        elif code == 0x35:
            place += if_true if accumulator >= constant else if_false
        elif code == 0x06:
            return _verdict(constant)
        else:
            raise AssertionError(f"an instruction that no filter of ours holds: {code:#x}")


def _verdict(value: int) -> Verdict:
    if value == ALLOWED:
        return Verdict("allow")
    if value == KILLED:
        return Verdict("kill")
    assert value & 0xFFFF0000 == _ERRNO
    return Verdict("errno", value & 0xFFFF)
